/**
 * The level of this node's log, which an operator may change while it runs (resource type 8 of the config APIs).
 *
 * There is one logger, `root`. A change is this node's alone and is forgotten at its end, as in Kafka. Levels go by Kafka's
 * names: TRACE, DEBUG, INFO, WARN, ERROR, FATAL; OFF is shown where the node was started without a log, and cannot be set.
 */
import * as Context from "effect/Context"
import * as EffectLogLevel from "effect/LogLevel"
import type { LogLevel } from "./NodeConfig.ts"

export const ROOT_LOGGER = "root"

const NAMES = {
  trace: "TRACE",
  debug: "DEBUG",
  info: "INFO",
  warn: "WARN",
  error: "ERROR",
  fatal: "FATAL",
  none: "OFF"
} as const satisfies Record<LogLevel, string>

const EFFECT: Readonly<Record<LogLevel, EffectLogLevel.LogLevel>> = {
  trace: "Trace",
  debug: "Debug",
  info: "Info",
  warn: "Warn",
  error: "Error",
  fatal: "Fatal",
  none: "None"
}

export class LogLevels extends Context.Service<
  LogLevels,
  {
    /** The level in force under Kafka's name. */
    readonly name: () => string
    /** Whether a line of this level is written. */
    readonly writes: (level: EffectLogLevel.LogLevel) => boolean
    /** Sets the level under Kafka's name; false where there is none of that name. */
    readonly set: (name: string) => boolean
  }
>()("chronik/LogLevels") {}

/** The levels that may be set, in the order in which Kafka lists them. */
export const SETTABLE_LEVELS: ReadonlyArray<string> = Object.values(NAMES)
  .filter((name) => name !== NAMES.none)
  .sort()

export const make = (initial: LogLevel): LogLevels["Service"] => {
  let level = initial
  return LogLevels.of({
    name: () => NAMES[level],
    writes: (asked) => level !== "none" && EffectLogLevel.isGreaterThanOrEqualTo(asked, EFFECT[level]),
    set: (name) => {
      const found = (Object.keys(NAMES) as Array<LogLevel>).find((one) => NAMES[one] === name && one !== "none")
      if (found === undefined) return false
      level = found
      return true
    }
  })
}
