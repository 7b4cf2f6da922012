/**
 * Waiting until enough bytes have become readable: one reader over many partitions, many readers on one partition.
 *
 * `ReadableBytes` counts what becomes readable in one partition. A `ByteWait` is one reader that misses a number of bytes,
 * wherever they come. Looking at every reader at each append would cost readers times appends; instead a reader deals what
 * it misses out to its partitions as *shares*. While no share is reached the sum is not either, so an append looks at one
 * number: the lowest mark of its partition's heap. A share that is reached gets half of what was kept back; when nothing is
 * left to give, all shares are counted and dealt anew. So a reader costs O(partitions x log(missing bytes)) for its whole
 * wait, however many appends there are.
 *
 * A partition counts for a reader with at most its `room` (`partitionMaxBytes`). What cannot be reached at all has no mark.
 *
 * It deliberately knows no offsets, no time and no answers. `wake` may come too early (bytes can go again): whoever is woken
 * looks, and parks anew. It never comes too late.
 *
 * **Owner** a `ByteWait` belongs to its reader, who ends it with `cancel`; it is in the heaps of its partitions until then.
 */
import { assert } from "../base/Assert.ts"
import { type DeadlineHandle, DeadlineHeap } from "../base/DeadlineHeap.ts"

/** Bytes that became readable in one partition since somebody began to wait there. */
export class ReadableBytes {
  #total = 0
  /** A mark is a total: the heap's time are bytes. */
  readonly #shares = new DeadlineHeap<Share>()

  get total(): number {
    return this.#total
  }
  /** Shares, not readers: one that names the partition twice counts twice. */
  get waiting(): number {
    return this.#shares.size
  }

  /** `bytes` more may be read. Wakes those for whom that is enough. */
  arrived(bytes: number): void {
    assert(bytes >= 0, "readable bytes only arrive")
    this.#total += bytes
    let share = this.#shares.popExpired(this.#total)
    while (share !== undefined) {
      share.reached()
      share = this.#shares.popExpired(this.#total)
    }
  }

  /** Something else happened that every reader must look at: the log start moved, the partition closed. */
  wakeAll(): void {
    for (const share of this.#shares.items()) share.wait.wake()
  }

  /** Internal to this module. */
  add(mark: number, share: Share): DeadlineHandle<Share> {
    return this.#shares.add(mark, share)
  }
  /** Internal to this module. */
  remove(handle: DeadlineHandle<Share>): void {
    this.#shares.remove(handle)
  }
}

/** What one reader waits for in one partition. */
class Share {
  readonly wait: ByteWait
  readonly place: ReadableBytes
  /** What this partition may still count for. */
  room: number
  /** Total of the partition up to which it has been counted. */
  countedTo: number
  /** Its part of what is missing. */
  bytes = 0
  handle: DeadlineHandle<Share> | undefined

  constructor(wait: ByteWait, place: ReadableBytes, room: number) {
    this.wait = wait
    this.place = place
    this.room = room
    this.countedTo = place.total
  }

  /** Counts what has come and returns how much of it counts for the reader. */
  count(): number {
    const counted = Math.min(this.place.total - this.countedTo, this.room)
    this.countedTo = this.place.total
    this.room -= counted
    return counted
  }

  /** Sets the mark. A part that the room does not hold cannot be reached. */
  wakesAfter(bytes: number): void {
    this.remove()
    this.bytes = bytes
    const reachable = bytes > 0 && bytes <= this.room
    this.handle = this.place.add(reachable ? this.countedTo + bytes : Number.POSITIVE_INFINITY, this)
  }

  reached(): void {
    this.wait.reached(this)
  }

  remove(): void {
    if (this.handle !== undefined) this.place.remove(this.handle)
    this.handle = undefined
  }
}

export class ByteWait {
  /** Called once enough may have come, and by `wakeAll`: then more than once. */
  readonly wake: () => void
  #missing = 0
  /** The part of `#missing` that no share has. */
  #kept = 0
  #shares: Array<Share> = []

  constructor(wake: () => void) {
    this.wake = wake
  }

  /** How many heap entries it holds. */
  get parked(): number {
    return this.#shares.length
  }

  /** `room`: what the partition may count for at most. */
  at(place: ReadableBytes, room: number): void {
    this.#shares.push(new Share(this, place, Math.max(0, room)))
  }

  /** Begins to wait for `missing` bytes in the places named by `at`. */
  park(missing: number): void {
    assert(missing > 0, "who misses nothing does not wait")
    this.#missing = missing
    this.#deal()
  }

  /** Leaves all heaps. The object may be used anew. */
  cancel(): void {
    for (const share of this.#shares) share.remove()
    this.#shares = []
  }

  /** Internal to this module: a share has its bytes, and is in no heap. */
  reached(share: Share): void {
    share.handle = undefined
    const counted = share.count()
    this.#missing -= counted
    this.#kept += share.bytes - counted
    if (this.#missing <= 0) {
      share.wakesAfter(0)
      return this.wake()
    }
    if (this.#kept < 2) return this.#countAll(share)
    const bytes = Math.ceil(this.#kept / 2)
    this.#kept -= bytes
    share.wakesAfter(bytes)
  }

  #countAll(reached: Share): void {
    for (const share of this.#shares) this.#missing -= share.count()
    if (this.#missing > 0) return this.#deal()
    reached.wakesAfter(0)
    this.wake()
  }

  /** Half of what is missing goes to the shares, evenly; the other half is kept for those that are reached. */
  #deal(): void {
    let room = 0
    for (const share of this.#shares) room += share.room
    const parts = this.#shares.length
    const reachable = room >= this.#missing
    // Whole bytes: no share reached means that each lacks at least one, so parts of one byte are never too many.
    const whole = parts === 1 ? this.#missing : Math.max(1, Math.floor(this.#missing / (2 * parts)))
    const bytes = reachable ? whole : 0
    this.#kept = Math.max(0, this.#missing - bytes * parts)
    for (const share of this.#shares) share.wakesAfter(bytes)
  }
}
