/**
 * Counts and latencies of a run: everything since the measuring began, and what is new since the last progress line.
 *
 * Latencies are microseconds in an HDR histogram with three significant digits: percentiles to p99.9 are exact to 0.1 %.
 * The clock is `performance.now()`, monotonic.
 */

import type { ClientError } from "@chronik-effect/server/client/kafka/ClientError.ts"
import { build, type Histogram } from "hdr-histogram-js"

export interface Latency {
  readonly meanMs: number
  readonly p50Ms: number
  readonly p90Ms: number
  readonly p95Ms: number
  readonly p99Ms: number
  readonly p999Ms: number
  readonly maxMs: number
}

export interface Window {
  readonly seconds: number
  readonly requests: number
  readonly records: number
  readonly bytes: number
  readonly errors: number
  readonly latency: Latency
}

const MICROS_MAX = 3_600_000_000

const histogram = (): Histogram =>
  build({
    lowestDiscernibleValue: 1,
    highestTrackableValue: MICROS_MAX,
    numberOfSignificantValueDigits: 3,
    bitBucketSize: 32
  })

class Counts {
  requests = 0
  records = 0
  bytes = 0
  errors = 0
  readonly latencies: Histogram = histogram()
  startMs: number

  constructor(startMs: number) {
    this.startMs = startMs
  }

  window(nowMs: number): Window {
    const { latencies } = this
    const at = (percentile: number) => latencies.getValueAtPercentile(percentile) / 1_000
    return {
      seconds: (nowMs - this.startMs) / 1_000,
      requests: this.requests,
      records: this.records,
      bytes: this.bytes,
      errors: this.errors,
      latency: {
        meanMs: latencies.totalCount === 0 ? 0 : latencies.mean / 1_000,
        p50Ms: at(50),
        p90Ms: at(90),
        p95Ms: at(95),
        p99Ms: at(99),
        p999Ms: at(99.9),
        maxMs: latencies.maxValue / 1_000
      }
    }
  }
}

export class Meter {
  readonly warmUpEndMs: number
  readonly endMs: number
  /** Sentence → how often; the first twenty kinds. */
  readonly problems = new Map<string, number>()
  private readonly total: Counts
  private recent: Counts

  constructor(startMs: number, warmUpMs: number, durationMs: number) {
    this.warmUpEndMs = startMs + warmUpMs
    this.endMs = this.warmUpEndMs + durationMs
    this.total = new Counts(this.warmUpEndMs)
    this.recent = new Counts(startMs)
  }

  /** An answer that came at `nowMs` to what was sent, or was due, at `fromMs`. */
  done(fromMs: number, nowMs: number, records: number, bytes: number): void {
    const micros = Math.min(Math.max(1, Math.round((nowMs - fromMs) * 1_000)), MICROS_MAX)
    this.recent.requests++
    this.recent.records += records
    this.recent.bytes += bytes
    this.recent.latencies.recordValue(micros)
    if (nowMs < this.warmUpEndMs || nowMs > this.endMs) return
    this.total.requests++
    this.total.records += records
    this.total.bytes += bytes
    // What was sent before the measuring began also waited on the warm-up's work.
    if (fromMs >= this.warmUpEndMs) this.total.latencies.recordValue(micros)
  }

  failed(error: ClientError): void {
    this.total.errors++
    this.recent.errors++
    const known = this.problems.get(error.message)
    if (known !== undefined || this.problems.size < 20) this.problems.set(error.message, (known ?? 0) + 1)
  }

  /** What happened since the last call. */
  progress(nowMs: number): Window {
    const window = this.recent.window(nowMs)
    this.recent = new Counts(nowMs)
    return window
  }

  result(nowMs: number): Window {
    return this.total.window(Math.min(nowMs, this.endMs))
  }
}
