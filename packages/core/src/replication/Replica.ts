/**
 * One replica of one partition: leader, follower or neither, as the metadata log says. Pure: inputs are calls with the time in
 * them, output goes into the `Outbox`.
 *
 * It takes no part in elections but for promises; who leads comes from `assign`. It holds markers, watermarks, the promise and,
 * while it leads, a cursor per follower. It never holds batches (they only pass through a frame into a write), knows no clock,
 * and compares offsets, never contents: within one epoch equal places hold equal content, because an epoch has one leader, in
 * one process lifetime.
 *
 * **Contract with the shell**
 * - Writes reach the write-ahead log in the order of their numbers; `durable` says up to which one they survive a crash.
 * - Messages may leave as soon as they are in the outbox: what promises something is held back here until it is durable.
 * - `append` makes no write: the shell puts the batch into the log in the same serial section, under the sequence returned.
 * - `assign` is called for each change of the partition in the image, in order; `mayLead` and identities are the shell's.
 * - Events are in order: `LeftEpoch` comes before anything of the next epoch (rule 5).
 *
 * **Where each rule is** (numbers of replication-rules.md)
 * | rule | module |
 * |---|---|
 * | 1 verified position; what counts | `Follower` (#acknowledge), `Leader` (#answering, #offsetOf), `WriteSequence` (cut) |
 * | 2 when to truncate | `Divergence` (lastAgreed), `Follower` (#append), `ReplicaLog` (truncate) |
 * | 3 a follower's high watermark, notes | `Follower` (#commit), `ReplicaLog` (committed) |
 * | 4 markers at once; cursors are places | `Leader` (constructor), `FollowerProgress` (hasWork), `Point` |
 * | 5 waiters of an epoch | `Replica` (#leave) |
 * | 6, 26 majority and Q | `CommitQuorum`, `Leader` (#advance, assign) |
 * | 7 log start above a follower | `Follower` (receive, #cut), `Leader` (#sendableFrom), `Divergence` (largestHeld) |
 * | 8 probing | `FollowerProgress`, `Divergence` (hintFor, largestHeld), `Leader` (mismatch) |
 * | 9 a promise binds every role | `Replica` (promise, assign, #frame), `Follower` (receive), `ReplicaLog` (promise, appendMarker) |
 * | 10 the position answered | `ReplicaLog` (promise), `WriteSequence` (durable) |
 * | 12, 13 open or burnt elections | `Replica` (#reportAhead, #refused) |
 * | 14 hand-over | `HandOver` |
 * | 15 useless leader | `QuorumWatch` |
 * | 17 confirmed | `Leader` (#confirm) |
 * | 18, 19 identity, incarnation | `Replica` (#roleIn, #frame), `Leader` (#answering) |
 * | 21 unclean | `Markers` (missUnclean), `Follower` (#cut), `Watermarks` (truncatedUncleanly) |
 * | 22 positions of a rewind | the `Truncate` write |
 * | 23 epoch committed | `Leader` (#advance), `serves` |
 * | 30 reports carry (epoch, configVersion) | `Leader`, `InSync` |
 */
import { assert, unreachable } from "../base/Assert.ts"
import type { Assignment, RecoveredReplica, ReplicaOptions } from "./Assignment.ts"
import { Follower } from "./Follower.ts"
import type { Batch, Frame, Marker, Refusal, ReplicaId, ReplicaMessage } from "./Frame.ts"
import { Leader } from "./Leader.ts"
import type { Outbox, ReplicaEvent } from "./Output.ts"
import type { Point } from "./Point.ts"
import { ReplicaLog } from "./ReplicaLog.ts"
import { type AnswerBody, type Seat, sameReplica } from "./Seat.ts"
import type { SendPlan } from "./SendPlan.ts"

export type { SendPlan } from "./SendPlan.ts"

export type AppendResult =
  | { readonly _tag: "Appended"; readonly baseOffset: number; readonly sequence: number }
  | { readonly _tag: "Refused"; readonly reason: "not-leader" | "parked" | "not-enough-replicas" }

export type PromiseResult = { readonly _tag: "Pending" } | { readonly _tag: "Refused"; readonly promised: number }

export interface ProgressView {
  readonly mode: "probe" | "replicate"
  readonly match: Point | undefined
  readonly next: Point
  readonly inflightBytes: number
}

/** A frame of an epoch or a version that the metadata here does not know yet. */
interface Parked<D> {
  readonly frame: Frame<D>
  readonly untilMs: number
}

export class Replica<D> {
  readonly self: ReplicaId
  readonly topicId: string
  readonly partition: number
  readonly #seat: Seat<D>
  readonly #log: ReplicaLog<D>
  readonly #outbox: Outbox<D>
  #assignment: Assignment | undefined
  /** At most one of the two. */
  #leader: Leader<D> | undefined
  #follower: Follower<D> | undefined
  /** One is enough: a leader has one probe on the way until it matches. */
  #parked: Parked<D> | undefined
  /** The promise for which this leader was refused in the epoch of the assignment. */
  #refusedBy = -1

  constructor(
    self: ReplicaId,
    topicId: string,
    partition: number,
    recovered: RecoveredReplica,
    options: ReplicaOptions,
    outbox: Outbox<D>
  ) {
    this.self = self
    this.topicId = topicId
    this.partition = partition
    this.#outbox = outbox
    this.#log = new ReplicaLog(recovered, options.highWatermarkNoteOffsets, (sequence, write) =>
      outbox.write(this, sequence, write)
    )
    this.#seat = {
      self,
      options,
      log: this.#log,
      event: (event) => outbox.event(this, event),
      answer: (to, body) => this.#answer(to, body)
    }
  }

  /** "none": no assignment yet, offline, not a replica, or deposed by a promise or a refusal until the next epoch. */
  get role(): "leader" | "follower" | "none" {
    return this.#leader !== undefined ? "leader" : this.#follower !== undefined ? "follower" : "none"
  }
  /** Of the assignment applied last, -1 before the first. */
  get epoch(): number {
    return this.#assignment?.epoch ?? -1
  }
  /** Enqueued, maybe not durable: it binds at once. */
  get promised(): number {
    return this.#log.promised
  }
  /**
   * The newest epoch that is known here to be promised: its own promise, or the one that deposed this leader. Reported until the
   * image has reached it (rule 12), by the refused leader as well: whoever refused may have lost that promise in a crash.
   */
  get ahead(): number {
    return Math.max(this.promised, this.#refusedBy)
  }
  /** Where the log ends, enqueued. */
  get position(): Point {
    return this.#log.end
  }
  /** Where the part of the log ends that a crash leaves; (-1, -1) while a reset is not durable. */
  get durablePosition(): Point {
    return this.#log.writes.durablePosition
  }
  /** A follower's: what was checked against the leader of this epoch, enqueued. */
  get verified(): Point | undefined {
    return this.#follower?.verified
  }
  get logStartOffset(): number {
    return this.#log.watermarks.logStartOffset
  }
  get highWatermark(): number {
    return this.#log.watermarks.highWatermark
  }
  get logEndOffset(): number {
    return this.#log.watermarks.logEndOffset
  }
  /** Oldest first. */
  get markers(): ReadonlyArray<Marker> {
    return this.#log.markers.all()
  }
  epochAt(offset: number): number {
    return this.#log.markers.epochAt(offset)
  }
  /** A leader whose epoch is committed and whose appends are not parked. Appends are taken earlier, from `Leads` on (rule 23). */
  get serves(): boolean {
    return this.#leader?.epochCommitted === true && !this.#leader.parked
  }
  /** A leader whose own marker is committed: coordinators may load, ListOffsets(latest) may answer (rule 23). */
  get epochCommitted(): boolean {
    return this.#leader?.epochCommitted ?? false
  }
  /** Q of a leader, 0 otherwise. */
  get quorum(): number {
    return this.#leader?.quorum ?? 0
  }
  /**
   * A leader whose counted replicas are fewer than `min.insync.replicas`: what it commits can be read, and an append with acks=all
   * that was under way when the set shrank ends with NOT_ENOUGH_REPLICAS_AFTER_APPEND.
   */
  get lacksReplicas(): boolean {
    return this.#leader?.lacksReplicas ?? false
  }
  /** A leader's in-sync set in the order of the assignment; empty otherwise. */
  get isr(): ReadonlyArray<number> {
    return this.#leader?.isr ?? []
  }
  /** Whether the version applied last is confirmed (rule 17): for a report to a controller that is new. */
  get confirmed(): boolean {
    return this.#leader?.confirmed ?? false
  }
  /** Learners that are close enough to be counted: for a report to a controller that is new. */
  get caughtUp(): ReadonlyArray<ReplicaId> {
    return this.#leader?.caughtUp ?? []
  }
  progress(node: number): ProgressView | undefined {
    const follower = this.#leader?.progress(node)
    if (follower === undefined) return undefined
    const { mode, match, next, inflightBytes } = follower
    return { mode, match, next, inflightBytes }
  }
  /** Items that are queued here: writes that are not durable, frames on the way, a parked frame. */
  get memory(): number {
    return this.#log.writes.pendingCount + (this.#leader?.inflightCount ?? 0) + (this.#parked === undefined ? 0 : 1)
  }

  /** The image changed for this partition. What is older than the assignment held is no news. */
  assign(nowMs: number, assignment: Assignment): void {
    const held = this.#assignment
    if (held !== undefined && assignment.epoch < held.epoch) return
    if (held?.epoch === assignment.epoch && assignment.configVersion < held.configVersion) return
    this.#assignment = assignment
    if (held?.epoch === assignment.epoch) this.#reassigned(nowMs, assignment)
    else this.#enter(nowMs, assignment)
    this.#reportAhead()
    const parked = this.#parked
    if (parked !== undefined && !this.#early(parked.frame)) {
      this.#parked = undefined
      this.#frame(nowMs, parked.frame)
    }
  }

  /**
   * A controller asks for a promise. From now on nothing below `epoch` is appended, sent, marked or accepted, in any role (rule 9);
   * the event `Promised` answers with the log end of this moment once that is durable (rule 10). An equal promise is answered again.
   */
  promise(_nowMs: number, epoch: number): PromiseResult {
    const { promised } = this.#log
    // Rule 13: a refusal carries the promise that is held.
    if (epoch < promised) return { _tag: "Refused", promised }
    if (epoch === promised) {
      const again = { epoch, position: this.#log.end }
      if (this.#log.writes.askAgain(again)) this.#event({ _tag: "Promised", ...again })
      return { _tag: "Pending" }
    }
    this.#log.promise(epoch, true)
    // Rule 9: it binds leaders too. Nothing of the old epoch is finished: its waiters fail.
    if (this.epoch < epoch) this.#leave()
    this.#reportAhead()
    return { _tag: "Pending" }
  }

  /**
   * The leader takes `count` offsets. The shell patches the batch and writes it in the same serial section.
   * `requireInSync`: acks=all, refused before the append when the in-sync set is below `min.insync.replicas`.
   */
  append(nowMs: number, count: number, _bytes: number, requireInSync = false): AppendResult {
    const leader = this.#leader
    if (leader === undefined) return { _tag: "Refused", reason: "not-leader" }
    if (leader.parked) return { _tag: "Refused", reason: "parked" }
    if (requireInSync && leader.lacksInSync) return { _tag: "Refused", reason: "not-enough-replicas" }
    const baseOffset = this.logEndOffset
    return { _tag: "Appended", baseOffset, sequence: leader.append(nowMs, count) }
  }

  receive(nowMs: number, message: ReplicaMessage<D>): void {
    // Rule 18: what is meant for another directory of this node, or for another topic of this name, is not for this replica.
    if (message.topicId !== this.topicId || message.partition !== this.partition) return
    if (!sameReplica(message.to, this.self)) return
    switch (message._tag) {
      case "Frame":
        return this.#frame(nowMs, message)
      case "Acknowledgement":
        return this.#leader?.acknowledge(nowMs, message)
      case "Mismatch":
        return this.#leader?.mismatch(nowMs, message)
      case "NotYet":
        return this.#leader?.notYet(nowMs, message)
      case "Refusal":
        return this.#refused(message)
      default:
        return unreachable(message)
    }
  }

  /** All writes up to `sequence` survive a crash. */
  durable(nowMs: number, sequence: number): void {
    for (const { epoch, position } of this.#log.writes.durable(sequence)) {
      this.#event({ _tag: "Promised", epoch, position })
    }
    this.#leader?.durable(nowMs)
    this.#follower?.durable()
  }

  /** What would be sent next to `node`; changes nothing. `tailStartOffset`: below it only settled segments have the log. */
  planSend(_nowMs: number, node: number, tailStartOffset: number): SendPlan | undefined {
    return this.#leader?.planSend(node, tailStartOffset)
  }

  /**
   * The shell has read whole batches [`plan.from`, `endOffset`), maybe fewer than the limit; `endOffset` may equal `plan.from`.
   * `startState`: for a plan that is `atStart`, the state of producers that follows from what was before the log start.
   * Undefined: since the plan something has changed (another epoch, a lost connection), plan again.
   */
  confirmSend(
    nowMs: number,
    plan: SendPlan,
    endOffset: number,
    bytes: number,
    batches: ReadonlyArray<Batch<D>>,
    startState?: Uint8Array
  ): Frame<D> | undefined {
    const sent = this.#leader?.confirmSend(nowMs, plan, endOffset, bytes, batches, startState)
    if (sent === undefined) return undefined
    return { ...sent.body, topicId: this.topicId, partition: this.partition, from: this.self, to: sent.to }
  }

  /** The connection to `node` broke: what was on the way is forgotten, and it is probed again. */
  disconnected(_nowMs: number, node: number): void {
    this.#leader?.disconnected(node)
  }

  /** Parks appends until `target` holds everything (rule 14). */
  handOver(nowMs: number, target: number): void {
    this.#leader?.handOver(nowMs, target)
  }

  /** Records below `offset` (<= high watermark) are gone by retention or DeleteRecords; the shell has written so. */
  startAt(offset: number): void {
    this.#log.startAt(offset)
  }

  tick(nowMs: number): void {
    this.#leader?.tick(nowMs)
    const parked = this.#parked
    if (parked !== undefined && nowMs >= parked.untilMs) {
      this.#parked = undefined
      this.#answer(parked.frame.from, { _tag: "NotYet", epoch: parked.frame.epoch, session: parked.frame.session })
    }
  }

  /** When `tick` has something to do: infinity for an idle partition, which costs nothing. */
  nextDeadline(): number {
    return Math.min(
      this.#leader?.nextDeadline() ?? Number.POSITIVE_INFINITY,
      this.#parked?.untilMs ?? Number.POSITIVE_INFINITY
    )
  }

  #enter(nowMs: number, assignment: Assignment): void {
    this.#leave()
    this.#refusedBy = -1
    switch (this.#roleIn(assignment)) {
      case "leader":
        this.#leader = new Leader(nowMs, this.#seat, assignment)
        return
      case "follower":
        assert(assignment.leader !== null, "a follower must have a leader")
        this.#follower = new Follower(this.#seat, assignment.leader, assignment.epoch)
    }
  }

  /** A role changes by epoch only (rule 19); within one, sets change. */
  #reassigned(nowMs: number, assignment: Assignment): void {
    if (this.#leader !== undefined) {
      if (this.#roleIn(assignment) === "leader") this.#leader.assign(nowMs, assignment)
      else this.#leave()
    } else if (this.#follower !== undefined) {
      if (this.#roleIn(assignment) !== "follower") this.#leave()
    } else if (this.#roleIn(assignment) === "follower") {
      this.#enter(nowMs, assignment)
    }
  }

  #roleIn(assignment: Assignment): "leader" | "follower" | "none" {
    const { leader, counted, learners, epoch } = assignment
    // Rule 9: named in an epoch below the own promise, it never starts.
    if (leader === null || epoch < this.#log.promised) return "none"
    // Rule 18: another directory under this node's id is another replica.
    const votes = counted.some((replica) => sameReplica(replica, this.self))
    if (!votes && !learners.some((replica) => sameReplica(replica, this.self))) return "none"
    if (!sameReplica(leader, this.self)) return leader.node === this.self.node ? "none" : "follower"
    // Rule 19: not in an epoch from before this process; it may have sent what it then lost.
    return votes && assignment.mayLead ? "leader" : "none"
  }

  /** Rule 5: before anything of another epoch. */
  #leave(): void {
    const left = this.#leader ?? this.#follower
    this.#leader = undefined
    this.#follower = undefined
    if (left !== undefined) this.#event({ _tag: "LeftEpoch", epoch: left.epoch })
  }

  #frame(nowMs: number, frame: Frame<D>): void {
    const { epoch } = this
    const { promised } = this.#log
    const newest = Math.max(promised, epoch)
    // Rule 9: nothing below the promise is accepted, whoever the metadata names.
    if (frame.epoch < newest) return this.#answer(frame.from, { _tag: "Refusal", epoch: frame.epoch, promised: newest })
    if (this.#early(frame)) {
      if (this.#parked !== undefined && isOlder(frame, this.#parked.frame)) return
      // The first frame's time counts: a leader that asks again does not put off the answer.
      const untilMs = this.#parked?.untilMs ?? nowMs + this.#seat.options.metadataWaitMs
      this.#parked = { frame, untilMs }
      return
    }
    const follower = this.#follower
    if (follower === undefined || !sameReplica(follower.leader, frame.from)) return
    follower.receive(frame)
  }

  /**
   * Of an epoch or a version that the metadata here does not show yet. A frame of a version ahead may be for the next life of this
   * replica: it was removed and added again, and its log is to begin anew. What the old life acknowledged would be lost with it.
   */
  #early(frame: Frame<D>): boolean {
    const { epoch } = this
    return frame.epoch > epoch || (frame.epoch === epoch && frame.session > (this.#assignment?.configVersion ?? -1))
  }

  /** Rule 12: a refused leader steps down and reports; it does not lead again in this epoch. */
  #refused(message: Refusal): void {
    const leader = this.#leader
    if (leader === undefined || message.epoch !== leader.epoch || message.promised <= leader.epoch) return
    if (!leader.knows(message.from)) return
    this.#leave()
    this.#refusedBy = message.promised
    this.#reportAhead()
  }

  /** Rule 12: until the image has reached the promise, the controller is told of it. */
  #reportAhead(): void {
    const promised = this.ahead
    if (this.#assignment !== undefined && promised > this.epoch) this.#event({ _tag: "PromiseAhead", promised })
  }

  #event(event: ReplicaEvent): void {
    this.#outbox.event(this, event)
  }

  #answer(to: ReplicaId, body: AnswerBody): void {
    this.#outbox.send(this, { ...body, topicId: this.topicId, partition: this.partition, from: this.self, to })
  }
}

const isOlder = <D>(frame: Frame<D>, other: Frame<D>): boolean =>
  frame.epoch < other.epoch || (frame.epoch === other.epoch && frame.session < other.session)
