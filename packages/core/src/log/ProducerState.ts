/**
 * Idempotence of one partition: what each producer id appended last, so that a retry is answered with the original offset
 * and a gap in its sequence is refused.
 *
 * Kafka's rules: the last five batches a producer are remembered; exactly the same (epoch, first, last sequence) is a
 * duplicate; the next batch must start one after the last sequence (2^31-1 is followed by 0); an epoch below the current
 * one is fenced; a new epoch starts at sequence 0; a producer id without state may start anywhere.
 *
 * The state follows the log and nothing else: `appended` for each batch, `truncateTo` when the log is cut. Batches keep
 * their own epoch, so that a cut across a change of epoch is undone exactly; where more was cut than is remembered,
 * `truncateTo` says so and the owner rebuilds the state from the log.
 *
 * Bounded by `PRODUCERS_MAX` a partition (the producer that was first seen longest ago goes first). Transactions (open
 * transaction per producer, aborted ones) are not kept here. No clock: time is an argument.
 */
import { assert } from "../base/Assert.ts"
import { readInt16, readInt32, readInt64, writeInt16, writeInt32, writeInt64 } from "../base/Bytes.ts"
import { ErrorCode } from "../model/ErrorCode.ts"

export const BATCHES_REMEMBERED = 5
export const PRODUCERS_MAX = 100_000
/** Kafka's default of `producer.id.expiration.ms`. */
export const PRODUCER_EXPIRATION_MS = 86_400_000

const SEQUENCE_MAX = 2_147_483_647
const NO_EPOCH = -1

// Offsets into the header of a record batch v2.
const LAST_OFFSET_DELTA = 23
const PRODUCER_ID = 43
const PRODUCER_EPOCH = 51
const BASE_SEQUENCE = 53

export interface ProducerBatch {
  readonly epoch: number
  readonly firstSequence: number
  readonly lastSequence: number
  readonly baseOffset: number
  readonly endOffset: number
}

interface ProducerEntry {
  epoch: number
  /** Oldest first, at most `BATCHES_REMEMBERED`. */
  batches: Array<ProducerBatch>
  /** Whether batches before the first remembered one existed: after a cut of all of them the truth is in the log only. */
  forgotten: boolean
  lastAppendMillis: number
}

export interface ActiveProducer {
  readonly producerId: number
  readonly epoch: number
  /** -1: it has written markers only. */
  readonly lastSequence: number
  readonly lastAppendMillis: number
}

/** **Shape** `errorCode` NONE without `duplicate`: append it. NONE with `duplicate`: answer with that batch's offsets. */
export interface ProducerCheck {
  readonly errorCode: ErrorCode
  readonly duplicate: { readonly baseOffset: number; readonly endOffset: number } | undefined
}

const ACCEPTED: ProducerCheck = { errorCode: ErrorCode.NONE, duplicate: undefined }
const FENCED: ProducerCheck = { errorCode: ErrorCode.INVALID_PRODUCER_EPOCH, duplicate: undefined }
const OUT_OF_ORDER: ProducerCheck = { errorCode: ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER, duplicate: undefined }

/** The sequence number `steps` after `sequence`, in the ring of 0 … 2^31-1. */
export const sequenceAfter = (sequence: number, steps: number): number =>
  steps <= SEQUENCE_MAX - sequence ? sequence + steps : steps - (SEQUENCE_MAX - sequence) - 1

export class ProducerState {
  #producers: Map<number, ProducerEntry> | undefined
  readonly #producersMax: number
  expirationMs: number

  constructor(expirationMs = PRODUCER_EXPIRATION_MS, producersMax = PRODUCERS_MAX) {
    this.expirationMs = expirationMs
    this.#producersMax = producersMax
  }

  /** Producers with state. */
  get size(): number {
    return this.#producers?.size ?? 0
  }

  /** Whether the batch at `pos` may be appended; changes nothing. A batch without producer id always may. */
  check(bytes: Uint8Array, pos: number, nowMillis: number): ProducerCheck {
    const producerId = readInt64(bytes, pos + PRODUCER_ID)
    if (producerId < 0) return ACCEPTED
    const count = readInt32(bytes, pos + LAST_OFFSET_DELTA) + 1
    const epoch = readInt16(bytes, pos + PRODUCER_EPOCH)
    return this.checkSequence(producerId, epoch, readInt32(bytes, pos + BASE_SEQUENCE), count, nowMillis)
  }

  checkSequence(producerId: number, epoch: number, first: number, count: number, nowMillis: number): ProducerCheck {
    const entry = this.#producers?.get(producerId)
    if (entry === undefined || nowMillis - entry.lastAppendMillis >= this.expirationMs) return ACCEPTED
    if (epoch < entry.epoch) return FENCED
    if (epoch > entry.epoch) return first === 0 ? ACCEPTED : OUT_OF_ORDER
    const last = sequenceAfter(first, count - 1)
    for (const batch of entry.batches) {
      if (batch.epoch === epoch && batch.firstSequence === first && batch.lastSequence === last) {
        return { errorCode: ErrorCode.NONE, duplicate: { baseOffset: batch.baseOffset, endOffset: batch.endOffset } }
      }
    }
    const newest = entry.batches.at(-1)
    const expected = newest === undefined || newest.epoch !== epoch ? 0 : sequenceAfter(newest.lastSequence, 1)
    return first === expected ? ACCEPTED : OUT_OF_ORDER
  }

  /** The batch at `pos` is in the log from `baseOffset` on. Also for batches found in recovery and sent by a leader. */
  appended(bytes: Uint8Array, pos: number, baseOffset: number, nowMillis: number): void {
    const producerId = readInt64(bytes, pos + PRODUCER_ID)
    if (producerId < 0) return
    const count = readInt32(bytes, pos + LAST_OFFSET_DELTA) + 1
    const epoch = readInt16(bytes, pos + PRODUCER_EPOCH)
    const first = readInt32(bytes, pos + BASE_SEQUENCE)
    this.#producers ??= new Map()
    let entry = this.#producers.get(producerId)
    if (entry === undefined) {
      if (this.#producers.size >= this.#producersMax) this.#producers.delete(this.#producers.keys().next().value!)
      entry = { epoch: NO_EPOCH, batches: [], forgotten: false, lastAppendMillis: nowMillis }
      this.#producers.set(producerId, entry)
    }
    entry.lastAppendMillis = nowMillis
    if (epoch > entry.epoch) entry.epoch = epoch
    // A control batch (transaction marker) has no sequence: it moves the epoch only.
    if (first < 0) return
    if (entry.batches.length === BATCHES_REMEMBERED) {
      entry.batches.shift()
      entry.forgotten = true
    }
    const lastSequence = sequenceAfter(first, count - 1)
    entry.batches.push({ epoch, firstSequence: first, lastSequence, baseOffset, endOffset: baseOffset + count })
  }

  /** Base of the newest remembered batch of the producer that ends at or before `endOffset`; -1 when there is none. */
  lastBatchBelow(producerId: number, endOffset: number): number {
    const batches = this.#producers?.get(producerId)?.batches ?? []
    for (let i = batches.length - 1; i >= 0; i--) if (batches[i]!.endOffset <= endOffset) return batches[i]!.baseOffset
    return -1
  }

  /**
   * The log was cut: everything at or beyond `endOffset` is gone.
   *
   * **Shape** false when some producer had more batches than are remembered and lost all of those: the caller must rebuild
   * the state from a snapshot or the log, this one then lacks that producer.
   */
  truncateTo(endOffset: number): boolean {
    let exact = true
    for (const [producerId, entry] of this.#producers ?? []) {
      let kept = entry.batches.length
      while (kept > 0 && entry.batches[kept - 1]!.endOffset > endOffset) kept--
      if (kept === entry.batches.length) continue
      if (kept === 0 && entry.forgotten) exact = false
      if (kept === 0) this.#producers!.delete(producerId)
      else {
        entry.batches.length = kept
        entry.epoch = entry.batches[kept - 1]!.epoch
      }
    }
    return exact
  }

  /** Forgets producers that have not appended for `expirationMs`. */
  expire(nowMillis: number): void {
    for (const [producerId, entry] of this.#producers ?? []) {
      if (nowMillis - entry.lastAppendMillis >= this.expirationMs) this.#producers!.delete(producerId)
    }
  }

  clear(): void {
    this.#producers = undefined
  }

  /** What DescribeProducers shows: producers that have not expired, in order of first append. */
  *active(nowMillis: number): Iterable<ActiveProducer> {
    for (const producer of this.entries()) {
      if (nowMillis - producer.lastAppendMillis < this.expirationMs) yield producer
    }
  }

  *entries(): Iterable<ActiveProducer> {
    for (const [producerId, entry] of this.#producers ?? []) {
      const lastSequence = entry.batches.at(-1)?.lastSequence ?? -1
      yield { producerId, epoch: entry.epoch, lastSequence, lastAppendMillis: entry.lastAppendMillis }
    }
  }

  /**
   * **Shape** count i32, then per producer: id i64, epoch i16, lastAppendMillis i64, forgotten i8, batch count i8, and per
   * batch: epoch i16, first i32, last i32, baseOffset i64, endOffset i64. The frame around it carries a checksum.
   */
  encode(): Uint8Array {
    let length = 4
    for (const entry of this.#producers?.values() ?? []) length += 20 + entry.batches.length * 26
    const bytes = new Uint8Array(length)
    writeInt32(bytes, 0, this.size)
    let pos = 4
    for (const [producerId, entry] of this.#producers ?? []) {
      writeInt64(bytes, pos, producerId)
      writeInt16(bytes, pos + 8, entry.epoch)
      writeInt64(bytes, pos + 10, Math.floor(entry.lastAppendMillis))
      bytes[pos + 18] = entry.forgotten ? 1 : 0
      bytes[pos + 19] = entry.batches.length
      pos += 20
      for (const batch of entry.batches) {
        writeInt16(bytes, pos, batch.epoch)
        writeInt32(bytes, pos + 2, batch.firstSequence)
        writeInt32(bytes, pos + 6, batch.lastSequence)
        writeInt64(bytes, pos + 10, batch.baseOffset)
        writeInt64(bytes, pos + 18, batch.endOffset)
        pos += 26
      }
    }
    return bytes
  }

  /** Replaces this state by an encoded one. The caller has checked its checksum: a wrong length is a defect. */
  decode(bytes: Uint8Array): void {
    this.#producers = undefined
    const count = readInt32(bytes, 0)
    let pos = 4
    for (let i = 0; i < count; i++) {
      assert(pos + 20 <= bytes.length, "an encoded producer state must hold all the producers that it counts")
      const entry: ProducerEntry = {
        epoch: readInt16(bytes, pos + 8),
        batches: [],
        forgotten: bytes[pos + 18] === 1,
        lastAppendMillis: readInt64(bytes, pos + 10)
      }
      this.#producers ??= new Map()
      this.#producers.set(readInt64(bytes, pos), entry)
      const batches = bytes[pos + 19]!
      pos += 20
      for (let j = 0; j < batches; j++, pos += 26) {
        entry.batches.push({
          epoch: readInt16(bytes, pos),
          firstSequence: readInt32(bytes, pos + 2),
          lastSequence: readInt32(bytes, pos + 6),
          baseOffset: readInt64(bytes, pos + 10),
          endOffset: readInt64(bytes, pos + 18)
        })
      }
    }
    assert(pos === bytes.length, "an encoded producer state must end where its last producer ends")
  }
}
