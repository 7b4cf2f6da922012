/**
 * The committed log of one partition: what some leader's high watermark has covered, in offset order. It only grows, and what
 * comes must fit behind what is there, so an offset never gets other content, a record never a second offset, and a producer's
 * sequence numbers never a gap or another order.
 *
 * An unclean election cuts it to what the unclean leader holds (rule 21). The records that it loses are exempt from then on, as
 * is everything that leaders of older epochs still commit.
 */
import type { Observation } from "../Observation.ts"
import type { LoggedBatch } from "../World.ts"
import { partitionKey, Violation } from "./Checker.ts"

interface Sequence {
  readonly epoch: number
  readonly next: number
}

const EXEMPT_MAX = 1_000_000

export const sameBatch = (a: LoggedBatch, b: LoggedBatch): boolean =>
  a.baseOffset === b.baseOffset &&
  a.endOffset === b.endOffset &&
  a.epoch === b.epoch &&
  (a.batch === b.batch || (a.batch.hash === b.batch.hash && a.batch.ids.join() === b.batch.ids.join()))

export const describeBatch = (batch: LoggedBatch | undefined): string =>
  batch === undefined
    ? "nothing"
    : `[${batch.baseOffset}, ${batch.endOffset}) of epoch ${batch.epoch} (${batch.batch.ids.join(" ")})`

export class CommittedLog {
  readonly key: string
  readonly batches: Array<LoggedBatch> = []
  endOffset = 0
  /** The newest epoch that began by an unclean election; -1: none did. */
  uncleanEpoch = -1
  /** Where a client was told that its record lies, whatever the acks were. */
  readonly acknowledged = new Map<string, number>()
  /** Records that an unclean election lost or that were committed beside it, with their offsets there. */
  readonly exempt = new Map<string, number>()
  readonly #offsets = new Map<string, number>()
  #sequences = new Map<number, Sequence>()

  constructor(key: string) {
    this.key = key
  }

  /** Place in `batches` of the first one that ends behind `offset`. */
  indexOf(offset: number): number {
    let low = 0
    let high = this.batches.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.batches[middle]!.endOffset <= offset) low = middle + 1
      else high = middle
    }
    return low
  }

  /** The record at an offset; undefined when nothing is committed there. */
  recordAt(offset: number): string | undefined {
    const batch = this.batches[this.indexOf(offset)]
    return batch === undefined || batch.baseOffset > offset ? undefined : batch.batch.ids[offset - batch.baseOffset]
  }

  offsetOf(id: string): number | undefined {
    return this.#offsets.get(id)
  }

  append(batch: LoggedBatch): void {
    if (batch.baseOffset !== this.endOffset) {
      throw new Violation(
        "committed-hole",
        `${this.key} commits ${describeBatch(batch)} where ${this.endOffset} is due`
      )
    }
    for (let i = 0; i < batch.batch.ids.length; i++) this.#record(batch.batch.ids[i]!, batch.baseOffset + i)
    this.#sequence(batch)
    this.batches.push(batch)
    this.endOffset = batch.endOffset
  }

  #record(id: string, offset: number): void {
    const known = this.#offsets.get(id)
    if (known !== undefined) {
      throw new Violation(
        "record-twice",
        `${this.key} commits the record ${id} at ${offset}, it is at ${known} already`
      )
    }
    const told = this.acknowledged.get(id)
    if (told !== undefined && told !== offset && !this.exempt.has(id)) {
      throw new Violation("record-moved", `${this.key} commits ${id} at ${offset}, its client was told ${told}`)
    }
    this.#offsets.set(id, offset)
    this.exempt.delete(id)
  }

  /** A producer's batches: epochs never fall, each begins with sequence 0, and each batch follows the one before it. */
  #sequence({ batch, baseOffset }: LoggedBatch): void {
    const { producerId, producerEpoch, baseSequence } = batch
    if (producerId < 0) return
    const last = this.#sequences.get(producerId)
    const due = last?.epoch === producerEpoch ? last.next : 0
    // After an unclean election nobody knows what the producer had sent before.
    const known = last !== undefined || this.uncleanEpoch < 0
    if (known && (baseSequence !== due || producerEpoch < (last?.epoch ?? 0))) {
      const text = `producer ${producerId} has sequence ${baseSequence} of epoch ${producerEpoch} at ${baseOffset}`
      const after = last === undefined ? "first of all" : `after ${last.next - 1} of epoch ${last.epoch}`
      throw new Violation("producer-sequence", `${this.key}: ${text}, ${after}`)
    }
    this.#sequences.set(producerId, { epoch: producerEpoch, next: baseSequence + batch.ids.length })
  }

  /** An unclean leader of `epoch` begins with this log. */
  beginUnclean(epoch: number, batches: ReadonlyArray<LoggedBatch>, startOffset: number, endOffset: number): void {
    this.uncleanEpoch = Math.max(this.uncleanEpoch, epoch)
    let kept = this.indexOf(startOffset)
    for (const batch of batches) {
      const mine = this.batches[kept]
      if (mine === undefined || !sameBatch(mine, batch)) break
      kept++
    }
    while (kept > 0 && this.batches[kept - 1]!.endOffset > endOffset) kept--
    for (const lost of this.batches.splice(kept)) {
      lost.batch.ids.forEach((id, i) => {
        this.#offsets.delete(id)
        this.#exempt(id, lost.baseOffset + i)
      })
    }
    // What was acknowledged at the leader alone may be behind the cut as well.
    for (const [id, offset] of this.acknowledged) if (!this.#offsets.has(id)) this.#exempt(id, offset)
    this.endOffset = this.batches.at(-1)?.endOffset ?? 0
    this.#sequences = new Map()
    for (const { batch } of this.batches) {
      if (batch.producerId < 0) continue
      const next = batch.baseSequence + batch.ids.length
      this.#sequences.set(batch.producerId, { epoch: batch.producerEpoch, next })
    }
  }

  /** A leader of an epoch from before the unclean one commits on: its branch is lost, and its records are exempt. */
  lose(batch: LoggedBatch): void {
    batch.batch.ids.forEach((id, i) => {
      if (!this.#offsets.has(id)) this.#exempt(id, batch.baseOffset + i)
    })
  }

  exemptRecord(id: string, offset: number): void {
    this.#exempt(id, offset)
  }

  #exempt(id: string, offset: number): void {
    if (this.exempt.size < EXEMPT_MAX) this.exempt.set(id, offset)
  }
}

/** All partitions' committed logs; those who extend and those who only ask share them. */
export class CommittedLogs {
  readonly #logs = new Map<string, CommittedLog>()

  of(topicId: string, partition: number): CommittedLog {
    const key = partitionKey(topicId, partition)
    let log = this.#logs.get(key)
    if (log === undefined) {
      log = new CommittedLog(key)
      this.#logs.set(key, log)
    }
    return log
  }
}

export type Of<Tag extends Observation["_tag"]> = Extract<Observation, { readonly _tag: Tag }>
