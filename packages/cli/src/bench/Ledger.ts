/**
 * What each lane has sent and the broker has confirmed, held against what is read back.
 *
 * A lane numbers its records from 0 and keeps to one partition, so its records must come back in order, each once. A
 * confirmed record that is missing is lost; one that was refused or never answered may be there or not.
 */

/** Half-open ranges of sequences whose fate is open. */
interface Range {
  readonly start: number
  readonly end: number
}

interface Lane {
  readonly partition: number
  sent: number
  confirmed: number
  readonly open: Array<Range>
  /** Highest base offset the broker has named. */
  lastBaseOffset: number
  /** Next sequence that reading back expects. */
  expected: number
  read: number
}

export interface Findings {
  readonly confirmed: number
  readonly unconfirmed: number
  readonly read: number
  readonly lost: number
  readonly duplicated: number
  readonly reordered: number
  readonly corrupt: number
  readonly misplaced: number
  readonly foreign: number
  readonly offsetsOff: number
  readonly ok: boolean
}

export class Ledger {
  readonly tag: number
  private readonly lanes: Array<Lane> = []
  private lost = 0
  private duplicated = 0
  private reordered = 0
  private corrupt = 0
  private misplaced = 0
  private foreign = 0
  private offsetsOff = 0
  private readonly foreignAllowed: boolean

  /** `foreignAllowed`: the topic existed before the run and may hold other records. */
  constructor(tag: number, foreignAllowed: boolean) {
    this.tag = tag
    this.foreignAllowed = foreignAllowed
  }

  openLane(partition: number): number {
    this.lanes.push({ partition, sent: 0, confirmed: 0, open: [], lastBaseOffset: -1, expected: 0, read: 0 })
    return this.lanes.length - 1
  }

  /** The records [start, start + count) of a lane are stored, from `baseOffset` on (-1: not said). */
  confirmed(lane: number, count: number, baseOffset: number): void {
    const entry = this.lanes[lane]!
    entry.sent += count
    entry.confirmed += count
    if (baseOffset < 0) return
    if (baseOffset <= entry.lastBaseOffset) this.offsetsOff++
    entry.lastBaseOffset = baseOffset
  }

  /** Their fate is open: refused, or no answer. */
  unconfirmed(lane: number, start: number, count: number): void {
    const entry = this.lanes[lane]!
    entry.sent += count
    entry.open.push({ start, end: start + count })
  }

  get confirmedTotal(): number {
    return this.lanes.reduce((sum, lane) => sum + lane.confirmed, 0)
  }

  /** A record that was read back, in the order of its partition. */
  readBack(partition: number, tag: number, laneIndex: number, sequence: number, intact: boolean): void {
    const lane = this.lanes[laneIndex]
    if (tag !== this.tag || lane === undefined) {
      this.foreign++
      return
    }
    lane.read++
    if (!intact) this.corrupt++
    if (partition !== lane.partition) this.misplaced++
    if (sequence === lane.expected) {
      lane.expected++
      return
    }
    if (sequence < lane.expected) {
      // Seen already, or overtaken by a later one: the two look the same from here unless it was counted as lost.
      if (this.wasSkipped(lane, sequence)) this.reordered++
      else this.duplicated++
      return
    }
    for (let missing = lane.expected; missing < sequence; missing++) this.skip(lane, missing)
    lane.expected = sequence + 1
  }

  private readonly skipped = new Map<Lane, Set<number>>()

  private skip(lane: Lane, sequence: number): void {
    if (lane.open.some((range) => sequence >= range.start && sequence < range.end)) return
    this.lost++
    let set = this.skipped.get(lane)
    if (set === undefined) {
      set = new Set()
      this.skipped.set(lane, set)
    }
    set.add(sequence)
  }

  private wasSkipped(lane: Lane, sequence: number): boolean {
    if (this.skipped.get(lane)?.delete(sequence) !== true) return false
    this.lost--
    return true
  }

  /** A value that is none of a benchmark's. */
  alien(): void {
    this.foreign++
  }

  /** After everything was read. */
  findings(): Findings {
    for (const lane of this.lanes) {
      for (let missing = lane.expected; missing < lane.sent; missing++) this.skip(lane, missing)
      lane.expected = lane.sent
    }
    const confirmed = this.confirmedTotal
    const unconfirmed = this.lanes.reduce((sum, lane) => sum + lane.sent - lane.confirmed, 0)
    const { lost, duplicated, reordered, corrupt, misplaced, foreign, offsetsOff } = this
    const off = lost + duplicated + reordered + corrupt + misplaced + offsetsOff + (this.foreignAllowed ? 0 : foreign)
    const read = this.lanes.reduce((sum, lane) => sum + lane.read, 0)
    return {
      confirmed,
      unconfirmed,
      read,
      lost,
      duplicated,
      reordered,
      corrupt,
      misplaced,
      foreign,
      offsetsOff,
      ok: off === 0
    }
  }
}
