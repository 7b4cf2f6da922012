/**
 * How a node's log looks and how much of it there is. Log lines go to stderr: stdout belongs to what a command was asked for.
 *
 * The level may change while the node runs, so it is asked for each line (`LogLevels`) and not fixed in Effect's reference.
 */
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as References from "effect/References"
import { LogLevels, make } from "./LogLevels.ts"
import type { LogFormat, LogLevel } from "./NodeConfig.ts"

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
}): Layer.Layer<LogLevels> => {
  const levels = make(values.logLevel)
  const lines = logger(values.logFormat)
  const wanted = Logger.make<unknown, void>((line) => {
    if (levels.writes(line.logLevel)) lines.log(line)
  })
  return Layer.mergeAll(
    Logger.layer([wanted]),
    Layer.succeed(Logger.LogToStderr, true),
    Layer.succeed(References.MinimumLogLevel, "All"),
    Layer.succeed(LogLevels, levels)
  )
}
