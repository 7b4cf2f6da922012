/**
 * Judging changes of configuration: single keys changed (IncrementalAlterConfigs) or the whole set of a resource replaced
 * (AlterConfigs). All of one resource's changes are accepted, or none; what a resource of each type allows is `ConfigTarget`.
 */
import { Result } from "effect"
import type { BrokerConfig } from "../config/BrokerConfig.ts"
import { shown } from "../config/ConfigDefinition.ts"
import { ErrorCode } from "../model/ErrorCode.ts"
import { type AlterConfigs, type ConfigChange, ConfigOp } from "./Command.ts"
import { type ConfigTarget, targetOf } from "./ConfigTarget.ts"
import { type Decision, type Refusal, refuse } from "./Decide.ts"
import type { MetadataImage } from "./MetadataImage.ts"
import { changedConfigs } from "./ReplayConfigs.ts"

/** Most keys that one request may name for one resource. No type of resource has nearly as many. */
export const KEYS_A_RESOURCE_MAX = 1_000

interface Resource {
  readonly resourceType: number
  readonly resourceName: string
}

export interface ConfigsRequest extends Resource {
  /** As on the wire: operations and values are not yet checked. */
  readonly changes: ReadonlyArray<{ readonly name: string; readonly op: number; readonly value: string | null }>
}

export interface ReplaceConfigsRequest extends Resource {
  /** The whole set: a key that was set and is not named here is removed. */
  readonly values: ReadonlyArray<{ readonly name: string; readonly value: string | null }>
}

export const decideAlterConfigs = (
  request: ConfigsRequest,
  image: MetadataImage,
  broker: BrokerConfig
): Decision<AlterConfigs> => {
  const problem = keysProblem(request.changes)
  if (problem !== undefined) return Result.fail(problem)
  return Result.flatMap(targetOf(request, image, broker), (target) =>
    Result.flatMap(definiteChanges(request.changes, target), (changes) => commandOf(target, changes))
  )
}

export const decideReplaceConfigs = (
  request: ReplaceConfigsRequest,
  image: MetadataImage,
  broker: BrokerConfig
): Decision<AlterConfigs> => {
  const problem = keysProblem(request.values)
  if (problem !== undefined) return Result.fail(problem)
  return Result.flatMap(targetOf(request, image, broker), (target) => {
    const named = new Set(request.values.map(({ name }) => name))
    const removed = [...target.overrides.keys()].filter((name) => !named.has(name))
    const changes: Array<ConfigChange> = removed.map((name) => ({ name, op: ConfigOp.DELETE, value: null }))
    for (const { name, value } of request.values) {
      if (value === null) return Result.fail(nullValue(name))
      changes.push({ name, op: ConfigOp.SET, value })
    }
    return commandOf(target, changes)
  })
}

const keysProblem = (keys: ReadonlyArray<{ readonly name: string }>): Refusal | undefined => {
  if (keys.length > KEYS_A_RESOURCE_MAX) {
    return {
      errorCode: ErrorCode.INVALID_REQUEST,
      message: `A request may name at most ${KEYS_A_RESOURCE_MAX} keys of one resource, this one names ${keys.length}.`
    }
  }
  return new Set(keys.map(({ name }) => name)).size === keys.length
    ? undefined
    : { errorCode: ErrorCode.INVALID_REQUEST, message: "Error due to duplicate config keys" }
}

const nullValue = (name: string): Refusal => ({
  errorCode: ErrorCode.INVALID_REQUEST,
  message: `Null value not supported for : ${shown(name)}`
})

const commandOf = (target: ConfigTarget, changes: ReadonlyArray<ConfigChange>): Decision<AlterConfigs> => {
  const values = changedConfigs(target.overrides, changes, target.inherited)
  const set = changes.filter(({ op }) => op !== ConfigOp.DELETE).map(({ name }) => name)
  const problem = target.problem(values, set)
  if (problem !== undefined) return Result.fail(problem)
  return Result.succeed({
    _tag: "AlterConfigs",
    resourceType: target.resourceType,
    resource: target.resource,
    // The removal of what is not there changes nothing, whatever its name.
    changes: changes.filter(({ name, op }) => op !== ConfigOp.DELETE || target.overrides.has(name))
  })
}

const isOperation = (op: number): op is ConfigOp => Object.values(ConfigOp).some((known) => known === op)

/** Operations made definite: an APPEND or SUBTRACT on an inherited list becomes the SET of its outcome. */
const definiteChanges = (
  changes: ConfigsRequest["changes"],
  target: ConfigTarget
): Decision<ReadonlyArray<ConfigChange>> => {
  const known: Array<ConfigChange> = []
  for (const { name, op, value } of changes) {
    if (!isOperation(op)) {
      return refuse(ErrorCode.INVALID_REQUEST, `Unknown operation ${op} for the config ${shown(name)}.`)
    }
    if (op === ConfigOp.DELETE) known.push({ name, op, value: null })
    else if (value === null) return Result.fail(nullValue(name))
    else known.push({ name, op, value })
  }
  const definite: Array<ConfigChange> = []
  for (const change of known) {
    const { name, op } = change
    if (op === ConfigOp.DELETE || op === ConfigOp.SET) {
      definite.push(change)
      continue
    }
    if (!target.isList(name)) {
      return refuse(
        ErrorCode.INVALID_CONFIG,
        target.noList(shown(name), op === ConfigOp.APPEND ? "APPEND" : "SUBTRACT")
      )
    }
    if (target.overrides.has(name)) definite.push(change)
    else {
      const outcome = changedConfigs(target.overrides, [change], target.inherited).get(name) ?? ""
      definite.push({ name, op: ConfigOp.SET, value: outcome })
    }
  }
  return Result.succeed(definite)
}
