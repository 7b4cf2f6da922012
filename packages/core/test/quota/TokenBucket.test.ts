import { describe, expect, it } from "vitest"
import { TokenBucket } from "../../src/quota/TokenBucket.ts"

describe("TokenBucket", () => {
  it("gives as long as it is not below zero, and then waits until all is paid back", () => {
    const bucket = new TokenBucket(1, 11, 1000)
    bucket.take(8, 1000)
    expect([bucket.tokens(1000), bucket.throttleMs(1000)]).toEqual([3, 0])
    bucket.take(8, 1000)
    expect([bucket.tokens(1000), bucket.throttleMs(1000)]).toEqual([-5, 5000])
    expect(bucket.throttleMs(4000)).toBe(2000)
    expect([bucket.tokens(6000), bucket.throttleMs(6000)]).toEqual([0, 0])
    bucket.take(100, 6000)
    expect(bucket.throttleMs(6000)).toBe(100_000)
  })

  it("saves up to its burst", () => {
    const bucket = new TokenBucket(2, 22, 0)
    bucket.take(22, 0)
    expect(bucket.tokens(5000)).toBe(10)
    expect(bucket.tokens(1e9)).toBe(22)
  })

  it("takes another limit while it runs", () => {
    const bucket = new TokenBucket(10, 110, 0)
    bucket.limit(1, 11, 1000)
    expect(bucket.tokens(1000)).toBe(11)
    bucket.take(13, 1000)
    expect(bucket.throttleMs(1000)).toBe(2000)
    bucket.limit(4, 44, 1000)
    expect(bucket.throttleMs(1000)).toBe(500)
  })

  it("a clock that stands still or goes back gives nothing", () => {
    const bucket = new TokenBucket(1, 10, 5000)
    bucket.take(10, 5000)
    expect([bucket.tokens(5000), bucket.tokens(4000), bucket.tokens(5000)]).toEqual([0, 0, 0])
  })
})

/** What Kafka 4.3 answered to the same requests: a quota of 5,000 B/s with its default windows, 10 seconds to be used at once. */
it("tells the pauses that Kafka tells", () => {
  const bucket = new TokenBucket(5000, 50_000, 0)
  bucket.take(50_130, 0)
  expect(bucket.throttleMs(0)).toBe(26)
  bucket.take(70_130, 40)
  expect(bucket.throttleMs(40)).toBe(14_012)
})

it("gives back", () => {
  const bucket = new TokenBucket(1000, 1000, 0)
  bucket.take(5000, 0)
  bucket.take(-5000, 0)
  expect([bucket.throttleMs(0), bucket.isFull(0)]).toEqual([0, true])
  bucket.take(-1, 0)
  expect(bucket.tokens(0)).toBe(1000)
})

it("holds a producer at 1 MB/s within a tenth over five windows of 11 seconds, whatever the size of its requests", () => {
  const MB = 1_000_000
  for (const bytes of [1_000, 16_384, 300_000, 1_048_576]) {
    let now = 1_234_567
    const bucket = new TokenBucket(MB, 10 * MB, now)
    let sent = 0
    const send = () => {
      bucket.take(bytes, now)
      sent += bytes
      // The pause, and a little for the request itself.
      now += bucket.throttleMs(now) + 0.2
    }
    // What an idle client may use at once is not its rate.
    while (bucket.throttleMs(now) === 0 && sent < 20 * MB) send()
    const [from, before] = [now, sent]
    while (now < from + 5 * 11_000) send()
    const rate = ((sent - before) * 1000) / (now - from)
    expect(rate).toBeGreaterThan(0.9 * MB)
    expect(rate).toBeLessThan(1.1 * MB)
  }
})
