/**
 * The controller of a simulated node, at work only while its Raft machine leads, and the node's own side of it: heartbeats,
 * answers to promises, hand-overs. It decides nothing.
 */
import { Controller } from "../../../packages/core/src/controller/Controller.ts"
import type { ControllerOptions } from "../../../packages/core/src/controller/ControllerOptions.ts"
import type {
  HeartbeatAnswer,
  NodeHeartbeat,
  PromiseAnswer,
  PromiseRequest
} from "../../../packages/core/src/controller/Messages.ts"
import type { MetadataDelta } from "../../../packages/core/src/metadata/MetadataDelta.ts"
import type { MetadataImage } from "../../../packages/core/src/metadata/MetadataImage.ts"
import { errorName } from "../../../packages/core/src/model/ErrorCode.ts"
import type { Raft } from "../../../packages/core/src/raft/Raft.ts"
import type { ErrorName, OperatorOrder } from "../workload/ClientPort.ts"
import type { Host } from "./Host.ts"
import type { MetadataDriver } from "./MetadataDriver.ts"
import type { ReplicaDriver } from "./ReplicaDriver.ts"

export type ControlMessage =
  | { readonly _tag: "Heartbeat"; readonly heartbeat: NodeHeartbeat }
  | { readonly _tag: "HeartbeatAnswer"; readonly answer: HeartbeatAnswer; readonly incarnation: number }
  | { readonly _tag: "Promise"; readonly request: PromiseRequest }
  | { readonly _tag: "Promised"; readonly answers: ReadonlyArray<PromiseAnswer> }
  | {
      readonly _tag: "HandOver"
      readonly topicId: string
      readonly partition: number
      readonly epoch: number
      readonly target: number
    }
  | { readonly _tag: "Order"; readonly id: number; readonly order: OperatorOrder }
  | { readonly _tag: "OrderAnswer"; readonly id: number; readonly error: ErrorName }

interface WaitingPromise {
  readonly from: number
  readonly request: PromiseRequest
  readonly expiresMs: number
}

const WAITING_MAX = 64

export class ControllerDriver {
  readonly controller: Controller
  readonly #host: Host
  readonly #raft: Raft
  readonly #metadata: MetadataDriver
  readonly #replicas: ReplicaDriver
  #nextHeartbeatMs = 0
  #heardMs: number
  #registering = false
  #waiting: Array<WaitingPromise> = []
  #answers = new Map<number, Array<PromiseAnswer>>()
  readonly #orders = new Map<number, (error: ErrorName) => void>()
  #nextOrder: number
  /** Another process has this node's id, or its disk is an old copy: it must end (rule 20). */
  refused = false

  constructor(host: Host, options: ControllerOptions, raft: Raft, metadata: MetadataDriver, replicas: ReplicaDriver) {
    this.#host = host
    this.#raft = raft
    this.#metadata = metadata
    this.#replicas = replicas
    this.controller = new Controller(options, host.random.fork())
    this.#heardMs = host.nowMs() - host.settings.sessionMs * 2
    this.#nextHeartbeatMs = host.nowMs()
    this.#nextOrder = host.firstId
  }

  /** Rule 25: out of reach of the controller for a session, a node takes no produce. */
  get lostController(): boolean {
    return this.#host.nowMs() - this.#heardMs > this.#host.settings.sessionMs
  }

  /** The entry that opens the term is applied: everything before it is, too. */
  termOpened(image: MetadataImage): void {
    this.#host.cover("controller activated")
    this.controller.activate(this.#host.nowMs(), image)
  }

  applied(image: MetadataImage, delta: MetadataDelta): void {
    if (this.controller.active) this.controller.applied(this.#host.nowMs(), image, delta)
    if (this.#waiting.length === 0) return
    const ready = this.#waiting.filter(({ request }) => request.metadataOffset <= image.offset)
    this.#waiting = this.#waiting.filter(({ request }) => request.metadataOffset > image.offset)
    for (const { from, request } of ready) this.#promise(from, request)
  }

  pump(): boolean {
    if (this.controller.active && this.#raft.role !== "leader") this.controller.deactivate()
    let any = false
    for (let ready = this.controller.ready(); ready !== undefined; ready = this.controller.ready()) {
      any = true
      for (const { ticket, command } of ready.commands) {
        this.#host.cover(`controller ${command._tag}`)
        this.#metadata.proposeHere(command, (error, result) =>
          this.controller.commandEnded(
            this.#host.nowMs(),
            ticket,
            error === "NONE" && result !== undefined ? result : "lost"
          )
        )
      }
      for (const request of ready.promises) this.#tell(request.nodeId, { _tag: "Promise", request })
      for (const { nodeId, topicId, partition, epoch, target } of ready.handOvers) {
        this.#tell(nodeId, { _tag: "HandOver", topicId, partition, epoch, target })
      }
    }
    for (const [to, answers] of this.#answers) this.#tell(to, { _tag: "Promised", answers })
    any ||= this.#answers.size > 0
    this.#answers.clear()
    if (this.#replicas.news) {
      this.#nextHeartbeatMs = this.#host.nowMs()
      any ||= this.#beat()
    }
    return any
  }

  #tell(to: number, message: ControlMessage): void {
    this.#host.send(to, "control", message, 200)
  }

  receive(from: number, message: ControlMessage): void {
    const nowMs = this.#host.nowMs()
    switch (message._tag) {
      case "Heartbeat": {
        const answer: HeartbeatAnswer = this.controller.active
          ? this.controller.heartbeat(nowMs, message.heartbeat)
          : { _tag: "Refused", reason: "not-controller" }
        return this.#tell(from, { _tag: "HeartbeatAnswer", answer, incarnation: message.heartbeat.incarnation })
      }
      case "HeartbeatAnswer":
        return this.#answered(message.answer, message.incarnation)
      case "Promise":
        return this.#asked(from, message.request)
      case "Promised":
        if (this.controller.active) this.controller.promiseAnswered(nowMs, from, message.answers)
        return
      case "HandOver":
        return this.#replicas.handOver(message.topicId, message.partition, message.epoch, message.target)
      case "Order":
        return this.orderHere(message.order, (error) =>
          this.#tell(from, { _tag: "OrderAnswer", id: message.id, error })
        )
      case "OrderAnswer": {
        const answer = this.#orders.get(message.id)
        this.#orders.delete(message.id)
        return answer?.(message.error)
      }
    }
  }

  #answered(answer: HeartbeatAnswer, incarnation: number): void {
    if (incarnation !== this.#host.incarnation) return
    if (answer._tag === "Accepted") this.#heardMs = this.#host.nowMs()
    else if (answer.reason === "newer-incarnation") this.refused = true
  }

  // --- promises

  /** Rule 11: answered only once everything that the controller had applied is applied here, or not at all. */
  #asked(from: number, request: PromiseRequest): void {
    if (request.metadataOffset <= this.#metadata.image.offset) return this.#promise(from, request)
    this.#host.cover("promise waits for metadata")
    const expiresMs = this.#host.nowMs() + this.#host.settings.promiseWaitMs
    if (this.#waiting.length < WAITING_MAX) this.#waiting.push({ from, request, expiresMs })
  }

  #promise(from: number, { partitions }: PromiseRequest): void {
    for (const { topicId, partition, epoch } of partitions) {
      const reply = (answer: PromiseAnswer["answer"]) =>
        this.#answer(from, { topicId, partition, epoch, directoryId: this.#host.directoryId, answer })
      if (!this.#replicas.promise(topicId, partition, epoch, reply)) reply({ _tag: "NotHosted" })
    }
  }

  #answer(to: number, answer: PromiseAnswer): void {
    const answers = this.#answers.get(to) ?? []
    answers.push(answer)
    this.#answers.set(to, answers)
  }

  #expire(nowMs: number): void {
    for (const { from, request } of this.#waiting.filter(({ expiresMs }) => expiresMs <= nowMs)) {
      for (const { topicId, partition, epoch } of request.partitions) {
        this.#answer(from, {
          topicId,
          partition,
          epoch,
          directoryId: this.#host.directoryId,
          answer: { _tag: "NotYet" }
        })
      }
    }
    this.#waiting = this.#waiting.filter(({ expiresMs }) => expiresMs > nowMs)
  }

  // --- heartbeats

  /** True when something was sent. */
  #beat(): boolean {
    const { node, incarnation, directoryId, nowMs, settings } = this.#host
    this.#nextHeartbeatMs = nowMs() + settings.heartbeatMs
    const broker = this.#metadata.image.brokers.get(node)
    if (broker?.incarnation !== incarnation || broker.directoryId !== directoryId) {
      this.#replicas.news = false
      return this.#register()
    }
    const controller = this.#raft.leader
    const partitions = this.#replicas.reports()
    if (controller === undefined) return false
    this.#tell(controller.node, {
      _tag: "Heartbeat",
      heartbeat: {
        nodeId: node,
        directoryId,
        incarnation,
        appliedOffset: this.#metadata.image.offset,
        wantsToStop: false,
        partitions
      }
    })
    return true
  }

  #register(): boolean {
    if (this.#registering || this.#raft.leader === undefined) return false
    this.#registering = true
    const { node, incarnation, directoryId } = this.#host
    const command = { _tag: "RegisterNode", nodeId: node, incarnation, directoryId, endpoints: [], rack: null } as const
    this.#metadata.propose(command, (error, result) => {
      this.#registering = false
      if (error === "NONE" && result?._tag === "Rejected") this.refused = true
    })
    return true
  }

  // --- operators

  order(order: OperatorOrder, answer: (error: ErrorName) => void): void {
    if (this.#raft.role === "leader") return this.orderHere(order, answer)
    if (this.#raft.leader === undefined) return answer("NOT_CONTROLLER")
    const id = this.#nextOrder++
    this.#orders.set(id, answer)
    this.#tell(this.#raft.leader.node, { _tag: "Order", id, order })
  }

  orderHere(order: OperatorOrder, answer: (error: ErrorName) => void): void {
    const nowMs = this.#host.nowMs()
    this.#host.cover(`operator ${order._tag}`)
    switch (order._tag) {
      case "AddLearner":
      case "PromoteLearner":
      case "RemoveMember": {
        const ticket = this.#metadata.ticket((error) => answer(error))
        const outcome = this.#raft.changeMembership(nowMs, ticket, { _tag: order._tag, member: order.member })
        if (outcome !== "proposed")
          this.#metadata.refused(ticket, outcome === "not-leader" ? "NOT_CONTROLLER" : "INVALID_REQUEST")
        return
      }
      case "TransferLeadership":
        return answer(this.#raft.transferLeadership(nowMs, order.member) === "started" ? "NONE" : "INVALID_REQUEST")
      default:
        if (!this.controller.active) return answer("NOT_CONTROLLER")
        return answer(this.#controllerOrder(nowMs, order))
    }
  }

  #controllerOrder(nowMs: number, order: Extract<OperatorOrder, { readonly topicId: string }>): ErrorName {
    const { controller } = this
    const outcome =
      order._tag === "Reassign"
        ? controller.reassign(nowMs, order.topicId, order.partition, order.target)
        : order._tag === "ElectPreferred"
          ? controller.electPreferred(nowMs, order.topicId, order.partition)
          : controller.cancelReassignment(nowMs, order.topicId, order.partition)
    return outcome._tag === "Started" ? "NONE" : (errorName(outcome.errorCode) as ErrorName)
  }

  // --- time

  disconnected(peer: number): void {
    if (this.controller.active) this.controller.disconnected(this.#host.nowMs(), peer)
  }

  tick(): void {
    const nowMs = this.#host.nowMs()
    if (this.controller.active && this.controller.nextDeadline() <= nowMs) this.controller.tick(nowMs)
    this.#expire(nowMs)
    if (nowMs >= this.#nextHeartbeatMs) {
      // A registration on its way through a controller that died is given up, and made again.
      this.#registering = false
      this.#beat()
    }
  }

  nextDeadline(): number {
    const waiting = this.#waiting.reduce((next, { expiresMs }) => Math.min(next, expiresMs), Number.POSITIVE_INFINITY)
    return Math.min(
      this.controller.active ? this.controller.nextDeadline() : Number.POSITIVE_INFINITY,
      this.#nextHeartbeatMs,
      waiting
    )
  }
}
