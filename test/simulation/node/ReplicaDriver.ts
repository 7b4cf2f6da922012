/**
 * The shell around the replicas of one simulated node: places their writes in the log and on disk, sends what they send,
 * completes waiters, and turns the metadata image into assignments. It decides nothing about replication.
 */
import { assert } from "../../../packages/core/src/base/Assert.ts"
import type { PartitionReport, Report } from "../../../packages/core/src/controller/Messages.ts"
import type { MetadataDelta } from "../../../packages/core/src/metadata/MetadataDelta.ts"
import type { MetadataImage, PartitionImage, TopicImage } from "../../../packages/core/src/metadata/MetadataImage.ts"
import { ErrorCode } from "../../../packages/core/src/model/ErrorCode.ts"
import type { ReplicaOptions } from "../../../packages/core/src/replication/Assignment.ts"
import type { ReplicaId, ReplicaMessage } from "../../../packages/core/src/replication/Frame.ts"
import type { Outbox, ReplicaEvent, ReplicaWrite } from "../../../packages/core/src/replication/Output.ts"
import type { Point } from "../../../packages/core/src/replication/Point.ts"
import { Replica } from "../../../packages/core/src/replication/Replica.ts"
import type { LoggedBatch, SimBatch } from "../World.ts"
import { DurablePartition, type DurableState, partitionKey } from "./DurableState.ts"
import type { Host } from "./Host.ts"
import { HostedReplica, type ProduceAnswer } from "./HostedReplica.ts"
import { assignmentOf } from "./ReplicaAssignment.ts"
import { reportsOf } from "./ReplicaReports.ts"

type PromiseReply = (
  answer:
    | { readonly _tag: "Position"; readonly position: Point }
    | { readonly _tag: "Refused"; readonly promised: number }
) => void

const MESSAGE_BYTES = 96

export class ReplicaDriver implements Outbox<SimBatch> {
  readonly hosted = new Map<string, HostedReplica>()
  readonly #host: Host
  readonly #options: ReplicaOptions
  readonly #found: DurableState
  /** Promises outlive the replica object (rule 11). */
  readonly #promised = new Map<string, number>()
  /** Metadata offsets at which logs of this process began or ended, where that is not what the disk said at the start. */
  readonly #since = new Map<string, number>()
  /** Dropped in this process: what the disk held at the start is no longer theirs. */
  readonly #dropped = new Set<string>()
  #events: Array<readonly [Replica<SimBatch>, ReplicaEvent, epoch: number]> = []
  readonly #sendable = new Map<number, Set<HostedReplica>>()
  readonly #promises = new Map<string, Array<{ readonly epoch: number; readonly reply: PromiseReply }>>()
  #image: MetadataImage
  /** Reports that should reach the controller before the next heartbeat is due. */
  news = false

  constructor(host: Host, options: ReplicaOptions, found: DurableState, image: MetadataImage) {
    this.#host = host
    this.#options = options
    this.#found = found
    this.#image = image
    this.restored(image)
  }

  // --- what the metadata says

  applied(image: MetadataImage, delta: MetadataDelta): void {
    this.#image = image
    for (const topic of delta.topicsDeleted) for (const p of topic.partitions) this.#drop(topic.topicId, p.partition)
    for (const topic of delta.topicsCreated) for (const p of topic.partitions) this.#place(topic, p, false)
    for (const { topic, from } of delta.partitionsAdded) {
      for (const p of topic.partitions.slice(from)) this.#place(topic, p, false)
    }
    for (const { topic, partition } of delta.partitionsChanged) this.#place(topic, topic.partitions[partition]!, true)
    for (const topic of delta.topicConfigsChanged) for (const p of topic.partitions) this.#assign(topic, p)
    // A registration decides who may lead (rule 19), and where learners live.
    if (delta.brokersChanged)
      for (const topic of image.topics()) for (const p of topic.partitions) this.#place(topic, p, true)
  }

  /** The image is another one altogether: the start, or a snapshot from the leader. */
  restored(image: MetadataImage): void {
    this.#image = image
    for (const { replica } of [...this.hosted.values()]) {
      if (image.topicById(replica.topicId) === undefined) this.#drop(replica.topicId, replica.partition)
    }
    for (const topic of image.topics()) for (const p of topic.partitions) this.#place(topic, p, true)
  }

  #place(topic: TopicImage, partition: PartitionImage, mayExist: boolean): void {
    const mine = partition.replicas.findIndex(
      (node, i) => node === this.#host.node && partition.directories[i] === this.#host.directoryId
    )
    const key = partitionKey(topic.topicId, partition.partition)
    if (mine < 0) return this.#drop(topic.topicId, partition.partition)
    if (!this.hosted.has(key)) {
      // A log that began or ended later than this (replayed) entry knows of: not this entry's to touch.
      if (this.#sinceOf(key) > this.#image.offset) return
      if (mayExist && partition.adding.includes(this.#host.node)) {
        this.#since.set(key, this.#image.offset)
        this.#host.write(
          { _tag: "Hosted", topicId: topic.topicId, partition: partition.partition, at: this.#image.offset },
          undefined
        )
      }
      this.#open(topic.topicId, partition.partition)
    }
    this.#assign(topic, partition)
  }

  #sinceOf(key: string): number {
    return this.#since.get(key) ?? this.#found.partitions.get(key)?.since ?? 0
  }

  #open(topicId: string, partition: number): void {
    const key = partitionKey(topicId, partition)
    const durable = (this.#dropped.has(key) ? undefined : this.#found.partitions.get(key)) ?? new DurablePartition()
    const recovered = durable.recovered()
    const promised = Math.max(recovered.promised, this.#promised.get(key) ?? 0)
    const log = durable.log()
    const self: ReplicaId = { node: this.#host.node, directoryId: this.#host.directoryId }
    const replica = new Replica<SimBatch>(self, topicId, partition, { ...recovered, promised }, this.#options, this)
    this.hosted.set(key, new HostedReplica(replica, log))
    this.#host.trace(() => `hosts ${key} to (${replica.position.epoch}, ${replica.position.offset})`)
  }

  #drop(topicId: string, partition: number): void {
    const key = partitionKey(topicId, partition)
    const hosted = this.hosted.get(key)
    if (hosted === undefined) return
    // Replayed after a restart: this removal was undone before the log that is here began.
    if (this.#sinceOf(key) > this.#image.offset) return
    this.hosted.delete(key)
    this.#promised.set(key, hosted.replica.promised)
    hosted.leftEpoch()
    for (const peers of this.#sendable.values()) peers.delete(hosted)
    this.#dropped.add(key)
    this.#since.set(key, this.#image.offset)
    this.#host.write({ _tag: "Dropped", topicId, partition, at: this.#image.offset }, undefined)
    this.#host.cover("replica dropped")
  }

  #assign(topic: TopicImage, partition: PartitionImage): void {
    const hosted = this.hosted.get(partitionKey(topic.topicId, partition.partition))
    hosted?.replica.assign(this.#host.nowMs(), assignmentOf(this.#image, topic, partition, this.#host))
  }

  // --- outputs of the machines

  write(replica: Replica<SimBatch>, sequence: number, write: ReplicaWrite<SimBatch>): void {
    const { topicId, partition } = replica
    const hosted = this.hosted.get(partitionKey(topicId, partition))
    assert(hosted?.replica === replica, "only a hosted replica writes")
    const cuts = write._tag === "Truncate" || write._tag === "Reset"
    // A checker compares a cut with what is there before it, and everything else with what is there after it.
    if (cuts) this.#keep(hosted, write)
    this.#host.write({ _tag: "Replica", topicId, partition, write }, () => this.#durable(hosted, sequence))
    if (!cuts) this.#keep(hosted, write)
  }

  #durable(hosted: HostedReplica, sequence: number): void {
    const key = partitionKey(hosted.replica.topicId, hosted.replica.partition)
    if (this.hosted.get(key) === hosted) hosted.replica.durable(this.#host.nowMs(), sequence)
  }

  #keep(hosted: HostedReplica, write: ReplicaWrite<SimBatch>): void {
    const { log } = hosted
    const at = this.#at(hosted.replica)
    switch (write._tag) {
      case "Marker":
        this.#host.observe({ _tag: "MarkerAppended", ...at, ...write.marker })
        return
      case "Bulk":
        this.#host.cover("bulk")
        for (const marker of write.markers) this.#host.observe({ _tag: "MarkerAppended", ...at, ...marker })
        return this.#append(hosted, write.batches, false)
      case "Batches":
        return this.#append(hosted, write.batches, false)
      case "Truncate": {
        const unclean = write.to.offset < hosted.highWatermark
        this.#host.cover(unclean ? "unclean truncation" : "truncation")
        this.#host.trace(() => `truncates ${at.partition} to (${write.to.epoch}, ${write.to.offset})`)
        if (write.to.offset < log.endOffset) log.truncateTo(write.to.offset)
        this.#host.observe({ _tag: "Truncated", ...at, to: write.to, unclean })
        return
      }
      case "Reset":
        this.#host.cover("reset")
        log.reset(write.to, write.state)
        this.#host.observe({ _tag: "Reset", ...at, to: write.to })
        return
      case "Promise":
        this.#host.cover("promise written")
        return
      case "HighWatermark":
        return
    }
  }

  #append(
    hosted: HostedReplica,
    batches: ReadonlyArray<{
      readonly epoch: number
      readonly baseOffset: number
      readonly endOffset: number
      readonly data: SimBatch
    }>,
    byLeader: boolean
  ): void {
    for (const { epoch, baseOffset, endOffset, data } of batches) {
      hosted.log.append(baseOffset, endOffset, epoch, data)
      this.#host.observe({
        _tag: "Appended",
        ...this.#at(hosted.replica),
        epoch,
        baseOffset,
        endOffset,
        hash: data.hash,
        byLeader
      })
    }
  }

  send(_replica: Replica<SimBatch>, message: ReplicaMessage<SimBatch>): void {
    this.#host.cover(`replica ${message._tag}`)
    const bytes =
      message._tag === "Frame"
        ? message.batches.reduce((sum, batch) => sum + batch.data.bytes, MESSAGE_BYTES)
        : MESSAGE_BYTES
    this.#host.send(message.to.node, "replica", message, bytes)
  }

  event(replica: Replica<SimBatch>, event: ReplicaEvent): void {
    this.#events.push([replica, event, replica.epoch])
  }

  /** Handles the events and sends what can be sent. True when there was something. */
  pump(): boolean {
    let any = false
    while (this.#events.length > 0 || this.#sendable.size > 0) {
      any = true
      this.handleEvents()
      this.#sendAll()
    }
    return any
  }

  /** In their order; also after each metadata entry, so that what is observed stands beside the image that it came from. */
  handleEvents(): void {
    while (this.#events.length > 0) {
      const events = this.#events
      this.#events = []
      for (const [replica, event, epoch] of events) {
        const hosted = this.hosted.get(partitionKey(replica.topicId, replica.partition))
        if (hosted?.replica === replica) this.#handle(hosted, event, epoch)
      }
    }
  }

  #handle(hosted: HostedReplica, event: ReplicaEvent, epoch: number): void {
    const { replica } = hosted
    const at = this.#at(replica)
    switch (event._tag) {
      case "HighWatermark": {
        const role = hosted.leads === undefined ? "follower" : "leader"
        this.#host.observe({
          _tag: "HighWatermark",
          ...at,
          offset: event.offset,
          role,
          epoch: hosted.leads ?? epoch
        })
        return hosted.committed(event.offset)
      }
      case "LeftEpoch":
        hosted.leads = undefined
        hosted.leftEpoch()
        this.#host.observe({ _tag: "LeftEpoch", ...at, epoch: event.epoch })
        return
      case "Leads":
        hosted.leads = event.epoch
        this.#host.cover("partition leader")
        this.#host.trace(() => `leads ${at.partition} in epoch ${event.epoch} from ${replica.logEndOffset}`)
        this.#host.observe({ _tag: "Leads", ...at, epoch: event.epoch, markerOffset: replica.markers.at(-1)!.offset })
        return this.#report(hosted, event.epoch, { _tag: "Serves" })
      case "EpochCommitted":
        return
      case "Confirmed":
        this.#host.observe({ _tag: "Confirmed", ...at, epoch: event.epoch, configVersion: event.configVersion })
        this.news = true
        return
      case "InSync":
      case "CaughtUp":
      case "PromiseAhead":
        this.news = true
        return
      case "Quorum":
        if (event.lacking) this.#host.cover("quorum lacking")
        return this.#report(hosted, event.epoch, { _tag: "Quorum", lacking: event.lacking })
      case "HandOver":
        this.#host.cover(event.ready ? "hand-over ready" : "hand-over given up")
        return this.#report(hosted, event.epoch, { _tag: "HandOver", target: event.target, ready: event.ready })
      case "Promised":
        return this.#promised_(hosted, event.epoch, event.position)
      case "Sendable": {
        const peers = this.#sendable.get(event.peer) ?? new Set()
        this.#sendable.set(event.peer, peers.add(hosted))
        return
      }
    }
  }

  #sendAll(): void {
    const peers = [...this.#sendable]
    this.#sendable.clear()
    for (const [peer, replicas] of peers) for (const hosted of replicas) this.#sendTo(hosted, peer)
  }

  #sendTo({ replica, log }: HostedReplica, peer: number): void {
    const tail = log.batches[log.batches.length - this.#host.settings.tailBatches]?.baseOffset ?? 0
    for (;;) {
      const nowMs = this.#host.nowMs()
      const plan = replica.planSend(nowMs, peer, tail)
      if (plan === undefined) return
      const { batches, bytes } = log.read(plan.from, plan.limit, plan.maxBytes)
      const end = batches.at(-1)?.endOffset ?? plan.from
      const startState = plan.atStart ? log.startState() : undefined
      const frame = replica.confirmSend(nowMs, plan, end, bytes, batches, startState)
      if (frame === undefined) return
      this.send(replica, frame)
    }
  }

  // --- inputs

  receive(message: ReplicaMessage<SimBatch>): void {
    const hosted = this.hosted.get(partitionKey(message.topicId, message.partition))
    if (hosted !== undefined) return hosted.replica.receive(this.#host.nowMs(), message)
    this.#host.cover("message for a replica that is not here")
  }

  /** Undefined: not hosted here. */
  promise(topicId: string, partition: number, epoch: number, reply: PromiseReply): boolean {
    const key = partitionKey(topicId, partition)
    const hosted = this.hosted.get(key)
    if (hosted === undefined) return false
    const outcome = hosted.replica.promise(this.#host.nowMs(), epoch)
    if (outcome._tag === "Refused") {
      this.#host.cover("promise refused")
      reply({ _tag: "Refused", promised: outcome.promised })
    } else {
      const waiting = this.#promises.get(key) ?? []
      waiting.push({ epoch, reply })
      this.#promises.set(key, waiting)
    }
    return true
  }

  #promised_(hosted: HostedReplica, epoch: number, position: Point): void {
    const key = partitionKey(hosted.replica.topicId, hosted.replica.partition)
    const waiting = this.#promises.get(key) ?? []
    this.#promises.set(
      key,
      waiting.filter((promise) => promise.epoch > epoch)
    )
    for (const promise of waiting) if (promise.epoch === epoch) promise.reply({ _tag: "Position", position })
  }

  handOver(topicId: string, partition: number, epoch: number, target: number): void {
    const hosted = this.hosted.get(partitionKey(topicId, partition))
    if (hosted !== undefined && hosted.replica.epoch === epoch) hosted.replica.handOver(this.#host.nowMs(), target)
  }

  /** Rule 25 is the caller's: a node that has lost its controller does not get here. */
  produce(
    topicId: string,
    partition: number,
    acks: number,
    batch: SimBatch,
    answer: (answer: ProduceAnswer) => void
  ): void {
    const hosted = this.hosted.get(partitionKey(topicId, partition))
    const fail = (errorCode: ErrorCode) => answer({ errorCode, baseOffset: -1, epoch: -1 })
    if (hosted === undefined) return fail(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
    const { replica, log } = hosted
    if (replica.role !== "leader") return fail(ErrorCode.NOT_LEADER_OR_FOLLOWER)
    const { epoch } = replica
    const expiresMs = this.#host.nowMs() + this.#host.settings.produceTimeoutMs
    const settled = (baseOffset: number) => (errorCode: ErrorCode) => {
      if (errorCode !== ErrorCode.NONE) fail(errorCode)
      else if (acks === -1 && replica.lacksReplicas) fail(ErrorCode.NOT_ENOUGH_REPLICAS_AFTER_APPEND)
      else answer({ errorCode, baseOffset, epoch })
    }
    if (batch.producerId >= 0) {
      const { errorCode, duplicate } = log.check(batch)
      if (errorCode !== ErrorCode.NONE) return fail(errorCode)
      if (duplicate !== undefined) {
        this.#host.cover("duplicate retry")
        // Rule 22: held is not committed.
        return hosted.wait(epoch, duplicate.endOffset, expiresMs, settled(duplicate.baseOffset))
      }
    }
    const outcome = replica.append(this.#host.nowMs(), batch.ids.length, batch.bytes, acks === -1)
    if (outcome._tag === "Refused") {
      const short = outcome.reason === "not-enough-replicas"
      return fail(short ? ErrorCode.NOT_ENOUGH_REPLICAS : ErrorCode.NOT_LEADER_OR_FOLLOWER)
    }
    const { baseOffset, sequence } = outcome
    const endOffset = baseOffset + batch.ids.length
    const batches = [{ epoch, baseOffset, endOffset, data: batch }]
    this.#host.write({ _tag: "Replica", topicId, partition, write: { _tag: "Batches", batches } }, () => {
      this.#durable(hosted, sequence)
      if (acks === 1) answer({ errorCode: ErrorCode.NONE, baseOffset, epoch })
    })
    this.#append(hosted, batches, true)
    if (acks === 0) answer({ errorCode: ErrorCode.NONE, baseOffset, epoch })
    else if (acks === -1) hosted.wait(epoch, endOffset, expiresMs, settled(baseOffset))
  }

  /** Whole batches from `offset` up to the high watermark. */
  fetch(
    topicId: string,
    partition: number,
    offset: number,
    bytesMax: number
  ): { readonly errorCode: ErrorCode; readonly batches: ReadonlyArray<LoggedBatch>; readonly highWatermark: number } {
    const hosted = this.hosted.get(partitionKey(topicId, partition))
    const fail = (errorCode: ErrorCode) => ({ errorCode, batches: [], highWatermark: -1 })
    if (hosted === undefined) return fail(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
    const { replica, log } = hosted
    if (replica.role !== "leader") return fail(ErrorCode.NOT_LEADER_OR_FOLLOWER)
    if (offset < replica.logStartOffset || offset > replica.logEndOffset) return fail(ErrorCode.OFFSET_OUT_OF_RANGE)
    const { batches } = log.read(offset, replica.highWatermark, bytesMax)
    return {
      errorCode: ErrorCode.NONE,
      batches: batches.map(({ epoch, baseOffset, endOffset, data }) => ({ epoch, baseOffset, endOffset, batch: data })),
      highWatermark: replica.highWatermark
    }
  }

  /** Retention or DeleteRecords: never beyond the high watermark. */
  startAt(topicId: string, partition: number, offset: number): void {
    const hosted = this.hosted.get(partitionKey(topicId, partition))
    if (hosted === undefined || offset <= hosted.replica.logStartOffset || offset > hosted.replica.highWatermark) return
    hosted.replica.startAt(offset)
    hosted.log.startAt(offset)
    this.#host.write({ _tag: "LogStart", topicId, partition, offset }, undefined)
    this.#host.cover("log start moved")
  }

  disconnected(node: number): void {
    for (const { replica } of this.hosted.values()) replica.disconnected(this.#host.nowMs(), node)
  }

  // --- time and reports

  tick(): void {
    const nowMs = this.#host.nowMs()
    for (const hosted of [...this.hosted.values()]) {
      if (hosted.replica.nextDeadline() <= nowMs) hosted.replica.tick(nowMs)
      if (hosted.nextDeadline() <= nowMs) hosted.expire(nowMs)
    }
  }

  nextDeadline(): number {
    let next = Number.POSITIVE_INFINITY
    for (const hosted of this.hosted.values()) {
      next = Math.min(next, hosted.replica.nextDeadline(), hosted.nextDeadline())
    }
    return next
  }

  /** Everything that holds now: a new controller is told all of it, the old one hears it again. */
  reports(): ReadonlyArray<PartitionReport> {
    this.news = false
    return reportsOf(this.hosted.values(), this.#image)
  }

  /** Repeated with each heartbeat until the epoch ends. */
  #report(hosted: HostedReplica, epoch: number, report: Report): void {
    const { topicId, partition } = hosted.replica
    const configVersion = this.#image.topicById(topicId)?.partitions[partition]?.configVersion ?? 0
    hosted.reports.set(report._tag, { topicId, partition, epoch, configVersion, report })
    this.news = true
  }

  #at({ topicId, partition }: Replica<SimBatch>) {
    return { node: this.#host.node, incarnation: this.#host.incarnation, topicId, partition }
  }
}
