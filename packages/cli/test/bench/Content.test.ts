import * as RecordBatch from "@chronik-effect/core/record/RecordBatch.ts"
import { recordsOf } from "@chronik-effect/server/client/kafka/Fetch.ts"
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { parse } from "../../src/args/Command.ts"
import { BatchSource, inspect, type Seen, VALUE_BYTES_MIN } from "../../src/bench/Content.ts"
import { type Plan, readPlan } from "../../src/bench/Plan.ts"
import { ROOT } from "../../src/Commands.ts"

const planOf = (...flags: ReadonlyArray<string>): Plan => readPlan(parse(ROOT, ["bench", ...flags]))

const readAll = (batch: Uint8Array) => {
  expect(RecordBatch.verifyCrc(batch, 0)).toBe(true)
  expect(RecordBatch.sizeInBytes(batch, 0)).toBe(batch.length)
  const reader = recordsOf(batch, 0)
  if (!("next" in reader)) throw reader
  const records: Array<Seen & { key: string | null }> = []
  while (reader.next()) {
    const seen: Seen = { tag: 0, lane: 0, sequence: 0, intact: false }
    expect(inspect(reader.bytes, reader.valueStart, reader.valueStart + reader.valueLength, seen)).toBe(true)
    const key = reader.key()
    records.push({ ...seen, key: key === null ? null : Buffer.from(key).toString() })
  }
  expect(reader.malformed).toBe(false)
  return records
}

describe("BatchSource", () => {
  it.each(["none", "gzip", "snappy", "lz4", "zstd"])("numbers and checks every record, compression %s", (codec) => {
    const plan = planOf("--compression", codec, "--record-size", "300", "--key", "sequence", "--payload", "json")
    const source = new BatchSource(plan, 0xdead_beef, 3, 7)
    source.recycle(source.next(1))
    const records = readAll(source.next(2))
    expect(records.map((record) => record.sequence)).toEqual([7, 8, 9, 10, 11, 12, 13])
    expect(records.every((record) => record.intact && record.tag === 0xdead_beef && record.lane === 3)).toBe(true)
    expect(records[0]!.key).toBe("key-000000000007")
  })

  it("carries the producer's identity and the sequence of its first record", () => {
    const source = new BatchSource(planOf("--idempotent"), 1, 0, 5)
    source.identify({ producerId: 70_000, producerEpoch: 2 })
    source.next(1)
    const batch = source.next(1)
    expect([
      RecordBatch.producerId(batch, 0),
      RecordBatch.producerEpoch(batch, 0),
      RecordBatch.baseSequence(batch, 0)
    ]).toEqual([70_000, 2, 5])
    expect(RecordBatch.verifyCrc(batch, 0)).toBe(true)
  })

  it("notices any flipped bit of a value", () => {
    const source = new BatchSource(planOf("--record-size", "64"), 5, 1, 1)
    const batch = source.next(1)
    const reader = recordsOf(batch, 0)
    if (!("next" in reader) || !reader.next()) throw new Error("unreadable")
    const { valueStart, valueLength } = reader
    fc.assert(
      fc.property(fc.nat(valueLength * 8 - 1), (bit) => {
        const value = batch.slice(valueStart, valueStart + valueLength)
        value[bit >> 3] = value[bit >> 3]! ^ (1 << (bit & 7))
        const seen: Seen = { tag: 0, lane: 0, sequence: 0, intact: true }
        inspect(value, 0, value.length, seen)
        return !seen.intact
      }),
      { numRuns: 300 }
    )
  })

  it("makes the same records from the same seed", () => {
    const plan = planOf("--payload", "random", "--key", "random:10")
    expect(new BatchSource(plan, 1, 2, 3).next(9)).toEqual(new BatchSource(plan, 1, 2, 3).next(9))
    const other = { ...plan, seed: 2 }
    expect(new BatchSource(other, 1, 2, 3).next(9)).not.toEqual(new BatchSource(plan, 1, 2, 3).next(9))
  })
})

describe("readPlan", () => {
  it("has the defaults of the help page", () => {
    expect(planOf()).toMatchObject({
      modes: ["produce"],
      concurrency: 64,
      recordBytes: 1_024,
      acks: -1,
      codec: 0,
      partitions: 16
    })
    expect(planOf("-m", "produce,round-trip").modes).toEqual(["produce", "round-trip"])
    expect(planOf("--acks", "-1").acks).toBe(-1)
  })

  it.each([
    [["--mode", "prodce"], 'Did you mean "produce"?'],
    [["--record-size", String(VALUE_BYTES_MIN - 1)], "from 20 to"],
    [["--batch-size", "1000000", "--record-size", "1000"], "no broker takes such a request"],
    [["--key", "fixed:"], "none, sequence, random"],
    [["--idempotent", "--acks", "1"], "--idempotent needs --acks all"],
    [["--duration", "0"], "seconds from 0.1"],
    [["--compression", "lz5"], 'Did you mean "lz4"?']
  ])("%j is refused", (flags, sentence) => {
    expect(() => planOf(...flags)).toThrow(sentence)
  })
})
