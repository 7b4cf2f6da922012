/**
 * The follower of one partition in one epoch: takes the leader's frames into its log and answers with what it has verified.
 *
 * It sees only frames of its own epoch from its own leader to this replica; the replica has filtered the rest. Owned by
 * `Replica`, made anew for each epoch: a verified position never outlives the epoch in which it was checked (rule 1).
 */
import { assert } from "../base/Assert.ts"
import { type Agreement, hintFor, holdsPrevious, lastAgreed, wellFormed } from "./Divergence.ts"
import type { Batch, Frame, Marker, ReplicaId } from "./Frame.ts"
import { comparePoints, maxPoint, minPoint, NOWHERE, type Point } from "./Point.ts"
import type { Seat } from "./Seat.ts"

export class Follower<D> {
  readonly leader: ReplicaId
  readonly epoch: number
  readonly #seat: Seat<D>
  /** End of the prefix that was checked against this leader in this epoch: enqueued, maybe not durable. Never falls. */
  #verified: Point | undefined
  #acknowledged: Point = NOWHERE
  /** A frame that ends here waits for its answer. */
  #owed: Point | undefined
  /** The newest session of the leader with this replica: frames of an older one may come late. */
  #session = 0
  /** No answer leaves before this write is durable: the promise that the first accepted frame raised (rule 9). */
  #promiseSequence = 0

  constructor(seat: Seat<D>, leader: ReplicaId, epoch: number) {
    this.#seat = seat
    this.leader = leader
    this.epoch = epoch
  }

  get verified(): Point | undefined {
    return this.#verified
  }

  receive(frame: Frame<D>): void {
    const { log } = this.#seat
    assert(
      frame.epoch === this.epoch && log.promised <= this.epoch,
      "a frame must be accepted only at or above the promise"
    )
    if (!wellFormed(frame)) return
    const held = holdsPrevious(log, frame)
    if (!held && frame.previous.offset !== frame.logStartOffset) {
      const hint = hintFor(log, frame.previous)
      const { session, previous } = frame
      this.#seat.answer(this.leader, { _tag: "Mismatch", epoch: this.epoch, session, previous, hint })
      return
    }
    // Rule 9: accepting raises the promise, before anything else of this frame is written.
    if (log.promised < this.epoch) this.#promiseSequence = log.promise(this.epoch, false)
    if (!held) this.#cut(frame.previous, frame, true)
    this.#session = Math.max(this.#session, frame.session)
    const agreement = lastAgreed(log, frame)
    if (!this.#append(frame, agreement)) return
    this.#verified = maxPoint(this.#verified ?? NOWHERE, frame.end)
    this.#commit(frame)
    this.#owed = maxPoint(this.#owed ?? NOWHERE, frame.end)
    this.#acknowledge(false)
  }

  /** More of the log became durable: one answer for all frames that it completes. */
  durable(): void {
    if (this.#owed !== undefined) this.#acknowledge(true)
  }

  /** Truncates where the frame contradicts, and only there; then takes what is not held yet. False: the frame fits no log. */
  #append(frame: Frame<D>, agreement: Agreement): boolean {
    const { log } = this.#seat
    const { agreed } = agreement
    const batches = frame.batches.filter((batch) => batch.endOffset > agreed.offset)
    const grows = agreement.contradicted || comparePoints(agreed, log.end) === 0
    if (!grows) {
      assert(comparePoints(agreed, frame.end) === 0, "a frame that changes nothing must lie in the log as a whole")
      return true
    }
    const first = batches[0]
    // A batch is taken whole; only a log that starts inside of one begins with a part.
    if (first !== undefined && first.baseOffset < agreed.offset && agreed.offset !== log.start.offset) return false
    if (agreement.contradicted) this.#cut(agreed, frame, comparePoints(agreed, log.start) < 0)
    const markers = frame.markers.filter((marker) => marker.epoch > agreed.epoch)
    if (frame.bulk) {
      if (comparePoints(frame.end, agreed) > 0) log.appendBulk(markers, batches, frame.end)
    } else {
      this.#appendInOrder(markers, batches)
    }
    assert(
      comparePoints(log.end, frame.end) === 0,
      "after a frame that grows the log, the log must end where the frame does"
    )
    return true
  }

  #appendInOrder(markers: ReadonlyArray<Marker>, batches: ReadonlyArray<Batch<D>>): void {
    const { log } = this.#seat
    let taken = 0
    const takeBefore = (offset: number): void => {
      const from = taken
      while (taken < batches.length && batches[taken]!.baseOffset < offset) taken++
      if (taken > from) log.appendBatches(batches.slice(from, taken), batches[taken - 1]!.endOffset)
    }
    for (const marker of markers) {
      takeBefore(marker.offset)
      log.appendMarker(marker)
    }
    takeBefore(Number.POSITIVE_INFINITY)
  }

  /** Cuts at `to`, or drops the log where nothing before `to` is left of it. Below the high watermark only across an unclean marker (rule 21). */
  #cut(to: Point, frame: Frame<D>, whole: boolean): void {
    const { log } = this.#seat
    assert(
      this.#verified === undefined || comparePoints(this.#verified, to) <= 0,
      "what was verified against a leader must not be cut in its epoch"
    )
    const unclean = log.markers.missUnclean(frame.uncleanEpoch)
    if (whole) log.reset(to, unclean, frame.uncleanEpoch >= 0 && frame.uncleanEpoch <= to.epoch, frame.startState)
    else log.truncate(to, unclean && to.offset < log.watermarks.highWatermark)
  }

  /** Rule 3: never beyond the end of the prefix that this very frame has verified. */
  #commit(frame: Frame<D>): void {
    const offset = Math.min(frame.highWatermark, frame.end.offset)
    if (this.#seat.log.committed(offset)) this.#seat.event({ _tag: "HighWatermark", offset })
  }

  /** Rule 1: answers with the verified prefix that is durable, never with the log end. */
  #acknowledge(partly: boolean): void {
    const { log } = this.#seat
    const { writes } = log
    assert(this.#verified !== undefined && this.#owed !== undefined, "an answer must follow an accepted frame")
    if (writes.durableSequence < this.#promiseSequence) return
    const verified = minPoint(this.#verified, writes.durablePosition)
    const whole = comparePoints(verified, this.#owed) >= 0
    if (!whole && !(partly && comparePoints(verified, this.#acknowledged) > 0)) return
    assert(comparePoints(verified, this.#acknowledged) >= 0, "an answer must not take back an earlier one")
    this.#acknowledged = verified
    if (whole) this.#owed = undefined
    const { highWatermark } = log.watermarks
    this.#seat.answer(this.leader, {
      _tag: "Acknowledgement",
      epoch: this.epoch,
      session: this.#session,
      verified,
      highWatermark
    })
  }
}
