/**
 * What a benchmark's records hold, so that each can be recognised and checked when it is read back.
 *
 * ```
 * value = tag u32 (of the run), lane u32, sequence i64 (of the lane, from 0), check u32, body
 * check = CRC-32 of the body, mixed with tag, lane and sequence
 * ```
 * The body is made once per lane and place in the batch; only the header changes from batch to batch. The price is that a
 * broker sees the same bodies again, which no broker makes use of; within a batch they differ.
 */
import { crc32 } from "node:zlib"
import { readInt64, readUint32, utf8Bytes, writeInt32, writeInt64 } from "@chronik-effect/core/base/Bytes.ts"
import { Prng } from "@chronik-effect/core/base/Prng.ts"
import { BatchBuilder } from "@chronik-effect/core/record/BatchBuilder.ts"
import * as RecordBatch from "@chronik-effect/core/record/RecordBatch.ts"
import { RecordReader } from "@chronik-effect/core/record/Records.ts"
import { compress } from "@chronik-effect/server/io/Compression.ts"
import type { KeyPattern, Payload, Plan } from "./Plan.ts"

export const VALUE_BYTES_MIN = 20

/** Mixes who a record is into the checksum of what it holds (murmur3's finaliser). */
export function mark(tag: number, lane: number, sequence: number): number {
  let hash = tag ^ Math.imul(lane + 1, 0x9e37_79b1) ^ Math.imul(sequence | 0, 0x85eb_ca77)
  hash ^= Math.imul(Math.floor(sequence / 4_294_967_296), 0xc2b2_ae3d)
  hash = Math.imul(hash ^ (hash >>> 16), 0x85eb_ca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2_ae35)
  return (hash ^ (hash >>> 16)) >>> 0
}

/** What a value says about itself. `intact` is false when the check does not fit. */
export interface Seen {
  tag: number
  lane: number
  sequence: number
  intact: boolean
}

/** Reads the header of the value at [start, end) into `seen`; false when the value is none of ours. */
export function inspect(bytes: Uint8Array, start: number, end: number, seen: Seen): boolean {
  if (end - start < VALUE_BYTES_MIN) return false
  seen.tag = readUint32(bytes, start)
  seen.lane = readUint32(bytes, start + 4)
  seen.sequence = readInt64(bytes, start + 8)
  const body = crc32(bytes.subarray(start + VALUE_BYTES_MIN, end))
  seen.intact = (body ^ mark(seen.tag, seen.lane, seen.sequence)) >>> 0 === readUint32(bytes, start + 16)
  return true
}

const WORDS = "the log of every partition is read back and checked record by record until none is missing".split(" ")

function body(payload: Payload, length: number, random: Prng): Uint8Array {
  const bytes = new Uint8Array(length)
  switch (payload) {
    case "zeros":
      return bytes
    case "random":
      for (let i = 0; i < length; i++) bytes[i] = random.uint32() >>> 24
      return bytes
    case "text":
    case "json": {
      let text = ""
      while (text.length < length) text += payload === "text" ? `${random.pick(WORDS)} ` : jsonLine(random)
      return utf8Bytes(text).slice(0, length)
    }
  }
}

const jsonLine = (random: Prng): string =>
  `${JSON.stringify({ id: random.below(1e9), user: `user-${random.below(5_000)}`, action: random.pick(WORDS), ms: random.below(10_000), ok: random.chance(0.9) })}\n`

const KEY_DIGITS = 12
const keyText = (n: number): string => `key-${String(n).padStart(KEY_DIGITS, "0")}`

/** Makes the batches of one lane: a template that is copied and patched. */
export class BatchSource {
  readonly lane: number
  readonly records: number
  /** Of an uncompressed batch. */
  readonly bytes: number
  /** Sequence of the next batch's first record. */
  nextSequence = 0
  private readonly tag: number
  private readonly template: Uint8Array
  private readonly valueStarts: Int32Array
  private readonly keyStarts: Int32Array
  private readonly bodyChecks: Uint32Array
  private readonly key: KeyPattern
  private readonly codec: Plan["codec"]
  private readonly random: Prng
  /** Batches whose bytes the broker has answered for. */
  private readonly free: Array<Uint8Array> = []
  private producer: { readonly producerId: number; readonly producerEpoch: number } | undefined

  constructor(plan: Plan, tag: number, lane: number, records: number) {
    this.lane = lane
    this.tag = tag
    this.records = records
    this.key = plan.key
    this.codec = plan.codec
    this.random = new Prng(plan.seed * 1_000_003 + lane)
    const builder = new BatchBuilder()
    const keyBytes = plan.key.kind === "none" ? null : utf8Bytes(plan.key.kind === "fixed" ? plan.key.text : keyText(0))
    this.bodyChecks = new Uint32Array(records)
    for (let i = 0; i < records; i++) {
      const value = new Uint8Array(plan.recordBytes)
      value.set(body(plan.payload, plan.recordBytes - VALUE_BYTES_MIN, this.random), VALUE_BYTES_MIN)
      this.bodyChecks[i] = crc32(value.subarray(VALUE_BYTES_MIN))
      builder.append({ timestamp: 0, key: keyBytes, value })
    }
    this.template = builder.finish()
    this.bytes = this.template.length
    this.valueStarts = new Int32Array(records)
    this.keyStarts = new Int32Array(records)
    const reader = new RecordReader(this.template, 0, this.template, RecordBatch.RECORDS_AT, this.bytes)
    while (reader.next()) {
      this.valueStarts[reader.index] = reader.valueStart
      this.keyStarts[reader.index] = reader.keyStart
    }
  }

  /** From now on batches carry a producer id and sequences. */
  identify(producer: { readonly producerId: number; readonly producerEpoch: number }): void {
    this.producer = producer
  }

  /** The next batch. Give it back by `recycle` when the broker has answered for it, if at all. */
  next(nowMs: number): Uint8Array {
    const batch = this.free.pop() ?? this.template.slice()
    const first = this.nextSequence
    this.nextSequence += this.records
    for (let i = 0; i < this.records; i++) this.patch(batch, i, first + i)
    writeInt64(batch, RecordBatch.BASE_TIMESTAMP_AT, nowMs)
    writeInt64(batch, RecordBatch.MAX_TIMESTAMP_AT, nowMs)
    if (this.producer !== undefined) {
      writeInt64(batch, RecordBatch.PRODUCER_ID_AT, this.producer.producerId)
      batch[RecordBatch.PRODUCER_EPOCH_AT] = this.producer.producerEpoch >>> 8
      batch[RecordBatch.PRODUCER_EPOCH_AT + 1] = this.producer.producerEpoch
      writeInt32(batch, RecordBatch.BASE_SEQUENCE_AT, first % 0x8000_0000)
    }
    if (this.codec === RecordBatch.Codec.NONE) {
      RecordBatch.updateCrc(batch, 0)
      return batch
    }
    return this.compressed(batch)
  }

  recycle(batch: Uint8Array): void {
    if (this.codec === RecordBatch.Codec.NONE) this.free.push(batch)
  }

  private patch(batch: Uint8Array, i: number, sequence: number): void {
    const at = this.valueStarts[i]!
    writeInt32(batch, at, this.tag)
    writeInt32(batch, at + 4, this.lane)
    writeInt64(batch, at + 8, sequence)
    writeInt32(batch, at + 16, this.bodyChecks[i]! ^ mark(this.tag, this.lane, sequence))
    if (this.key.kind === "sequence") this.patchKey(batch, this.keyStarts[i]!, sequence)
    else if (this.key.kind === "random") this.patchKey(batch, this.keyStarts[i]!, this.random.below(this.key.distinct))
  }

  /** The digits of `key-000000000042`, from the right. */
  private patchKey(batch: Uint8Array, start: number, value: number): void {
    let rest = value
    for (let at = start + 3 + KEY_DIGITS; at > start + 3; at--) {
      batch[at] = 48 + (rest % 10)
      rest = Math.floor(rest / 10)
    }
  }

  private compressed(batch: Uint8Array): Uint8Array {
    const records = compress(this.codec, batch.subarray(RecordBatch.RECORDS_AT))
    const whole = new Uint8Array(RecordBatch.RECORDS_AT + records.length)
    whole.set(batch.subarray(0, RecordBatch.RECORDS_AT))
    whole.set(records, RecordBatch.RECORDS_AT)
    writeInt32(whole, RecordBatch.BATCH_LENGTH_AT, whole.length - RecordBatch.LOG_OVERHEAD)
    whole[RecordBatch.ATTRIBUTES_AT + 1] = this.codec
    RecordBatch.updateCrc(whole, 0)
    this.free.push(batch)
    return whole
  }
}
