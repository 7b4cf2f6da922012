/**
 * The batches of one replica on a simulated node, and the producers' state that follows from them: what storage is to a real
 * partition. Cut, reset and grown only by what the replica's machine wrote.
 */
import { assert } from "../../../packages/core/src/base/Assert.ts"
import { writeInt16, writeInt32, writeInt64 } from "../../../packages/core/src/base/Bytes.ts"
import { type ProducerCheck, ProducerState } from "../../../packages/core/src/log/ProducerState.ts"
import type { Batch } from "../../../packages/core/src/replication/Frame.ts"
import type { Point } from "../../../packages/core/src/replication/Point.ts"
import type { LoggedBatch, SimBatch } from "../World.ts"

const header = new Uint8Array(61)

/** The fields of a record batch's header that the producers' state reads. */
const headerOf = (batch: SimBatch): Uint8Array => {
  writeInt32(header, 23, batch.ids.length - 1)
  writeInt64(header, 43, batch.producerId)
  writeInt16(header, 51, batch.producerEpoch)
  writeInt32(header, 53, batch.baseSequence)
  return header
}

export class PartitionLog {
  readonly batches: Array<LoggedBatch>
  startOffset: number
  endOffset: number
  #producers = new ProducerState()
  /** What the producers had done before the first batch in here; undefined when nothing. */
  #base: Uint8Array | undefined

  constructor(
    startOffset: number,
    endOffset: number,
    batches: ReadonlyArray<LoggedBatch>,
    base: Uint8Array | undefined
  ) {
    this.startOffset = startOffset
    this.endOffset = endOffset
    this.batches = [...batches]
    this.#base = base
    this.#producers = this.#replayed(Number.POSITIVE_INFINITY)
  }

  append(baseOffset: number, endOffset: number, epoch: number, batch: SimBatch): void {
    assert(baseOffset === this.endOffset, "a batch must be written where the log ends")
    assert(endOffset === baseOffset + batch.ids.length, "a batch covers as many offsets as it has records")
    this.batches.push({ baseOffset, endOffset, epoch, batch })
    this.endOffset = endOffset
    this.#producers.appended(headerOf(batch), 0, baseOffset, 0)
  }

  truncateTo(offset: number): void {
    let kept = this.batches.length
    while (kept > 0 && this.batches[kept - 1]!.baseOffset >= offset) kept--
    assert(kept === 0 || this.batches[kept - 1]!.endOffset <= offset, "a cut must not split a batch")
    this.batches.length = kept
    this.endOffset = offset
    if (!this.#producers.truncateTo(offset)) this.#producers = this.#replayed(Number.POSITIVE_INFINITY)
  }

  /** `state`: the leader's at that place; undefined: the log begins anew at its own start. */
  reset(to: Point, state: Uint8Array | undefined): void {
    this.#base = state ?? this.startState()
    this.batches.length = 0
    this.startOffset = to.offset
    this.endOffset = to.offset
    this.#producers = this.#replayed(Number.POSITIVE_INFINITY)
  }

  /** What the producers had done before the log start. */
  startState(): Uint8Array {
    return this.#replayed(this.startOffset).encode()
  }

  /** Batches below stay in memory: producers' state must survive retention, as its snapshots do on a real disk. */
  startAt(offset: number): void {
    this.startOffset = Math.max(this.startOffset, offset)
  }

  check(batch: SimBatch): ProducerCheck {
    return this.#producers.checkSequence(batch.producerId, batch.producerEpoch, batch.baseSequence, batch.ids.length, 0)
  }

  /** Whole batches from `offset` on, up to `endOffset` and about `maxBytes` (one batch at least). */
  read(
    offset: number,
    endOffset: number,
    maxBytes: number
  ): { readonly batches: Array<Batch<SimBatch>>; readonly bytes: number } {
    const batches: Array<Batch<SimBatch>> = []
    let bytes = 0
    for (let i = this.#indexOf(offset); i < this.batches.length; i++) {
      const { baseOffset, endOffset: end, epoch, batch } = this.batches[i]!
      if (end > endOffset || (bytes > 0 && bytes + batch.bytes > maxBytes)) break
      bytes += batch.bytes
      batches.push({ epoch, baseOffset, endOffset: end, data: batch })
    }
    return { batches, bytes }
  }

  /** The batch that holds `offset`, or the first one after it. */
  #indexOf(offset: number): number {
    let low = 0
    let high = this.batches.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.batches[middle]!.endOffset <= offset) low = middle + 1
      else high = middle
    }
    return low
  }

  #replayed(endOffset: number): ProducerState {
    const producers = new ProducerState()
    if (this.#base !== undefined) producers.decode(this.#base)
    for (const batch of this.batches) {
      if (batch.endOffset <= endOffset) producers.appended(headerOf(batch.batch), 0, batch.baseOffset, 0)
    }
    return producers
  }
}
