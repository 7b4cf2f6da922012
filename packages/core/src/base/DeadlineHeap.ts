/**
 * Deadlines of many waiting things (parked fetches, member sessions, open transactions), soonest first.
 *
 * An indexed binary heap: add, remove and move are O(log n), so a waiter that ends early leaves nothing behind. Time is an
 * argument and has any unit. Equal deadlines expire in the order in which they were added. The owner arms one timer for
 * `nextDeadline()`; there is no timer in here.
 */
import { assert } from "./Assert.ts"

/** Ticket for one item. Owned by the heap: read it, pass it back, never write it. */
export interface DeadlineHandle<A> {
  readonly item: A
  readonly deadline: number
  /** Place in the heap, or -1 once expired or removed. */
  readonly index: number
}

interface Entry<A> {
  item: A
  deadline: number
  order: number
  index: number
}

export class DeadlineHeap<A extends {}> {
  private readonly entries: Array<Entry<A>> = []
  private added = 0

  get size(): number {
    return this.entries.length
  }

  add(deadline: number, item: A): DeadlineHandle<A> {
    assert(!Number.isNaN(deadline), "a deadline must be a number")
    const entry: Entry<A> = { item, deadline, order: this.added++, index: this.entries.length }
    this.entries.push(entry)
    this.rise(entry)
    return entry
  }

  /** False when it had expired or been removed before: removing twice is legal. */
  remove(handle: DeadlineHandle<A>): boolean {
    const entry = this.own(handle)
    if (entry === undefined) return false
    this.takeOut(entry)
    return true
  }

  /** Gives a waiting item a new deadline; false when it waits no longer. Among equals it then counts as just added. */
  move(handle: DeadlineHandle<A>, deadline: number): boolean {
    assert(!Number.isNaN(deadline), "a deadline must be a number")
    const entry = this.own(handle)
    if (entry === undefined) return false
    entry.deadline = deadline
    entry.order = this.added++
    this.rise(entry)
    this.sink(entry)
    return true
  }

  /** Takes out one item whose deadline is at or before `now`; call it until it answers undefined. */
  popExpired(now: number): A | undefined {
    const first = this.entries[0]
    if (first === undefined || first.deadline > now) return undefined
    this.takeOut(first)
    return first.item
  }

  /** The soonest deadline; Infinity when nothing waits. */
  nextDeadline(): number {
    return this.entries.length === 0 ? Number.POSITIVE_INFINITY : this.entries[0]!.deadline
  }

  /** All that waits, in no order. A copy: whoever walks it may add and remove. */
  items(): Array<A> {
    return this.entries.map((entry) => entry.item)
  }

  private own(handle: DeadlineHandle<A>): Entry<A> | undefined {
    if (handle.index < 0) return undefined
    const entry = this.entries[handle.index]
    assert(entry === handle, "a deadline handle belongs to the heap that gave it")
    return entry
  }

  private takeOut(entry: Entry<A>): void {
    const index = entry.index
    const last = this.entries.pop()!
    entry.index = -1
    if (last === entry) return
    last.index = index
    this.entries[index] = last
    this.rise(last)
    this.sink(last)
  }

  private rise(entry: Entry<A>): void {
    const { entries } = this
    let index = entry.index
    while (index > 0) {
      const above = entries[(index - 1) >> 1]!
      if (!before(entry, above)) break
      entries[index] = above
      const next = above.index
      above.index = index
      index = next
    }
    entries[index] = entry
    entry.index = index
  }

  private sink(entry: Entry<A>): void {
    const { entries } = this
    let index = entry.index
    for (;;) {
      let child = 2 * index + 1
      if (child >= entries.length) break
      if (child + 1 < entries.length && before(entries[child + 1]!, entries[child]!)) child++
      const below = entries[child]!
      if (!before(below, entry)) break
      entries[index] = below
      below.index = index
      index = child
    }
    entries[index] = entry
    entry.index = index
  }
}

function before<A>(a: Entry<A>, b: Entry<A>): boolean {
  return a.deadline < b.deadline || (a.deadline === b.deadline && a.order < b.order)
}
