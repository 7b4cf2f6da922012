/**
 * The leader epochs of one partition: at which offset each began. The list of markers, in log order.
 *
 * A marker is a zero-width entry of the log, so two epochs may begin at the same offset; the earlier one is then empty.
 * Epochs rise strictly, start offsets never fall. Kafka's file of it (`leader-epoch-checkpoint`) drops empty epochs, and so
 * does `encodeText`, except for the last one, which must survive.
 *
 * Bounded by `EPOCHS_MAX`: the oldest give way, and offsets below the first that is left belong to it.
 */
import { assert } from "../base/Assert.ts"

export const EPOCHS_MAX = 1024

export interface EpochEnd {
  readonly leaderEpoch: number
  readonly endOffset: number
}

export const UNKNOWN_EPOCH: EpochEnd = { leaderEpoch: -1, endOffset: -1 }

export class LeaderEpochs {
  #epochs: Array<number> = []
  #starts: Array<number> = []

  get size(): number {
    return this.#epochs.length
  }
  /** The newest epoch, -1 when there is none. */
  get latestEpoch(): number {
    return this.#epochs.at(-1) ?? -1
  }
  /** Where the newest epoch began. */
  get latestStart(): number {
    return this.#starts.at(-1) ?? -1
  }

  /** The oldest epoch that is known, -1 when there is none. */
  get firstEpoch(): number {
    return this.#epochs[0] ?? -1
  }
  /** Where the oldest known epoch begins: the log start, or below it. */
  get firstStart(): number {
    return this.#starts[0] ?? -1
  }

  /** Notes that `epoch` begins at `startOffset`. False when it (or a newer one) is known: a batch of the same epoch. */
  assign(epoch: number, startOffset: number): boolean {
    const latest = this.latestEpoch
    if (epoch <= latest) return false
    assert(startOffset >= this.latestStart, "a leader epoch must not begin before the epoch that it follows")
    this.#epochs.push(epoch)
    this.#starts.push(startOffset)
    if (this.#epochs.length > EPOCHS_MAX) {
      this.#epochs.shift()
      this.#starts[1] = this.#starts[0]!
      this.#starts.shift()
    }
    return true
  }

  /** The epoch that the record at `offset` was written in; -1 when no epoch is known. */
  epochAt(offset: number): number {
    for (let i = this.#starts.length - 1; i >= 0; i--) if (this.#starts[i]! <= offset) return this.#epochs[i]!
    return -1
  }

  /** Answer of OffsetForLeaderEpoch: the largest epoch ≤ the asked one, and where it ended. */
  endOffsetFor(epoch: number, logEndOffset: number): EpochEnd {
    if (epoch < 0 || epoch > this.latestEpoch) return UNKNOWN_EPOCH
    if (epoch === this.latestEpoch) return { leaderEpoch: epoch, endOffset: logEndOffset }
    const higher = this.#epochs.findIndex((candidate) => candidate > epoch)
    // Asked for an epoch from before the first one known: it ended where the first one began.
    if (higher === 0) return { leaderEpoch: epoch, endOffset: this.#starts[0]! }
    return { leaderEpoch: this.#epochs[higher - 1]!, endOffset: this.#starts[higher]! }
  }

  /** Where `epoch` begins; -1 when the log does not hold its marker. */
  startOf(epoch: number): number {
    const i = this.#countTo(epoch) - 1
    return i >= 0 && this.#epochs[i] === epoch ? this.#starts[i]! : -1
  }

  /** The largest known epoch ≤ `epoch`; -1 when there is none. */
  largestTo(epoch: number): number {
    return this.#epochs[this.#countTo(epoch) - 1] ?? -1
  }

  /** The smallest known epoch > `epoch`; -1 when there is none. */
  firstAfter(epoch: number): number {
    return this.#epochs[this.#countTo(epoch)] ?? -1
  }

  /** Where `epoch`, or the place in the order where it would stand, ends: the start of the next epoch or the log end. */
  endOf(epoch: number, logEndOffset: number): number {
    return this.#starts[this.#countTo(epoch)] ?? logEndOffset
  }

  /** Whether the place (`epoch`, `offset`) is in the log: its marker is held, and the offset lies between the epoch's ends. */
  contains(epoch: number, offset: number, logEndOffset: number): boolean {
    const start = this.startOf(epoch)
    return start >= 0 && start <= offset && offset <= this.endOf(epoch, logEndOffset)
  }

  /** The log was cut at the place (`epoch`, `offset`): the marker of `epoch` stays, even one that begins there; later ones go. */
  truncateToPoint(epoch: number, offset: number): void {
    const kept = this.#countTo(epoch)
    assert(kept > 0 && this.#epochs[kept - 1] === epoch, "a log must be cut at a place that it holds")
    assert(this.#starts[kept - 1]! <= offset, "a log must not be cut in an epoch before the epoch begins")
    this.#epochs.length = kept
    this.#starts.length = kept
  }

  /** The log was cut at `endOffset`: a marker at the cut goes with it. */
  truncateTo(endOffset: number): void {
    while (this.#starts.length > 0 && this.#starts.at(-1)! >= endOffset) {
      this.#starts.pop()
      this.#epochs.pop()
    }
  }

  /** The log now starts at `startOffset`: epochs that ended before it go, the one that holds it begins there. */
  startAt(startOffset: number): void {
    let drop = 0
    while (drop + 1 < this.#starts.length && this.#starts[drop + 1]! <= startOffset) drop++
    if (drop > 0) {
      this.#epochs.splice(0, drop)
      this.#starts.splice(0, drop)
    }
    if (this.#starts.length > 0 && this.#starts[0]! < startOffset) this.#starts[0] = startOffset
  }

  clear(): void {
    this.#epochs = []
    this.#starts = []
  }

  /** How many of the known epochs are ≤ `epoch`. The newest are asked for most. */
  #countTo(epoch: number): number {
    let count = this.#epochs.length
    while (count > 0 && this.#epochs[count - 1]! > epoch) count--
    return count
  }

  /** All markers in order, as [epoch, start, epoch, start, …]. */
  toPairs(): Array<number> {
    return this.#epochs.flatMap((epoch, i) => [epoch, this.#starts[i]!])
  }

  static fromPairs(pairs: ReadonlyArray<number>): LeaderEpochs {
    const epochs = new LeaderEpochs()
    for (let i = 0; i + 1 < pairs.length; i += 2) epochs.assign(pairs[i]!, pairs[i + 1]!)
    return epochs
  }

  /** Kafka's `leader-epoch-checkpoint`: version, count, then "epoch start" lines. */
  encodeText(): string {
    const lines: Array<string> = []
    for (let i = 0; i < this.#epochs.length; i++) {
      const empty = this.#starts[i + 1] === this.#starts[i]
      if (!empty) lines.push(`${this.#epochs[i]} ${this.#starts[i]}`)
    }
    return `0\n${lines.length}\n${lines.map((line) => `${line}\n`).join("")}`
  }

  /** undefined when the text is not a complete checkpoint of version 0. */
  static decodeText(text: string): LeaderEpochs | undefined {
    const lines = text.split("\n")
    if (lines[0] !== "0" || Number(lines[1]) + 2 > lines.length - 1) return undefined
    const epochs = new LeaderEpochs()
    for (let i = 0; i < Number(lines[1]); i++) {
      const [epoch, start] = lines[i + 2]!.split(" ").map(Number)
      if (!Number.isSafeInteger(epoch) || !Number.isSafeInteger(start)) return undefined
      if (start! < epochs.latestStart) return undefined
      epochs.assign(epoch!, start!)
    }
    return epochs
  }
}
