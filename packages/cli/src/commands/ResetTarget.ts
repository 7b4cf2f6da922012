/**
 * Where `group reset` moves a group: the flags that say so, and the offset that they mean for one partition.
 */
import * as Admin from "@chronik-effect/server/client/kafka/Admin.ts"
import type { ClientError } from "@chronik-effect/server/client/kafka/ClientError.ts"
import type { KafkaClient } from "@chronik-effect/server/client/kafka/KafkaClient.ts"
import * as Effect from "effect/Effect"
import type { Parsed } from "../args/Command.ts"
import { usage } from "../CliFailure.ts"

export type ResetTarget =
  | { readonly _tag: "Earliest" }
  | { readonly _tag: "Latest" }
  | { readonly _tag: "Offset"; readonly offset: number }
  | { readonly _tag: "Shift"; readonly by: number }
  | { readonly _tag: "Time"; readonly timestampMs: number }

const FLAGS = ["to-earliest", "to-latest", "to-offset", "shift-by", "to-datetime"] as const

/** Exactly one of the flags must be there. */
export function resetTargetOf(parsed: Parsed): ResetTarget {
  const given = FLAGS.filter((name) => parsed.flags.has(name))
  const [name] = given
  if (name === undefined || given.length > 1) {
    const problem = name === undefined ? "none is given" : `${given.map((one) => `--${one}`).join(" and ")} are given`
    throw usage(`Say where to move the group with one of ${FLAGS.map((one) => `--${one}`).join(", ")}; ${problem}.`)
  }
  const text = parsed.flags.get(name)![0]!
  switch (name) {
    case "to-earliest":
      return { _tag: "Earliest" }
    case "to-latest":
      return { _tag: "Latest" }
    case "to-offset":
      return { _tag: "Offset", offset: wholeNumber(name, text, 0) }
    case "shift-by":
      return { _tag: "Shift", by: wholeNumber(name, text, Number.MIN_SAFE_INTEGER) }
    case "to-datetime": {
      const timestampMs = Date.parse(text)
      if (Number.isNaN(timestampMs)) {
        throw usage(`--to-datetime is "${text}", but it is a time in ISO form: 2026-11-27T20:00:00Z.`)
      }
      return { _tag: "Time", timestampMs }
    }
  }
}

function wholeNumber(flag: string, text: string, min: number): number {
  const number = Number(text)
  if (text.trim() === "" || !Number.isSafeInteger(number) || number < min) {
    throw usage(`--${flag} is "${text}", but it is a whole number${min === 0 ? " from 0" : ""}.`)
  }
  return number
}

/** Never outside the log. `from`: what is committed now. A time after the last record means the end. */
export const targetOffset = (
  client: KafkaClient,
  topic: string,
  partition: number,
  target: ResetTarget,
  from: number | undefined
): Effect.Effect<number, ClientError> =>
  Effect.gen(function* () {
    const at = (timestamp: number) => Admin.listOffset(client, topic, partition, timestamp)
    const start = yield* at(Admin.EARLIEST)
    const end = yield* at(Admin.LATEST)
    switch (target._tag) {
      case "Earliest":
        return start
      case "Latest":
        return end
      case "Offset":
        return Math.min(end, Math.max(start, target.offset))
      case "Shift":
        return Math.min(end, Math.max(start, (from ?? start) + target.by))
      case "Time": {
        const found = yield* at(target.timestampMs)
        return found < 0 ? end : found
      }
    }
  })
