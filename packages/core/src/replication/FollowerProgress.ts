/**
 * What a leader knows of one follower in its epoch, and what is on the way to it: a cursor into the log, never a copy of it.
 *
 * - *probe*: the common place is not known (or not any more). One frame at a time, without records, from `next`; the answer is
 *   an acknowledgement or a hint that retires an epoch (rule 8).
 * - *replicate*: pipelined from `next`, bounded by bytes and frames (dissertation 10.2.1). `next` runs ahead of `match`.
 *
 * Invariant: `match` <= `next` in replicate; in probe `next` is the place that is asked for. `match` never falls,
 * but for a replica that shows that it begins anew: to count less is always safe.
 */
import { assert } from "../base/Assert.ts"
import type { ReplicaOptions } from "./Assignment.ts"
import type { ReplicaId } from "./Frame.ts"
import { comparePoints, maxPoint, type Point } from "./Point.ts"

/** A peer that never answers (a wiped directory) is asked ever more seldom: the interval doubles so many times. */
const DOUBLINGS_MAX = 3

interface InflightFrame {
  readonly end: Point
  readonly bytes: number
  /** What the follower's high watermark is at least once it has this frame (rule 3). */
  readonly highWatermark: number
}

export class FollowerProgress {
  readonly replica: ReplicaId
  /** The `configVersion` it began in. Answers of another one are those of a former life of this replica. */
  readonly session: number
  /** A voter of the partition; a learner gets the log and counts for nothing. */
  counted: boolean
  mode: "probe" | "replicate" = "probe"
  /** Verified against this leader in its epoch, and durable there (rule 1). */
  match: Point | undefined
  next: Point
  inflightBytes = 0
  readonly inflight: Array<InflightFrame> = []
  /** What the follower has said of its high watermark: what was merely sent may be lost. */
  highWatermarkHeld = -1
  /** `Sendable` was emitted and nobody has planned since. */
  sendable = false
  /** The follower asked to wait: no probe before `retryAtMs`. */
  paused = false
  retryAtMs = Number.POSITIVE_INFINITY
  inSync: boolean
  /** A learner that was reported as close enough. */
  caughtUp = false
  /** When it last held everything that there was (Kafka's definition: at its last answer but one, or now). */
  lastCaughtUpMs: number
  lastHeardMs: number
  #lastAnswerMs: number
  #unanswered = 0
  #logEndAtLastAnswer: number

  constructor(replica: ReplicaId, session: number, counted: boolean, next: Point, inSync: boolean, nowMs: number) {
    this.replica = replica
    this.session = session
    this.counted = counted
    this.next = next
    this.inSync = inSync
    this.lastCaughtUpMs = inSync ? nowMs : Number.NEGATIVE_INFINITY
    this.lastHeardMs = nowMs
    this.#lastAnswerMs = nowMs
    this.#logEndAtLastAnswer = Number.POSITIVE_INFINITY
  }

  /** Whether a frame may leave now, and there is a reason for one. */
  hasWork(logEnd: Point, highWatermark: number, options: ReplicaOptions): boolean {
    if (this.paused) return false
    if (this.mode === "probe") return this.inflight.length === 0
    if (this.inflight.length >= options.inflightFramesMax || this.inflightBytes >= options.inflightBytesMax)
      return false
    if (comparePoints(this.next, logEnd) < 0) return true
    // An idle follower is told of the high watermark by a frame of its own; otherwise it rides along.
    return this.inflight.length === 0 && this.highWatermarkHeld < Math.min(highWatermark, this.match?.offset ?? 0)
  }

  sent(nowMs: number, end: Point, bytes: number, highWatermark: number, options: ReplicaOptions): void {
    assert(comparePoints(end, this.next) >= 0, "a frame must not end before it begins")
    assert(this.inflight.length < options.inflightFramesMax, "frames on the way must be bounded")
    assert(this.mode === "replicate" || this.inflight.length === 0, "one probe must be on the way at a time (rule 8)")
    if (this.inflight.length === 0) this.retryAtMs = nowMs + options.retryMs * 2 ** this.#unanswered
    this.inflight.push({ end, bytes, highWatermark: Math.min(highWatermark, end.offset) })
    this.inflightBytes += bytes
    if (this.mode === "replicate") this.next = end
  }

  acknowledged(nowMs: number, verified: Point, highWatermark: number, options: ReplicaOptions): void {
    // The newest word, not the greatest: a process that restarted may have lost it.
    this.highWatermarkHeld = highWatermark
    const news = this.match === undefined || comparePoints(verified, this.match) > 0
    this.match = maxPoint(this.match ?? verified, verified)
    let count = 0
    while (count < this.inflight.length && this.#has(this.inflight[count]!, this.match)) count++
    for (const frame of this.inflight.splice(0, count)) this.inflightBytes -= frame.bytes
    assert(this.inflightBytes >= 0, "bytes on the way must not be negative")
    if (this.mode === "probe" && comparePoints(this.match, this.next) >= 0) {
      this.#forget()
      this.mode = "replicate"
      this.next = this.match
    } else if (this.mode === "replicate") {
      this.next = maxPoint(this.next, this.match)
    }
    if (this.inflight.length === 0) this.retryAtMs = Number.POSITIVE_INFINITY
    else if (news) this.retryAtMs = nowMs + options.retryMs
  }

  #has(frame: InflightFrame, match: Point): boolean {
    return comparePoints(frame.end, match) <= 0 && frame.highWatermark <= this.highWatermarkHeld
  }

  /** The follower does not hold the place that was asked for: ask for an earlier one. */
  probeFrom(next: Point): void {
    this.#forget()
    this.mode = "probe"
    this.next = next
  }

  /** Nothing came in time. */
  retry(): void {
    this.probeAgain()
    this.#unanswered = Math.min(this.#unanswered + 1, DOUBLINGS_MAX)
  }

  forgetMatch(): void {
    this.match = undefined
    this.highWatermarkHeld = -1
    this.caughtUp = false
  }

  /** Frames or answers were lost: begin again at the last verified place. */
  probeAgain(): void {
    this.highWatermarkHeld = -1
    this.probeFrom(this.match ?? this.next)
  }

  /** `NotYet`: leave it alone for a while. */
  pause(untilMs: number): void {
    this.probeAgain()
    this.paused = true
    this.retryAtMs = untilMs
  }

  /** The follower answered, whatever it said. */
  answered(nowMs: number): void {
    this.lastHeardMs = nowMs
    this.#unanswered = 0
  }

  /** Keeps the time at which the follower was last caught up. `logEnd`: the leader's log end now. */
  heard(nowMs: number, holdsMarker: boolean, logEnd: number): void {
    const offset = this.match?.offset ?? -1
    if (!holdsMarker) return
    if (offset >= logEnd) this.lastCaughtUpMs = nowMs
    else if (offset >= this.#logEndAtLastAnswer) this.lastCaughtUpMs = Math.max(this.lastCaughtUpMs, this.#lastAnswerMs)
    this.#lastAnswerMs = nowMs
    this.#logEndAtLastAnswer = logEnd
  }

  #forget(): void {
    this.inflight.length = 0
    this.inflightBytes = 0
    this.retryAtMs = Number.POSITIVE_INFINITY
    this.paused = false
  }
}
