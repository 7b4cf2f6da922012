/**
 * The leader of one partition in one epoch: appends, sends to followers and learners, counts their answers, moves the high
 * watermark, and tells the controller about the sets.
 *
 * It never decides who leads. Owned by `Replica`, made when an epoch begins and dropped when it ends: nothing that was learned
 * in one epoch counts in another (rule 1).
 */
import { assert } from "../base/Assert.ts"
import type { Assignment } from "./Assignment.ts"
import { committedBy, type Held, heldBy, NOT_HELD, quorumOf } from "./CommitQuorum.ts"
import { largestHeld } from "./Divergence.ts"
import { FollowerProgress } from "./FollowerProgress.ts"
import type { Acknowledgement, Batch, Frame, Mismatch, NotYet, ReplicaId } from "./Frame.ts"
import { HandOver } from "./HandOver.ts"
import { InSyncSet } from "./InSync.ts"
import { comparePoints, type Point } from "./Point.ts"
import { QuorumWatch } from "./QuorumWatch.ts"
import { type Seat, sameReplica } from "./Seat.ts"
import type { SendPlan } from "./SendPlan.ts"

/** A frame before it is addressed. */
export type FrameBody<D> = Omit<Frame<D>, "topicId" | "partition" | "from" | "to">

export class Leader<D> {
  readonly epoch: number
  /** Where this epoch begins in the log. */
  readonly markerOffset: number
  readonly #seat: Seat<D>
  /** In the order of the assignment: counted ones, then learners. Its own replica is not among them. */
  #followers: ReadonlyArray<FollowerProgress> = []
  #assignment: Assignment
  #epochCommitted: boolean
  /** Log end when `#assignment.configVersion` was applied: what a majority of that version must hold (rule 17). */
  #confirmTarget: number
  #confirmed = false
  readonly #inSync: InSyncSet<D>
  readonly #watch: QuorumWatch<D>
  readonly #handOver: HandOver<D>

  /** The replica has checked that it may lead (rules 9 and 19). */
  constructor(nowMs: number, seat: Seat<D>, assignment: Assignment) {
    const { log } = seat
    const { epoch } = assignment
    this.#seat = seat
    this.epoch = epoch
    this.#assignment = assignment
    const before = log.end
    this.markerOffset = epoch === 0 ? 0 : before.offset
    if (log.promised < epoch) log.promise(epoch, false)
    // Epoch 0 is the election of CreateTopic: its marker is the beginning of every log and needs no round.
    assert(
      epoch === 0 ? before.epoch === 0 : before.epoch < epoch,
      "a leader must begin an epoch that its log does not hold"
    )
    if (epoch > 0) log.appendMarker({ epoch, offset: before.offset, unclean: assignment.unclean })
    this.#epochCommitted = epoch === 0
    this.#confirmTarget = log.end.offset
    this.#inSync = new InSyncSet(nowMs, seat, epoch)
    this.#watch = new QuorumWatch(seat, epoch)
    this.#handOver = new HandOver(seat, epoch)
    seat.event({ _tag: "Leads", epoch })
    if (this.#epochCommitted) seat.event({ _tag: "EpochCommitted", epoch })
    this.#setFollowers(nowMs, before, epoch === 0, 0)
    this.#advance(nowMs)
    this.#wakeAll()
  }

  get epochCommitted(): boolean {
    return this.#epochCommitted
  }
  get parked(): boolean {
    return this.#handOver.parked
  }
  get confirmed(): boolean {
    return this.#confirmed
  }
  get quorum(): number {
    return quorumOf(this.#assignment.counted.length, this.#assignment.minInSync)
  }
  get isr(): ReadonlyArray<number> {
    return this.#inSync.members
  }
  get caughtUp(): ReadonlyArray<ReplicaId> {
    return this.#followers.filter((follower) => follower.caughtUp).map((follower) => follower.replica)
  }
  get inflightCount(): number {
    return this.#followers.reduce((sum, follower) => sum + follower.inflight.length, 0)
  }
  /** Fewer replicas are counted than `minInSync` asks for: what commits is not what acks=all promises. */
  get lacksReplicas(): boolean {
    return this.#assignment.counted.length < this.#assignment.minInSync
  }
  get lacksInSync(): boolean {
    return this.isr.length < this.#assignment.minInSync
  }

  /**
   * Whom frames to `node` are for. A node whose disk was replaced may stand here twice until the old replica is removed (rule 18):
   * the newer directory comes later in the assignment, and the old one is not there to answer.
   */
  progress(node: number): FollowerProgress | undefined {
    return this.#followers.findLast((follower) => follower.replica.node === node)
  }

  /** The same epoch, another set, another version or another `minInSync`: recomputed at once (rule 6). */
  assign(nowMs: number, assignment: Assignment): void {
    assert(assignment.epoch === this.epoch, "a leader must lead in one epoch only")
    if (assignment.configVersion > this.#assignment.configVersion) {
      this.#confirmed = false
      this.#confirmTarget = this.#seat.log.end.offset
    }
    const versions = assignment.configVersion - this.#assignment.configVersion
    this.#assignment = assignment
    this.#setFollowers(nowMs, this.#seat.log.end, false, versions)
    this.#advance(nowMs)
    this.#wakeAll()
  }

  /** Takes `count` offsets at the log end. Returns the write's sequence. */
  append(nowMs: number, count: number): number {
    const { log } = this.#seat
    assert(log.promised === this.epoch, "an append must be made in an epoch at or above the promise (rule 9)")
    assert(!this.parked, "an append must not be made while appends are parked")
    const before = log.end.offset
    for (const follower of this.#followers) if (this.#offsetOf(follower) >= before) follower.lastCaughtUpMs = nowMs
    const sequence = log.appendOwn(count)
    this.#watch.uncommitted(nowMs)
    this.#wakeAll()
    return sequence
  }

  /** More of the own log became durable: the leader's own match is its durable position. */
  durable(nowMs: number): void {
    this.#advance(nowMs)
    this.#wakeAll()
  }

  acknowledge(nowMs: number, message: Acknowledgement): void {
    const follower = this.#answering(nowMs, message)
    if (follower === undefined) return
    const { log } = this.#seat
    const { verified } = message
    assert(
      verified.offset <= log.start.offset || log.contains(verified),
      "what was verified against this leader must be in its log"
    )
    follower.acknowledged(nowMs, verified, message.highWatermark, this.#seat.options)
    follower.heard(nowMs, this.#offsetOf(follower) !== NOT_HELD, log.end.offset)
    this.#advance(nowMs)
    this.#wakeAll()
  }

  mismatch(nowMs: number, message: Mismatch): void {
    const follower = this.#answering(nowMs, message)
    if (follower === undefined) return
    if (follower.match !== undefined && comparePoints(message.previous, follower.match) <= 0) {
      // An answer to an earlier question: since then the place was verified.
      if (follower.mode !== "probe" || comparePoints(message.previous, follower.next) !== 0) return
      // It was removed, dropped its log, was added again, and knows so before this leader does: its match is gone.
      follower.forgetMatch()
    }
    if (follower.mode === "replicate") follower.probeAgain()
    else if (comparePoints(message.previous, follower.next) === 0) {
      const { log } = this.#seat
      const next = largestHeld(log.markers, log.start, log.end.offset, message.hint)
      follower.probeFrom(comparePoints(next, follower.next) < 0 ? next : log.start)
    } else return
    this.#wake(follower)
  }

  notYet(nowMs: number, message: NotYet): void {
    const follower = this.#answering(nowMs, message)
    if (follower === undefined) return
    follower.pause(nowMs + this.#seat.options.retryMs)
  }

  disconnected(node: number): void {
    const follower = this.progress(node)
    if (follower === undefined) return
    follower.probeAgain()
    this.#wake(follower)
  }

  /** A refusal counts from those only whom this leader sends to. */
  knows(replica: ReplicaId): boolean {
    return this.#followerOf(replica) !== undefined
  }

  planSend(node: number, tailStartOffset: number): SendPlan | undefined {
    const follower = this.progress(node)
    if (follower === undefined) return undefined
    const { log, options } = this.#seat
    follower.sendable = false
    if (!follower.hasWork(log.end, log.watermarks.highWatermark, options)) return undefined
    const previous = this.#sendableFrom(follower.next)
    const from = previous.offset
    const records = follower.mode === "replicate" && comparePoints(previous, follower.next) === 0
    const end = log.end.offset
    const bulk = records && from < Math.min(tailStartOffset, end)
    const limit = !records ? from : bulk ? Math.min(tailStartOffset, end) : end
    return {
      node,
      epoch: this.epoch,
      previous,
      markers: log.markers.between(previous.epoch, limit),
      from,
      limit,
      maxBytes: Math.max(0, options.inflightBytesMax - follower.inflightBytes),
      atStart: from === log.start.offset,
      bulk,
      watermarkOnly: limit === from
    }
  }

  /** Undefined: the plan is older than what has happened since. */
  confirmSend(
    nowMs: number,
    plan: SendPlan,
    endOffset: number,
    bytes: number,
    batches: ReadonlyArray<Batch<D>>,
    startState: Uint8Array | undefined
  ) {
    const follower = this.progress(plan.node)
    const { log, options } = this.#seat
    if (follower === undefined || plan.epoch !== this.epoch) return undefined
    if (!follower.hasWork(log.end, log.watermarks.highWatermark, options)) return undefined
    if (comparePoints(plan.previous, this.#sendableFrom(follower.next)) !== 0) return undefined
    assert(endOffset >= plan.from && endOffset <= plan.limit, "a frame must end inside of its plan")
    const last = batches.at(-1)
    assert(plan.bulk || (last?.endOffset ?? plan.from) === endOffset, "a frame's records must reach to its end")
    // The log start has passed the cursor: ask at the start, where a follower that is below it begins anew (rule 7).
    if (comparePoints(plan.previous, follower.next) !== 0) follower.probeFrom(plan.previous)
    const markers = plan.markers.filter((marker) => marker.offset <= endOffset)
    const end: Point = { epoch: markers.at(-1)?.epoch ?? plan.previous.epoch, offset: endOffset }
    const { highWatermark, logStartOffset } = log.watermarks
    follower.sent(nowMs, end, bytes, highWatermark, options)
    const body: FrameBody<D> = {
      _tag: "Frame",
      epoch: this.epoch,
      session: follower.session,
      previous: plan.previous,
      end,
      markers,
      batches,
      logStartOffset,
      logStartEpoch: log.start.epoch,
      highWatermark,
      uncleanEpoch: log.markers.uncleanEpoch,
      startState: plan.atStart ? startState : undefined,
      bulk: plan.bulk
    }
    if (comparePoints(end, plan.previous) > 0) this.#wake(follower)
    return { to: follower.replica, body }
  }

  handOver(nowMs: number, target: number): void {
    this.#handOver.begin(nowMs, target)
    this.#offerHandOver()
  }

  tick(nowMs: number): void {
    for (const follower of this.#followers) {
      if (nowMs < follower.retryAtMs) continue
      follower.retry()
      this.#wake(follower)
    }
    this.#inSync.tick(nowMs, this.#assignment, this.#followers, this.#seat.log.end.offset)
    this.#watch.tick(nowMs, this.#assignment, this.#followers)
    this.#handOver.tick(nowMs)
  }

  nextDeadline(): number {
    let deadline = Math.min(
      this.#inSync.deadline(this.#assignment, this.#followers, this.#seat.log.end.offset),
      this.#watch.deadline(this.#assignment, this.#followers),
      this.#handOver.deadline
    )
    for (const follower of this.#followers) deadline = Math.min(deadline, follower.retryAtMs)
    return deadline
  }

  /** Rule 1: an answer counts if it is of this epoch and from the directory that the assignment names. */
  #answering(nowMs: number, message: Acknowledgement | Mismatch | NotYet): FollowerProgress | undefined {
    if (message.epoch !== this.epoch) return undefined
    const follower = this.#followerOf(message.from)
    // An answer of a former session is of a former life of the replica, whose log is gone.
    if (follower === undefined || message.session !== follower.session) return undefined
    follower.answered(nowMs)
    return follower
  }

  #followerOf(replica: ReplicaId): FollowerProgress | undefined {
    return this.#followers.find((follower) => sameReplica(follower.replica, replica))
  }

  /** Rule 1: how far a follower holds the log, if it holds this epoch's marker. */
  #offsetOf(follower: FollowerProgress): number {
    const { match } = follower
    return match !== undefined && match.epoch === this.epoch ? match.offset : NOT_HELD
  }

  #held(): Held {
    const { durablePosition } = this.#seat.log.writes
    const offsets = this.#assignment.counted.map((replica) => {
      if (sameReplica(replica, this.#seat.self)) {
        return durablePosition.epoch === this.epoch ? durablePosition.offset : NOT_HELD
      }
      const follower = this.#followerOf(replica)
      assert(follower?.counted === true, "every counted replica must have a progress")
      return this.#offsetOf(follower)
    })
    return heldBy(offsets, this.#assignment.minInSync)
  }

  /** Moves everything that depends on who holds what. HW = max(old, new): never back (rule 6). */
  #advance(nowMs: number): void {
    const { log } = this.#seat
    const held = this.#held()
    const committed = committedBy(held, this.markerOffset)
    if (log.committed(committed)) {
      this.#seat.event({ _tag: "HighWatermark", offset: log.watermarks.highWatermark })
    }
    if (!this.#epochCommitted && held.byMajority !== NOT_HELD) {
      this.#epochCommitted = true
      assert(
        log.watermarks.highWatermark >= this.markerOffset,
        "with its marker everything before an epoch must be committed"
      )
      this.#seat.event({ _tag: "EpochCommitted", epoch: this.epoch })
    }
    this.#confirm(held)
    const settled = this.#epochCommitted && log.watermarks.highWatermark === log.end.offset
    if (settled) this.#watch.settled()
    else this.#watch.uncommitted(nowMs)
    this.#watch.heard(nowMs, this.#assignment, this.#followers)
    this.#inSync.update(nowMs, this.#assignment, this.#followers, (follower) => this.#offsetOf(follower))
    this.#offerLearners()
    this.#offerHandOver()
  }

  /**
   * Rule 17: safe under its own quorum once a majority of *this* version holds the marker and all that the log held when the
   * version came. A majority, not Q: elections need a majority, and with Q a set below `minInSync` could never be repaired.
   */
  #confirm(held: Held): void {
    if (this.#confirmed || !this.#epochCommitted || held.byMajority < this.#confirmTarget) return
    this.#confirmed = true
    const { configVersion } = this.#assignment
    this.#seat.event({ _tag: "Confirmed", epoch: this.epoch, configVersion })
  }

  #offerLearners(): void {
    const end = this.#seat.log.end.offset
    for (const follower of this.#followers) {
      if (follower.counted) continue
      const offset = this.#offsetOf(follower)
      const close = offset !== NOT_HELD && end - offset <= this.#seat.options.caughtUpOffsets
      if (close && !follower.caughtUp) {
        const { configVersion } = this.#assignment
        this.#seat.event({ _tag: "CaughtUp", epoch: this.epoch, configVersion, replica: follower.replica })
      }
      follower.caughtUp = close
    }
  }

  #offerHandOver(): void {
    const { target } = this.#handOver
    if (target === undefined) return
    const follower = this.progress(target)
    if (follower === undefined || !follower.counted) this.#handOver.giveUp()
    else if (this.#offsetOf(follower) === this.#seat.log.end.offset) this.#handOver.reached()
  }

  /**
   * The cursor, or the log start where the cursor's place is gone. Also where it is gone by its epoch only: which empty epochs
   * lay between there and the start is forgotten, and a follower may hold them.
   */
  #sendableFrom(next: Point): Point {
    const { log } = this.#seat
    return log.contains(next) ? next : log.start
  }

  #setFollowers(nowMs: number, next: Point, inSync: boolean, versions: number): void {
    const { self } = this.#seat
    const { counted, learners, configVersion } = this.#assignment
    assert(
      counted.some((replica) => sameReplica(replica, self)),
      "a leader must be counted"
    )
    const known = this.#followers
    this.#inSync.assigned()
    const made = [
      ...counted.map((replica) => [replica, true] as const),
      ...learners.map((replica) => [replica, false] as const)
    ]
    this.#followers = made
      .filter(([replica]) => !sameReplica(replica, self))
      .map(([replica, votes]) => {
        const old = known.find((follower) => sameReplica(follower.replica, replica))
        const follower =
          old !== undefined && isSameLife(old, votes, versions)
            ? old
            : new FollowerProgress(replica, configVersion, votes, next, votes && inSync, nowMs)
        // Reported again under each version: the controller asks for (epoch, configVersion).
        follower.caughtUp = false
        follower.counted = votes
        return follower
      })
  }

  #wakeAll(): void {
    for (const follower of this.#followers) this.#wake(follower)
  }

  #wake(follower: FollowerProgress): void {
    const { log, options } = this.#seat
    if (follower.sendable || !follower.hasWork(log.end, log.watermarks.highWatermark, options)) return
    follower.sendable = true
    this.#seat.event({ _tag: "Sendable", peer: follower.replica.node })
  }
}

/**
 * Whether a follower cannot have been removed and added again in `versions` versions. Each removal of a counted replica, each
 * addition and each promotion of a learner is a version of its own, so one version does not hide two of them.
 */
const isSameLife = (follower: FollowerProgress, votes: boolean, versions: number): boolean =>
  versions === 0 ? follower.counted === votes : versions === 1 && votes
