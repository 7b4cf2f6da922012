/**
 * How a node's log looks and how much of it there is. Log lines go to stderr: stdout belongs to what a command was asked for.
 */
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import type { LogLevel as EffectLogLevel } from "effect/LogLevel"
import * as References from "effect/References"
import type { LogFormat, LogLevel } from "./NodeConfig.ts"

const LEVELS: Readonly<Record<LogLevel, EffectLogLevel>> = {
  trace: "Trace",
  debug: "Debug",
  info: "Info",
  warn: "Warn",
  error: "Error",
  fatal: "Fatal",
  none: "None"
}

const logger = (format: LogFormat): Logger.Logger<unknown, void> => {
  switch (format) {
    case "pretty":
      return Logger.consolePretty()
    case "json":
      return Logger.withConsoleError(Logger.formatJson)
    case "logfmt":
      return Logger.withConsoleError(Logger.formatLogFmt)
  }
}

export const layerLogging = (values: {
  readonly logFormat: LogFormat
  readonly logLevel: LogLevel
}): Layer.Layer<never> =>
  Layer.mergeAll(
    Logger.layer([logger(values.logFormat)]),
    Layer.succeed(Logger.LogToStderr, true),
    Layer.succeed(References.MinimumLogLevel, LEVELS[values.logLevel])
  )
