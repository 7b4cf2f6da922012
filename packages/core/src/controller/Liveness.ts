/**
 * Which nodes are alive: one session a node, renewed by heartbeats, and a fence when it ends.
 *
 * | rule | here |
 * |---|---|
 * | 16 a full session for everybody after activation; own pauses do not count | `follow`, `woke` |
 * | 18, 20 the newest incarnation on its own directory is the node | `heartbeat` |
 *
 * It elects nobody: a committed fence or registration makes the partitions of that node dirty, and the elections see it.
 */
import type { BrokerImage } from "../metadata/MetadataImage.ts"
import type { HeartbeatAnswer, NodeHeartbeat } from "./Messages.ts"
import type { Work } from "./Work.ts"

interface Session {
  /** As the image had it when it was last looked at. */
  broker: BrokerImage
  deadlineMs: number
  /** The node asks to be let go. */
  stopping: boolean
  /** An operator wants it to lead nothing. */
  drained: boolean
  /** A fence or its removal is under way. */
  commanded: boolean
}

export class Liveness {
  readonly #work: Work
  readonly #sessions = new Map<number, Session>()
  #lastRunMs = 0

  constructor(work: Work) {
    this.#work = work
  }

  activate(nowMs: number): void {
    this.#sessions.clear()
    this.#lastRunMs = nowMs
  }

  /**
   * Follows the brokers of the image and answers those that are not what they were. Whoever is seen for the first time has a
   * full session, whenever it was last heard of (rule 16).
   */
  follow(nowMs: number): ReadonlySet<number> {
    const { brokers } = this.#work.image
    const moved = new Set<number>()
    for (const nodeId of this.#sessions.keys()) {
      if (brokers.has(nodeId)) continue
      this.#sessions.delete(nodeId)
      moved.add(nodeId)
    }
    for (const broker of brokers.values()) {
      const session = this.#sessions.get(broker.nodeId)
      if (session?.broker === broker) continue
      moved.add(broker.nodeId)
      const fresh = session === undefined || session.broker.incarnation !== broker.incarnation
      if (fresh) this.#sessions.set(broker.nodeId, this.#begin(nowMs, broker))
      else {
        if (session.broker.fenced && !broker.fenced) session.deadlineMs = nowMs + this.#work.options.sessionMs
        session.broker = broker
      }
    }
    return moved
  }

  #begin(nowMs: number, broker: BrokerImage): Session {
    const deadlineMs = nowMs + this.#work.options.sessionMs
    return { broker, deadlineMs, stopping: false, drained: false, commanded: false }
  }

  /** Undefined: accepted, the session is renewed. */
  heartbeat(nowMs: number, heartbeat: NodeHeartbeat): Extract<HeartbeatAnswer, { _tag: "Refused" }> | undefined {
    const session = this.#sessions.get(heartbeat.nodeId)
    if (session === undefined) return { _tag: "Refused", reason: "not-registered" }
    const { broker } = session
    // Rule 20: the newer incarnation has won, the older process exits on this answer.
    if (heartbeat.incarnation < broker.incarnation) return { _tag: "Refused", reason: "newer-incarnation" }
    // Also the same incarnation from another directory: its registration is what tells it that it must not be here.
    if (heartbeat.incarnation !== broker.incarnation || heartbeat.directoryId !== broker.directoryId) {
      return { _tag: "Refused", reason: "not-registered" }
    }
    session.deadlineMs = nowMs + this.#work.options.sessionMs
    const stoppingBefore = session.stopping
    session.stopping = heartbeat.wantsToStop
    if (stoppingBefore !== session.stopping) this.#drainChanged(heartbeat.nodeId)
    const current = heartbeat.appliedOffset >= broker.registeredAt
    if (broker.fenced && !session.stopping && current) this.#fence(session, false)
    return undefined
  }

  disconnected(nowMs: number, nodeId: number): void {
    const session = this.#sessions.get(nodeId)
    if (session === undefined) return
    session.deadlineMs = Math.min(session.deadlineMs, nowMs + this.#work.options.disconnectedMs)
  }

  isDraining(nodeId: number): boolean {
    const session = this.#sessions.get(nodeId)
    return session !== undefined && (session.stopping || session.drained)
  }

  drain(nodeId: number): void {
    const session = this.#sessions.get(nodeId)
    if (session === undefined || session.drained) return
    session.drained = true
    this.#drainChanged(nodeId)
  }

  /** Nobody else can take what a stopping node still leads: it is fenced, so that no leadership comes to it meanwhile. */
  release(nodeId: number): void {
    const session = this.#sessions.get(nodeId)
    if (session?.stopping === true && !session.broker.fenced) this.#fence(session, true)
  }

  commandEnded(nowMs: number, nodeId: number, lost: boolean): void {
    const session = this.#sessions.get(nodeId)
    if (session === undefined) return
    session.commanded = false
    // A fence that was lost is tried again by the session's own deadline, the rest by the next heartbeat.
    if (lost) session.deadlineMs = Math.max(session.deadlineMs, nowMs + this.#work.options.retryMs)
  }

  /**
   * Called before each input is handled. A deadline that is overdue by more than a heartbeat says that this controller was
   * itself paused: the time since it last ran counts against nobody (rule 16), since the heartbeats of that time may still
   * wait in its sockets.
   */
  woke(nowMs: number): void {
    const pausedMs = nowMs - this.#lastRunMs
    if (nowMs - this.nextDeadline() > this.#work.options.heartbeatMs) {
      for (const session of this.#sessions.values()) session.deadlineMs += pausedMs
    }
    this.#lastRunMs = nowMs
  }

  expire(nowMs: number): void {
    for (const session of this.#sessions.values()) {
      if (this.#expects(session) && session.deadlineMs <= nowMs) this.#fence(session, true)
    }
  }

  nextDeadline(): number {
    let next = Number.POSITIVE_INFINITY
    for (const session of this.#sessions.values()) {
      if (this.#expects(session)) next = Math.min(next, session.deadlineMs)
    }
    return next
  }

  #expects(session: Session): boolean {
    return !session.broker.fenced && !session.commanded
  }

  #fence(session: Session, fenced: boolean): void {
    if (session.commanded) return
    session.commanded = true
    const { nodeId, incarnation } = session.broker
    this.#work.proposeForNode(nodeId, { _tag: "FenceNode", nodeId, incarnation, fenced })
  }

  #drainChanged(nodeId: number): void {
    for (const tracked of this.#work.partitions.ledBy(nodeId)) this.#work.dirty.add(tracked)
  }
}
