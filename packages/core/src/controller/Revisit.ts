/**
 * Things to look at again, all together: the first one put in starts a period, and at its end everything is handed out. One
 * deadline however many wait, none while nothing waits.
 */
export class Revisit<A> {
  readonly #periodMs: number
  readonly #items = new Set<A>()
  #deadline = Number.POSITIVE_INFINITY

  constructor(periodMs: number) {
    this.#periodMs = periodMs
  }

  get deadline(): number {
    return this.#deadline
  }

  has(item: A): boolean {
    return this.#items.has(item)
  }

  add(nowMs: number, item: A): void {
    if (this.#items.size === 0) this.#deadline = nowMs + this.#periodMs
    this.#items.add(item)
  }

  delete(item: A): void {
    if (this.#items.delete(item) && this.#items.size === 0) this.#deadline = Number.POSITIVE_INFINITY
  }

  /** Everything, in the order in which it came, once the period has ended. */
  take(nowMs: number): ReadonlyArray<A> {
    if (nowMs < this.#deadline) return []
    const items = [...this.#items]
    this.clear()
    return items
  }

  clear(): void {
    this.#items.clear()
    this.#deadline = Number.POSITIVE_INFINITY
  }
}
