/**
 * The loggers of a node as a config resource (type 8): described and changed like configs, kept nowhere.
 *
 * The only logger is `root`. Its level cannot be removed, and there are no lists.
 */
import { ConfigSource } from "@chronik-effect/core/config/BrokerConfig.ts"
import { shown } from "@chronik-effect/core/config/ConfigDefinition.ts"
import { ConfigOp } from "@chronik-effect/core/metadata/Command.ts"
import { type Decision, refuse } from "@chronik-effect/core/metadata/Decide.ts"
import type { ConfigsRequest } from "@chronik-effect/core/metadata/DecideConfigs.ts"
import { ErrorCode } from "@chronik-effect/core/model/ErrorCode.ts"
import { Result } from "effect"
import { type LogLevels, ROOT_LOGGER, SETTABLE_LEVELS } from "../config/LogLevels.ts"
import type { ConfigEntry } from "./ConfigEntries.ts"

/** Kafka says no type of loggers. */
const TYPE_UNKNOWN = 0

export const loggerEntries = (levels: LogLevels["Service"]): ReadonlyArray<ConfigEntry> => [
  {
    name: ROOT_LOGGER,
    value: levels.name(),
    readOnly: false,
    configSource: ConfigSource.DYNAMIC_BROKER_LOGGER,
    isSensitive: false,
    synonyms: [],
    configType: TYPE_UNKNOWN,
    documentation: "The level of this node's log, until it stops."
  }
]

/** Judges the changes and, unless they are only to be validated, makes them: there is nothing to wait for. */
export const changeLevels = (
  { resourceName, changes }: ConfigsRequest,
  nodeId: number,
  levels: LogLevels["Service"],
  validateOnly: boolean
): Decision<null> => {
  const node = nodeProblem(resourceName, nodeId)
  if (node !== undefined) return refuse(ErrorCode.INVALID_REQUEST, node)
  if (new Set(changes.map(({ name }) => name)).size < changes.length) {
    return refuse(ErrorCode.INVALID_REQUEST, "Error due to duplicate config keys")
  }
  for (const { name, op, value } of changes) {
    if (op === ConfigOp.APPEND || op === ConfigOp.SUBTRACT) {
      const operation = op === ConfigOp.APPEND ? "APPEND" : "SUBTRACT"
      return refuse(ErrorCode.INVALID_REQUEST, `${operation} operation is not allowed for the BROKER_LOGGER resource`)
    }
    if (op !== ConfigOp.SET && op !== ConfigOp.DELETE) {
      return refuse(ErrorCode.INVALID_REQUEST, `Unknown operation ${op} for the logger ${shown(name)}.`)
    }
    if (name !== ROOT_LOGGER) return refuse(ErrorCode.INVALID_CONFIG, `Logger ${shown(name)} does not exist!`)
    if (op === ConfigOp.DELETE) {
      return refuse(ErrorCode.INVALID_REQUEST, "Removing the log level of the root logger is not allowed")
    }
    if (value === null) return refuse(ErrorCode.INVALID_REQUEST, `Null value not supported for : ${name}`)
    if (!SETTABLE_LEVELS.includes(value)) {
      return refuse(
        ErrorCode.INVALID_CONFIG,
        `Cannot set the log level of ${name} to ${shown(value)} as it is not a supported log level. Valid log levels are ${SETTABLE_LEVELS.join(", ")}`
      )
    }
  }
  if (!validateOnly) for (const { value } of changes) levels.set(value ?? "")
  return Result.succeed(null)
}

const nodeProblem = (name: string, nodeId: number): string | undefined => {
  if (!/^[+-]?\d{1,10}$/.test(name)) return `Node id must be an integer, but it is: ${shown(name)}`
  return Number(name) === nodeId ? undefined : `Unexpected node id. Expected ${nodeId}, but received ${name}`
}
