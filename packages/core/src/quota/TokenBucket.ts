/**
 * What somebody may still use: tokens come at the rate of his quota and may be saved up to a burst. Who has used too much
 * pauses until it is paid back.
 *
 * As long as it is not below zero anything may be taken, however much, so that whoever takes a large piece makes progress.
 * The pause after it is the one that Kafka tells: used / quota - span. Kafka itself averages over a span of sampled windows,
 * and lets a client that used a whole span's worth at once do so again when its window is forgotten: with large requests
 * that comes to a quarter above the quota (Kafka replaced it where that mattered most, KIP-599). A bucket holds the rate.
 *
 * Time is an argument; a clock that goes back gives nothing. One owner.
 * @see KIP-13, KIP-219, KIP-599
 */
export class TokenBucket {
  #tokens: number
  #burst: number
  #perSecond: number
  #atMs: number

  constructor(perSecond: number, burst: number, nowMs: number) {
    this.#perSecond = perSecond
    this.#burst = burst
    this.#tokens = burst
    this.#atMs = nowMs
  }

  /** From now on; what is saved up stays, as far as it fits. */
  limit(perSecond: number, burst: number, nowMs: number): void {
    this.#refill(nowMs)
    this.#perSecond = perSecond
    this.#burst = burst
    this.#tokens = Math.min(this.#tokens, burst)
  }

  /** Negative while something has to be paid back. */
  tokens(nowMs: number): number {
    this.#refill(nowMs)
    return this.#tokens
  }

  /** Nothing is owed and nothing more can be saved: a fresh one would be the same. */
  isFull(nowMs: number): boolean {
    return this.tokens(nowMs) >= this.#burst
  }

  /** Negative gives back. */
  take(count: number, nowMs: number): void {
    this.#refill(nowMs)
    this.#tokens = Math.min(this.#burst, this.#tokens - count)
  }

  /** Until nothing has to be paid back. */
  throttleMs(nowMs: number): number {
    this.#refill(nowMs)
    return this.#tokens >= 0 ? 0 : Math.ceil((-this.#tokens * 1000) / this.#perSecond)
  }

  #refill(nowMs: number): void {
    if (nowMs <= this.#atMs) return
    this.#tokens = Math.min(this.#burst, this.#tokens + ((nowMs - this.#atMs) * this.#perSecond) / 1000)
    this.#atMs = nowMs
  }
}
