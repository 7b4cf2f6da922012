/**
 * A compacted partition as it must be, whatever was cleaned, crashed and read: every record that was sent, by offset.
 *
 * What a log may lack is a matter of rules, so `verify` takes a log's batches and says which rule they break: a record that
 * was never sent, or moved, or changed; a gap between batches; a key whose newest value is missing; a tombstone that went too
 * early; a record that compaction had no right to touch. It knows nothing of files.
 */

import type { Prng } from "@chronik-effect/core/base/Prng.ts"
import { ErrorCode } from "@chronik-effect/core/model/ErrorCode.ts"
import { BatchBuilder } from "@chronik-effect/core/record/BatchBuilder.ts"
import * as RecordBatch from "@chronik-effect/core/record/RecordBatch.ts"
import { type ReadRecord, readAllRecords } from "@chronik-effect/core/record/Records.ts"
import { compress, decompress } from "@chronik-effect/server/io/Compression.ts"
import type { Partition } from "@chronik-effect/server/replication/Partition.ts"
import { Effect } from "effect"
import { Broken, handOver } from "./Promises.ts"

const BYTES_MAX = 1 << 24
const KEYS = 40
export const PRODUCERS = [7, 8] as const

interface Sent {
  readonly key: string
  /** null: a tombstone. */
  readonly value: string | null
  readonly timestamp: number
}

interface SentBatch {
  readonly base: number
  readonly bytes: Uint8Array
  readonly producerId: number
}

export interface ReadFacts {
  readonly start: number
  readonly end: number
  readonly nowMillis: number
  readonly untouchedFrom: number
  readonly isUnderSwap?: boolean
}

const text = (bytes: Uint8Array | null): string | null => (bytes === null ? null : Buffer.from(bytes).toString())

export class KeyedLog {
  /** By offset. */
  records: Array<Sent> = []
  batches: Array<SentBatch> = []
  /** Everything below was acknowledged or shown. */
  acknowledged = 0
  readonly deleteRetentionMs: number
  readonly minLagMs: number
  #salt = 0
  /** Noticed in a callback of the node, told by `hold`. */
  #broken: Broken | undefined

  constructor(deleteRetentionMs: number, minLagMs: number) {
    this.deleteRetentionMs = deleteRetentionMs
    this.minLagMs = minLagMs
  }

  get end(): number {
    return this.records.length
  }

  nextSequence(producerId: number): number {
    const last = this.batches.findLast((batch) => batch.producerId === producerId)
    return last === undefined ? 0 : RecordBatch.lastSequence(last.bytes, 0) + 1
  }

  /** Sends a batch of a few records; notes what was acknowledged. */
  append(partition: Partition, random: Prng, nowMillis: number, isAlive: () => boolean): Effect.Effect<void> {
    return Effect.suspend(() => {
      const batch = this.#make(random, nowMillis)
      const { base, bytes } = batch
      const end = this.end
      return Effect.asVoid(
        handOver(partition, bytes, ({ errorCode, baseOffset }) => {
          if (!isAlive() || errorCode !== ErrorCode.NONE) return
          if (baseOffset !== base) this.#broken ??= new Broken(`offset ${baseOffset} for the batch at ${base}`)
          this.acknowledged = Math.max(this.acknowledged, end)
        })
      )
    })
  }

  hold(): void {
    if (this.#broken !== undefined) throw this.#broken
  }

  #make(random: Prng, nowMillis: number): SentBatch {
    const builder = new BatchBuilder()
    const base = this.end
    for (let i = random.between(1, 5); i > 0; i--) {
      const key = `key-${random.below(KEYS)}`
      const filling = "x".repeat(random.below(random.chance(0.1) ? 3_000 : 300))
      const value = random.chance(0.15) ? null : `${this.#salt++} ${filling}`
      const timestamp = nowMillis - random.below(3)
      this.records.push({ key, value, timestamp })
      builder.append({ key: Buffer.from(key), value: value === null ? null : Buffer.from(value), timestamp })
    }
    const producerId = random.pick([-1, -1, ...PRODUCERS])
    const numbers = { producerId, producerEpoch: 0, baseSequence: this.nextSequence(producerId) }
    const codec = random.pick([0, 0, 1, 2, 3, 4] as const)
    const bytes = builder.finish({ codec, compress, ...(producerId < 0 ? {} : numbers) })
    const batch = { base, bytes, producerId }
    this.batches.push(batch)
    return batch
  }

  /** A start has shown a log that ends at `end`: what was sent beyond it is gone for good. */
  cutTo(end: number): void {
    ensure(end >= this.acknowledged, () => `the log ends at ${end}, and ${this.acknowledged} was acknowledged`)
    ensure(end <= this.end, () => `the log ends at ${end}, and only ${this.end} was sent`)
    this.records.length = end
    this.batches = this.batches.filter(({ base }) => base < end)
    this.acknowledged = end
  }

  /**
   * Holds the batches of [start, end) against everything sent. `untouchedFrom`: compaction was never allowed there. Where a
   * file was swapped between two of a reader's requests (`isUnderSwap`) the next batch may begin before the last one ended.
   */
  verify(bytes: Uint8Array, { start, end, nowMillis, untouchedFrom, isUnderSwap = false }: ReadFacts): void {
    const found = new Map<number, ReadRecord>()
    let next = start
    for (let pos = 0; pos < bytes.length; pos += RecordBatch.sizeInBytes(bytes, pos)) {
      const base = RecordBatch.baseOffset(bytes, pos)
      ensure(RecordBatch.verifyCrc(bytes, pos), () => `the batch at ${base} has a wrong checksum`)
      const overlaps = isUnderSwap && base < next && RecordBatch.endOffset(bytes, pos) > next
      ensure(base === next || overlaps, () => `the batch at ${base} follows ${next}`)
      next = RecordBatch.endOffset(bytes, pos)
      const batch = bytes.slice(pos, pos + RecordBatch.sizeInBytes(bytes, pos))
      const records = readAllRecords(batch, 0, decompress, BYTES_MAX)
      ensure(records !== undefined, () => `the batch at ${base} does not parse`)
      for (const record of records!) this.#take(found, record)
      const times = records!.map(({ timestamp }) => timestamp)
      const largest = times.length === 0 ? -1 : Math.max(...times)
      ensure(RecordBatch.maxTimestamp(batch, 0) === largest, () => `the batch at ${base} has a wrong largest time`)
    }
    ensure(next === end, () => `the batches end at ${next} of ${end}`)
    this.#verifyMissing(found, start, end, nowMillis, untouchedFrom)
  }

  #take(found: Map<number, ReadRecord>, record: ReadRecord): void {
    const { offset } = record
    const sent = this.records[offset]
    ensure(sent !== undefined, () => `a record at ${offset} was never sent`)
    const same =
      text(record.key) === sent!.key && text(record.value) === sent!.value && record.timestamp === sent!.timestamp
    ensure(same, () => `the record at ${offset} is ${text(record.key)}=${text(record.value)} @${record.timestamp}`)
    found.set(offset, record)
  }

  #verifyMissing(
    found: ReadonlyMap<number, ReadRecord>,
    start: number,
    end: number,
    nowMillis: number,
    untouchedFrom: number
  ): void {
    const newest = new Map<string, number>()
    for (let offset = 0; offset < end; offset++) newest.set(this.records[offset]!.key, offset)
    for (let offset = start; offset < end; offset++) {
      if (found.has(offset)) continue
      const { key, value, timestamp } = this.records[offset]!
      const about = () => `the record at ${offset} of ${key} is gone, of [${start}, ${end})`
      ensure(offset < untouchedFrom, () => `${about()}, and nothing from ${untouchedFrom} on was in cleaned files`)
      ensure(nowMillis - timestamp >= this.minLagMs, () => `${about()}, and younger than min.compaction.lag.ms`)
      if (newest.get(key) !== offset) continue
      ensure(value === null, () => `${about()}, the newest value of its key`)
      ensure(nowMillis - timestamp >= this.deleteRetentionMs, () => `${about()}, a tombstone before its time`)
    }
  }

  /** Offsets of tombstones below `end`. */
  tombstonesIn(bytes: Uint8Array): ReadonlyArray<number> {
    const offsets: Array<number> = []
    for (let pos = 0; pos < bytes.length; pos += RecordBatch.sizeInBytes(bytes, pos)) {
      const batch = bytes.slice(pos, pos + RecordBatch.sizeInBytes(bytes, pos))
      for (const { offset, value } of readAllRecords(batch, 0, decompress, BYTES_MAX)!) {
        if (value === null) offsets.push(offset)
      }
    }
    return offsets
  }

  /** The last batch of each producer is a duplicate, and its next sequence would be taken. */
  verifyProducers(partition: Partition, nowMillis: number): void {
    const { producers } = partition.store
    for (const producerId of PRODUCERS) {
      const last = this.batches.findLast((batch) => batch.producerId === producerId)
      if (last === undefined) continue
      const retry = producers.check(last.bytes, 0, nowMillis)
      ensure(
        retry.errorCode === ErrorCode.NONE && retry.duplicate?.baseOffset === last.base,
        () => `a retry of producer ${producerId} at ${last.base} got ${retry.errorCode}/${retry.duplicate?.baseOffset}`
      )
      const next = producers.checkSequence(producerId, 0, this.nextSequence(producerId), 1, nowMillis)
      ensure(
        next.errorCode === ErrorCode.NONE && next.duplicate === undefined,
        () => `the next sequence of producer ${producerId} got ${next.errorCode}`
      )
    }
  }
}

const ensure = (holds: boolean, sentence: () => string): void => {
  if (!holds) throw new Broken(sentence())
}
