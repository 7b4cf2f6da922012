/**
 * The controller of a cluster: who is alive, who leads which partition, which replicas it has. Pure: heartbeats, answers and
 * committed metadata in; commands, promise requests and hand-over requests out.
 *
 * It runs beside the leader of the metadata log and only while that leads. The image is its one truth: what it decides leaves
 * as a command with the expectations it was decided under, and counts when it has been applied, not before. Everything else in
 * here is volatile evidence which the nodes repeat to the next controller, so nothing is lost with it.
 *
 * It deliberately knows no offset of any client, sends nothing itself, keeps no timer of its own, and never judges whether
 * records are safe: that is the replicas' (`core/replication`).
 *
 * **Driving it** Hand in all inputs that have arrived, call `ready()` until it answers undefined, arm one timer for
 * `nextDeadline()`. Heartbeats that wait must be handed in before `tick` (rule 16). Each command of `ready()` is proposed to
 * the metadata log; when it has been applied, `applied` comes first and `commandEnded` with its result after it; one that the
 * log gave up ends as "lost". Promise and hand-over requests may be lost on the way.
 *
 * | rules | module |
 * |---|---|
 * | 16, 20 sessions and incarnations | `Liveness` |
 * | 11, 12, 13, 15, 18, 19, 21, 26 elections | `Elections` with its clock `Round` |
 * | 14, 26 who is chosen | `Choice` |
 * | 14 hand-over, drain, preferred replicas | `Balance` |
 * | 17, 18 changes of the replica set | `ReassignmentPlan` (what is next), `Reassignment` (when) |
 * | 30 reports and their staleness | `Reports`, `InSync`, `PartitionTable` |
 * | 13, 17, 18, 19, 30 what a command must satisfy to apply | `metadata/ReplayPartitions`, `metadata/ReplayNodes` |
 */
import { assert } from "../base/Assert.ts"
import type { Prng } from "../base/Prng.ts"
import type { MetadataDelta } from "../metadata/MetadataDelta.ts"
import type { CommandResult, MetadataImage, TopicImage } from "../metadata/MetadataImage.ts"
import { ErrorCode } from "../model/ErrorCode.ts"
import { Balance } from "./Balance.ts"
import type { ControllerOptions } from "./ControllerOptions.ts"
import { Elections } from "./Elections.ts"
import { reviewInSync } from "./InSync.ts"
import { Liveness } from "./Liveness.ts"
import type { ControllerReady, HeartbeatAnswer, NodeHeartbeat, OperatorAnswer, PromiseAnswer } from "./Messages.ts"
import type { Intent, Tracked } from "./PartitionTable.ts"
import { Reassignment } from "./Reassignment.ts"
import { Reports } from "./Reports.ts"
import { Revisit } from "./Revisit.ts"
import { Work } from "./Work.ts"

export * from "./ControllerOptions.ts"
export * from "./Messages.ts"

const STARTED: OperatorAnswer = { _tag: "Started" }
const refused = (errorCode: number, message: string): OperatorAnswer => ({ _tag: "Refused", errorCode, message })

export class Controller {
  readonly #work: Work
  readonly #liveness: Liveness
  readonly #elections: Elections
  readonly #reassignment: Reassignment
  readonly #balance: Balance
  readonly #reports: Reports
  /** In-sync sets whose command the log gave up: proposed again after a while, not in the same turn. */
  readonly #lostInSync: Revisit<Tracked>
  #active = false

  constructor(options: ControllerOptions, random: Prng) {
    this.#work = new Work(options, random)
    this.#liveness = new Liveness(this.#work)
    const isDraining = (nodeId: number) => this.#liveness.isDraining(nodeId)
    this.#elections = new Elections(this.#work, isDraining)
    this.#reassignment = new Reassignment(this.#work)
    this.#balance = new Balance(this.#work, {
      isDraining,
      mustMoveLeader: (tracked) => this.#reassignment.mustMoveLeader(tracked)
    })
    this.#reports = new Reports(this.#work, this.#elections, this.#balance)
    this.#lostInSync = new Revisit(options.retryMs)
  }

  get active(): boolean {
    return this.#active
  }

  /** Whether the leader of the partition's current epoch has reported that it takes requests (rule 24). */
  serves(topicId: string, partition: number): boolean {
    return this.#work.partitions.get(topicId, partition)?.serves === true
  }

  // --- life

  /**
   * The metadata log is led here.
   *
   * **Gotchas** only once an entry of the own term is committed and everything before it is applied to `image`: an election
   * from an older image could name an epoch that was given away (rule 13).
   */
  activate(nowMs: number, image: MetadataImage): void {
    this.deactivate()
    this.#active = true
    this.#work.nowMs = nowMs
    this.#work.image = image
    this.#liveness.activate(nowMs)
    this.#liveness.follow(nowMs)
    for (const topic of [...image.topics()].sort(byId)) this.#track(topic, 0)
  }

  /** Whatever was under way is the next controller's. */
  deactivate(): void {
    this.#active = false
    this.#elections.clear()
    this.#reassignment.clear()
    this.#balance.clear()
    this.#reports.clear()
    this.#lostInSync.clear()
    this.#work.clear()
  }

  /** After each applied entry: `image` is the one after it, `delta` what it changed. */
  applied(nowMs: number, image: MetadataImage, delta: MetadataDelta): void {
    if (!this.#runs(nowMs)) return
    assert(image.offset >= this.#work.image.offset, "the image never goes back")
    this.#work.image = image
    for (const topic of delta.topicsDeleted) this.#forget(topic.topicId)
    for (const topic of delta.topicsCreated) this.#track(topic, 0)
    for (const { topic, from } of delta.partitionsAdded) this.#track(topic, from)
    for (const { topic, partition } of delta.partitionsChanged) this.#update(topic, partition)
    for (const topic of delta.topicConfigsChanged) this.#look(this.#work.partitions.ofTopic(topic.topicId))
    if (delta.brokersChanged) this.#brokersChanged(nowMs)
    this.#reports.followed()
  }

  #track(topic: TopicImage, from: number): void {
    this.#look(this.#work.partitions.add(topic, from))
  }

  #update(topic: TopicImage, partition: number): void {
    const tracked = this.#work.partitions.get(topic.topicId, partition)
    assert(tracked !== undefined, "what has changed is tracked since it was created")
    if (this.#work.partitions.update(tracked, topic.partitions[partition]!)) this.#balance.epochMoved(tracked)
    this.#work.dirty.add(tracked)
  }

  #forget(topicId: string): void {
    for (const tracked of this.#work.partitions.remove(topicId)) {
      this.#elections.forget(tracked)
      this.#reassignment.forget(tracked)
      this.#balance.forget(tracked)
      this.#lostInSync.delete(tracked)
      this.#work.dirty.delete(tracked)
    }
  }

  #look(partitions: Iterable<Tracked>): void {
    for (const tracked of partitions) this.#work.dirty.add(tracked)
  }

  #brokersChanged(nowMs: number): void {
    const moved = this.#liveness.follow(nowMs)
    if (moved.size === 0) return
    for (const tracked of this.#work.partitions.all()) {
      if (tracked.image.replicas.some((node) => moved.has(node))) this.#work.dirty.add(tracked)
    }
  }

  // --- nodes

  heartbeat(nowMs: number, heartbeat: NodeHeartbeat): HeartbeatAnswer {
    if (!this.#runs(nowMs)) return { _tag: "Refused", reason: "not-controller" }
    const refusal = this.#liveness.heartbeat(nowMs, heartbeat)
    if (refusal !== undefined) return refusal
    this.#reports.heard(heartbeat)
    const { fenced } = this.#work.image.brokers.get(heartbeat.nodeId)!
    if (heartbeat.wantsToStop && !fenced && !this.#balance.canMove(heartbeat.nodeId)) {
      this.#liveness.release(heartbeat.nodeId)
    }
    return { _tag: "Accepted", fenced, mayStop: heartbeat.wantsToStop && fenced }
  }

  /** A hint: the connection to a node broke, so what is left of its session is short. */
  disconnected(nowMs: number, nodeId: number): void {
    if (this.#runs(nowMs)) this.#liveness.disconnected(nowMs, nodeId)
  }

  promiseAnswered(nowMs: number, nodeId: number, answers: ReadonlyArray<PromiseAnswer>): void {
    if (!this.#runs(nowMs)) return
    for (const answer of answers) this.#elections.answered(nodeId, answer)
  }

  /** The fate of a command of `ready()`. A ticket of an earlier activation concerns nobody. */
  commandEnded(nowMs: number, ticket: number, result: CommandResult | "lost"): void {
    const purpose = this.#work.ended(ticket)
    if (purpose === undefined || !this.#runs(nowMs)) return
    if (purpose._tag === "Node") {
      this.#liveness.commandEnded(nowMs, purpose.nodeId, result === "lost")
      return
    }
    const failed = failedOf(result)
    for (const tracked of purpose.of) {
      const failure = failed(tracked)
      if (purpose._tag === "Elections") this.#elections.commandEnded(tracked, failure)
      else if (purpose._tag === "Changes") this.#reassignment.commandEnded(tracked, failure)
      else this.#inSyncEnded(tracked, failure, result === "lost")
    }
  }

  /** A refused set was stale (rule 30); a lost one is decided again from the report that is kept. */
  #inSyncEnded(tracked: Tracked, failure: boolean, lost: boolean): void {
    if (tracked.deleted) return
    if (lost) return this.#lostInSync.add(this.#work.nowMs, tracked)
    tracked.reporting = false
    if (failure) tracked.inSync = undefined
    this.#work.dirty.add(tracked)
  }

  // --- operators

  /** Moves the partition's replicas to `target`, in order of preference; replaces a reassignment that is under way. */
  reassign(nowMs: number, topicId: string, partition: number, target: ReadonlyArray<number>): OperatorAnswer {
    const tracked = this.#operated(nowMs, topicId, partition)
    if ("_tag" in tracked) return tracked
    if (target.length === 0 || new Set(target).size !== target.length) {
      return refused(ErrorCode.INVALID_REPLICA_ASSIGNMENT, "A replica set is a list of distinct brokers, at least one.")
    }
    const unknown = target.find((node) => !this.#work.image.brokers.has(node))
    if (unknown !== undefined) {
      return refused(ErrorCode.INVALID_REPLICA_ASSIGNMENT, `There is no broker ${unknown}.`)
    }
    return this.#intend(tracked, { _tag: "Reassign", target })
  }

  /** Stops where it is: replicas that are counted stay, as many as were wanted. */
  cancelReassignment(nowMs: number, topicId: string, partition: number): OperatorAnswer {
    const tracked = this.#operated(nowMs, topicId, partition)
    if ("_tag" in tracked) return tracked
    if (tracked.image.target.length === 0 && tracked.intent === undefined) {
      return refused(ErrorCode.NO_REASSIGNMENT_IN_PROGRESS, "No reassignment of this partition is under way.")
    }
    return this.#intend(tracked, { _tag: "Cancel" })
  }

  electPreferred(nowMs: number, topicId: string, partition: number): OperatorAnswer {
    const tracked = this.#operated(nowMs, topicId, partition)
    if ("_tag" in tracked) return tracked
    if (tracked.image.leader === tracked.image.replicas[0]) {
      return refused(ErrorCode.ELECTION_NOT_NEEDED, "The preferred replica is the leader.")
    }
    if (this.#elections.leaderIsLost(tracked) || !this.#balance.wantPreferred(tracked)) {
      return refused(ErrorCode.PREFERRED_LEADER_NOT_AVAILABLE, "The preferred replica cannot take over now.")
    }
    return STARTED
  }

  /** Moves all leaderships off a node, until it registers anew. */
  drain(nowMs: number, nodeId: number): OperatorAnswer {
    if (!this.#runs(nowMs)) return refused(ErrorCode.NOT_CONTROLLER, "This node is not the controller.")
    if (!this.#work.image.brokers.has(nodeId)) {
      return refused(ErrorCode.BROKER_ID_NOT_REGISTERED, `Node ${nodeId} is not registered.`)
    }
    this.#liveness.drain(nodeId)
    return STARTED
  }

  #operated(nowMs: number, topicId: string, partition: number): Tracked | OperatorAnswer {
    if (!this.#runs(nowMs)) return refused(ErrorCode.NOT_CONTROLLER, "This node is not the controller.")
    const tracked = this.#work.partitions.get(topicId, partition)
    return tracked ?? refused(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, "There is no such partition.")
  }

  #intend(tracked: Tracked, intent: Intent): OperatorAnswer {
    tracked.intent = intent
    this.#work.dirty.add(tracked)
    return STARTED
  }

  // --- time and output

  /** Nothing happens before `nextDeadline()`. */
  tick(nowMs: number): void {
    if (!this.#runs(nowMs) || nowMs < this.nextDeadline()) return
    this.#liveness.expire(nowMs)
    this.#elections.tick(nowMs)
    this.#reassignment.tick(nowMs)
    this.#balance.tick(nowMs)
    for (const tracked of this.#lostInSync.take(nowMs)) {
      tracked.reporting = false
      this.#work.dirty.add(tracked)
    }
  }

  /** Infinity while nothing waits. As of the last `ready()`. */
  nextDeadline(): number {
    if (!this.#active) return Number.POSITIVE_INFINITY
    return Math.min(
      this.#liveness.nextDeadline(),
      this.#elections.nextDeadline(),
      this.#reassignment.nextDeadline(),
      this.#balance.nextDeadline(),
      this.#lostInSync.deadline
    )
  }

  /** What the inputs since the last call lead to: all partitions in as few commands and requests as there can be. */
  ready(): ControllerReady | undefined {
    if (!this.#active) return undefined
    for (const tracked of this.#work.dirty) {
      // A set visits what is added while it is walked: a slot that frees in here is taken in the same turn.
      this.#work.dirty.delete(tracked)
      this.#review(tracked)
    }
    this.#elections.endTurn()
    return this.#work.take()
  }

  #review(tracked: Tracked): void {
    assert(!tracked.deleted, "a deleted partition is forgotten at once")
    this.#elections.review(tracked)
    const healthy = tracked.election === undefined && !this.#elections.leaderIsLost(tracked)
    this.#reassignment.review(tracked, healthy)
    this.#balance.review(tracked, healthy)
    if (healthy) reviewInSync(this.#work, tracked)
  }

  #runs(nowMs: number): boolean {
    if (!this.#active) return false
    this.#liveness.woke(nowMs)
    this.#work.nowMs = nowMs
    return true
  }
}

const byId = (a: TopicImage, b: TopicImage): number => (a.topicId < b.topicId ? -1 : 1)

const failedOf = (result: CommandResult | "lost"): ((tracked: Tracked) => boolean) => {
  if (result === "lost") return () => true
  assert(result._tag === "PartitionsChanged", `changes of partitions end as such, not as ${result._tag}`)
  if (result.refused.length === 0) return () => false
  const refusedKeys = new Set(result.refused.map(([topicId, partition]) => `${topicId}/${partition}`))
  return (tracked) => refusedKeys.has(`${tracked.topicId}/${tracked.partition}`)
}
