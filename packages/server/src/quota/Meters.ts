/**
 * The token buckets of one kind of quota: whose use counts together, and under which limit, as the metadata image says now.
 *
 * A client is looked up once and remembered until quotas change. What was used stays when a limit changes.
 *
 * **Bounds** at most `METERS_MAX` buckets: when there are more, full ones go, then those that were made first.
 */
import { type QuotaKey, quotaOf } from "@chronik-effect/core/metadata/ClientQuotas.ts"
import type { MetadataImage } from "@chronik-effect/core/metadata/MetadataImage.ts"
import { TokenBucket } from "@chronik-effect/core/quota/TokenBucket.ts"
import { HashMap } from "effect"

/** There is no authentication: everybody is the user that Kafka calls so. */
const USER = "ANONYMOUS"
const METERS_MAX = 10_000
const METERS_KEPT = 8_000

export interface Meter {
  readonly bucket: TokenBucket
  burst: number
}

export class Meters {
  active = false
  readonly #key: QuotaKey
  readonly #seconds: number
  /** Tokens for one unit of the quota. */
  readonly #unit: number
  readonly #image: () => MetadataImage
  readonly #nowMs: () => number
  readonly #byBucket = new Map<string, Meter>()
  /** Looked up once for each client: whose bucket it is, or none. */
  readonly #byClient = new Map<string, Meter | undefined>()

  constructor(key: QuotaKey, seconds: number, unit: number, image: () => MetadataImage, nowMs: () => number) {
    this.#key = key
    this.#seconds = seconds
    this.#unit = unit
    this.#image = image
    this.#nowMs = nowMs
    this.changed()
  }

  /** Quotas have changed: everybody is looked up anew, with what he has used. */
  changed(): void {
    this.active = false
    for (const { values } of HashMap.values(this.#image().clientQuotas)) {
      if (values.has(this.#key)) this.active = true
    }
    this.#byClient.clear()
    if (!this.active) this.#byBucket.clear()
  }

  /** Of a client id, or for connections of an address. */
  of(name: string): Meter | undefined {
    if (this.#byClient.has(name)) return this.#byClient.get(name)
    const meter = this.#resolve(name)
    if (this.#byClient.size >= METERS_MAX) this.#byClient.clear()
    this.#byClient.set(name, meter)
    return meter
  }

  #resolve(name: string): Meter | undefined {
    const client = { user: USER, clientId: name, ip: name }
    const quota = quotaOf(this.#image(), client, this.#key)
    if (quota === undefined) return undefined
    const perSecond = quota.value * this.#unit
    const burst = perSecond * this.#seconds
    const known = this.#byBucket.get(quota.bucket)
    if (known !== undefined) {
      known.bucket.limit(perSecond, burst, this.#nowMs())
      known.burst = burst
      return known
    }
    if (this.#byBucket.size >= METERS_MAX) this.#makeRoom()
    const meter = { bucket: new TokenBucket(perSecond, burst, this.#nowMs()), burst }
    this.#byBucket.set(quota.bucket, meter)
    return meter
  }

  #makeRoom(): void {
    const now = this.#nowMs()
    for (const [bucket, meter] of this.#byBucket) if (meter.bucket.isFull(now)) this.#byBucket.delete(bucket)
    // Many at once: looking at all of them for each new client would cost the square of their number.
    for (const bucket of this.#byBucket.keys()) {
      if (this.#byBucket.size <= METERS_KEPT) break
      this.#byBucket.delete(bucket)
    }
    this.#byClient.clear()
  }
}
