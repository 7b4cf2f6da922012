/**
 * What a benchmark run is to do, read from the command line and checked before anything is connected.
 */
import type { Acks } from "@chronik-effect/server/client/kafka/Produce.ts"
import type { Parsed } from "../args/Command.ts"
import { usage } from "../CliFailure.ts"
import { readChoice, readInt } from "../settings/Setting.ts"
import { VALUE_BYTES_MIN } from "./Content.ts"

export const MODES = ["produce", "consume", "round-trip", "metadata"] as const
export type Mode = (typeof MODES)[number]

export const PAYLOADS = ["text", "json", "random", "zeros"] as const
export type Payload = (typeof PAYLOADS)[number]

const CODECS = ["none", "gzip", "snappy", "lz4", "zstd"] as const
const ACKS = ["all", "1", "0"] as const

export type KeyPattern =
  | { readonly kind: "none" }
  | { readonly kind: "sequence" }
  | { readonly kind: "random"; readonly distinct: number }
  | { readonly kind: "fixed"; readonly text: string }

export interface Plan {
  readonly modes: ReadonlyArray<Mode>
  readonly concurrency: number
  readonly recordBytes: number
  readonly batchRecords: number
  readonly partitions: number
  readonly replicationFactor: number | undefined
  /** Undefined: a topic of the run's own. */
  readonly topic: string | undefined
  readonly durationMs: number
  readonly warmUpMs: number
  readonly acks: Acks
  readonly idempotent: boolean
  readonly compression: (typeof CODECS)[number]
  /** Kafka's codec id of `compression`. */
  readonly codec: 0 | 1 | 2 | 3 | 4
  /** Records a second over all connections; undefined is a closed loop. */
  readonly rate: number | undefined
  readonly key: KeyPattern
  readonly payload: Payload
  readonly fetchBytes: number
  readonly preloadRecords: number
  readonly seed: number
}

/** Kafka's default limit of a request, minus the room for its other fields. */
const BATCH_BYTES_MAX = 100 * 1024 * 1024

export function readPlan(parsed: Parsed): Plan {
  const text = (name: string): string | undefined => parsed.flags.get(name)?.[0]
  const int = (name: string, fallback: number, min: number, max: number, what: string): number => {
    const given = text(name)
    return given === undefined ? fallback : readInt(given, `--${name}`, min, max, what)
  }
  const seconds = (name: string, fallback: number, min: number): number => {
    const given = text(name) ?? String(fallback)
    const value = Number(given)
    if (!(value >= min && value <= 86_400))
      throw usage(`--${name} is "${given}", but it is seconds from ${min} to 86400.`)
    return value * 1_000
  }
  const codecName = readChoice(text("compression") ?? "none", "--compression", CODECS)
  const acks = readChoice(text("acks") === "-1" ? "all" : (text("acks") ?? "all"), "--acks", ACKS)
  const idempotent = text("idempotent") === "true"
  if (idempotent && acks !== "all")
    throw usage("--idempotent needs --acks all: without its answer a batch cannot be numbered.")
  const rate = text("rate")
  const plan: Plan = {
    modes: (text("mode") ?? "produce").split(",").map((mode) => readChoice(mode, "--mode", MODES)),
    concurrency: int("concurrency", 64, 1, 10_000, "a number of connections"),
    recordBytes: int("record-size", 1_024, VALUE_BYTES_MIN, BATCH_BYTES_MAX, "the size of a record's value"),
    batchRecords: int("batch-size", 1, 1, 1_000_000, "a number of records"),
    partitions: int("partitions", 16, 1, 100_000, "a count of partitions"),
    replicationFactor:
      text("replication-factor") === undefined
        ? undefined
        : int("replication-factor", 1, 1, 1_000, "a replication factor"),
    topic: text("topic"),
    durationMs: seconds("duration", 10, 0.1),
    warmUpMs: seconds("warm-up", 2, 0),
    acks: acks === "all" ? -1 : acks === "1" ? 1 : 0,
    idempotent,
    compression: codecName,
    codec: CODECS.indexOf(codecName) as Plan["codec"],
    rate: rate === undefined ? undefined : readInt(rate, "--rate", 1, 1_000_000_000, "a rate in records per second"),
    key: readKey(text("key") ?? "none"),
    payload: readChoice(text("payload") ?? "text", "--payload", PAYLOADS),
    fetchBytes: int("fetch-size", 1_048_576, 1_024, 1 << 30, "a number of bytes"),
    preloadRecords: int("preload", 100_000, 0, 1_000_000_000, "a number of records"),
    seed: int("seed", 1, 0, Number.MAX_SAFE_INTEGER, "a seed")
  }
  if (plan.recordBytes * plan.batchRecords > BATCH_BYTES_MAX) {
    throw usage(
      `--record-size ${plan.recordBytes} times --batch-size ${plan.batchRecords} is more than ${BATCH_BYTES_MAX} bytes: no broker takes such a request.`
    )
  }
  return plan
}

function readKey(text: string): KeyPattern {
  if (text === "none" || text === "sequence") return { kind: text }
  if (text === "random") return { kind: "random", distinct: 1_000_000 }
  const colon = text.indexOf(":")
  const head = text.slice(0, colon)
  if (head === "random") {
    return {
      kind: "random",
      distinct: readInt(text.slice(colon + 1), "The number of keys of --key", 1, 1_000_000_000, "a count of keys")
    }
  }
  if (head === "fixed" && colon + 1 < text.length) return { kind: "fixed", text: text.slice(colon + 1) }
  throw usage(`--key is "${text}", but it is none, sequence, random, random:1000 or fixed:some-text.`)
}
