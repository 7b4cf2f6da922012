/**
 * The group coordinator with its handlers on metadata and partitions in memory. Requests and answers go through the codecs
 * of their version, so that a test sees what a client would.
 */
import { ZERO_UUID } from "@chronik-effect/core/base/Uuid.ts"
import { type BrokerConfig, makeBrokerConfig } from "@chronik-effect/core/config/BrokerConfig.ts"
import type { Command } from "@chronik-effect/core/metadata/Command.ts"
import { emptyImage } from "@chronik-effect/core/metadata/MetadataImage.ts"
import { replay } from "@chronik-effect/core/metadata/Replay.ts"
import { ErrorCode } from "@chronik-effect/core/model/ErrorCode.ts"
import { codecOf } from "@chronik-effect/core/protocol/Message.ts"
import { Reader } from "@chronik-effect/core/protocol/Reader.ts"
import { Writer } from "@chronik-effect/core/protocol/Writer.ts"
import { lastOffsetDelta, setBaseOffset } from "@chronik-effect/core/record/RecordBatch.ts"
import { Effect, Layer, Result } from "effect"
import { Deadlines } from "../../src/actor/Deadlines.ts"
import { NodeConfig } from "../../src/config/NodeConfig.ts"
import { GroupCoordinator } from "../../src/coordinator/GroupCoordinator.ts"
import * as OffsetCommit from "../../src/handlers/08_OffsetCommit.ts"
import * as OffsetFetch from "../../src/handlers/09_OffsetFetch.ts"
import * as FindCoordinator from "../../src/handlers/10_FindCoordinator.ts"
import * as JoinGroup from "../../src/handlers/11_JoinGroup.ts"
import * as Heartbeat from "../../src/handlers/12_Heartbeat.ts"
import * as LeaveGroup from "../../src/handlers/13_LeaveGroup.ts"
import * as SyncGroup from "../../src/handlers/14_SyncGroup.ts"
import * as DescribeGroups from "../../src/handlers/15_DescribeGroups.ts"
import * as ListGroups from "../../src/handlers/16_ListGroups.ts"
import * as DeleteGroups from "../../src/handlers/42_DeleteGroups.ts"
import * as OffsetDelete from "../../src/handlers/47_OffsetDelete.ts"
import * as ConsumerGroupHeartbeat from "../../src/handlers/68_ConsumerGroupHeartbeat.ts"
import * as ConsumerGroupDescribe from "../../src/handlers/69_ConsumerGroupDescribe.ts"
import type { AnyHandler } from "../../src/handlers/Handler.ts"
import { MetadataError, type MetadataListener, MetadataStore } from "../../src/metadata/MetadataStore.ts"
import { AppendFailed } from "../../src/replication/Append.ts"
import type { Partition } from "../../src/replication/Partition.ts"
import { Partitions } from "../../src/replication/Partitions.ts"

export class MemoryPartition {
  readonly topic: string
  readonly partition: number
  readonly leaderEpoch = 0
  readonly settings = { maxMessageBytes: 1_048_588 }
  readonly batches: Array<Uint8Array> = []
  closedWith: ErrorCode = ErrorCode.NONE
  readonly logStartOffset = 0
  logEndOffset = 0

  constructor(topic: string, partition: number) {
    this.topic = topic
    this.partition = partition
  }

  get highWatermark(): number {
    return this.logEndOffset
  }

  appendBatch = (batch: Uint8Array) =>
    Effect.suspend(() => {
      if (this.closedWith !== ErrorCode.NONE) return Effect.fail(new AppendFailed({ errorCode: this.closedWith }))
      const base = this.logEndOffset
      setBaseOffset(batch, 0, base)
      this.batches.push(batch)
      this.logEndOffset = base + lastOffsetDelta(batch, 0) + 1
      return Effect.succeed(base)
    })

  read(offset: number) {
    return { slices: offset === 0 ? this.batches : [], leases: [], nextOffset: this.logEndOffset, cold: undefined }
  }
}

/** Metadata and partitions of one node; survives a restart of the coordinator, as a disk would. */
export class MemoryNode {
  image = emptyImage("cluster")
  readonly hosted = new Map<string, ReadonlyArray<MemoryPartition>>()
  #listeners: Array<MetadataListener> = []
  broken = false
  created = 0
  readonly #config: BrokerConfig

  constructor(broker: Readonly<Record<string, string>> = {}) {
    this.#config = Result.getOrThrow(makeBrokerConfig("standalone", new Map(Object.entries(broker))))
    const endpoints = [{ listener: "PLAINTEXT", host: "127.0.0.1", port: 9092, securityProtocol: "PLAINTEXT" }]
    this.apply({ _tag: "RegisterNode", nodeId: 1, incarnation: 1, directoryId: "d", endpoints, rack: null })
  }

  apply(command: Command) {
    const { image, delta, result } = replay(this.image, command, this.image.offset)
    this.image = image
    for (const { name } of delta.topicsDeleted) {
      for (const partition of this.hosted.get(name) ?? []) partition.closedWith = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
      this.hosted.delete(name)
    }
    for (const { name, partitions } of delta.topicsCreated) {
      this.created++
      this.hosted.set(
        name,
        partitions.map(({ partition }) => new MemoryPartition(name, partition))
      )
    }
    for (const listener of this.#listeners) listener(delta, image)
    return result
  }

  createTopic(name: string, topicId: string, count = 4): void {
    const partitions = Array.from({ length: count }, () => ({ replicas: [1], isr: [1], leader: 1, leaderEpoch: 0 }))
    this.apply({ _tag: "CreateTopic", name, topicId, internal: false, partitions, configs: [] })
  }

  /** As many of its methods as the coordinator uses. */
  readonly metadata = () =>
    ({
      image: () => this.image,
      brokerConfig: () => this.#config,
      propose: (command: Command) =>
        this.broken
          ? Effect.fail(new MetadataError({ reason: "timeout", message: "the log does not answer" }))
          : Effect.sync(() => this.apply(command)),
      subscribe: (listener: MetadataListener) => {
        this.#listeners.push(listener)
        return () => {
          this.#listeners = this.#listeners.filter((other) => other !== listener)
        }
      }
    }) as unknown as MetadataStore["Service"]

  readonly partitions = () =>
    ({
      find: (topic: string, partition: number) => this.hosted.get(topic)?.[partition] as unknown as Partition,
      knows: (topic: string) => this.hosted.has(topic),
      awaitServing: () => Effect.void
    }) as unknown as Partitions["Service"]
}

const layerOf = (node: MemoryNode) =>
  GroupCoordinator.layer.pipe(
    Layer.provideMerge(
      Layer.mergeAll(
        Layer.sync(MetadataStore, node.metadata),
        Layer.sync(Partitions, node.partitions),
        Deadlines.layer,
        NodeConfig.layer()
      )
    )
  )

const makes = {
  8: OffsetCommit.make,
  9: OffsetFetch.make,
  10: FindCoordinator.make,
  11: JoinGroup.make,
  12: Heartbeat.make,
  13: LeaveGroup.make,
  14: SyncGroup.make,
  15: DescribeGroups.make,
  16: ListGroups.make,
  42: DeleteGroups.make,
  47: OffsetDelete.make,
  68: ConsumerGroupHeartbeat.make,
  69: ConsumerGroupDescribe.make
}

export type Call = (apiKey: keyof typeof makes, apiVersion: number, request: object) => Effect.Effect<any>

/** Runs `use` against a fresh coordinator on `node`. */
export const withGroups = <A>(
  node: MemoryNode,
  use: (call: Call, groups: GroupCoordinator["Service"]) => Effect.Effect<A>
): Effect.Effect<A> =>
  Effect.gen(function* () {
    const groups = yield* GroupCoordinator
    const handlers = new Map<number, AnyHandler>()
    for (const [key, make] of Object.entries(makes)) handlers.set(Number(key), (yield* make) as AnyHandler)
    const call: Call = (apiKey, apiVersion, request) =>
      Effect.suspend(() => {
        const { api, handle } = handlers.get(apiKey)!
        const frame = encode(api.request, apiVersion, request)
        const decoded = codecOf(api.request, apiVersion).decode(new Reader(frame))
        const context = { apiVersion, clientId: "c", clientHost: "/127.0.0.1", connectionId: 1 }
        const answer = handle(decoded as never, context)
        // The frame belongs to the listener again once `handle` has returned.
        frame.fill(0xee)
        return Effect.map(answer, (response) =>
          codecOf(api.response, apiVersion).decode(new Reader(encode(api.response, apiVersion, response as object)))
        )
      })
    return yield* use(call, groups)
  }).pipe(Effect.provide(layerOf(node)), Effect.orDie)

const encode = (message: AnyHandler["api"]["request"], version: number, value: object): Uint8Array => {
  const writer = new Writer()
  codecOf(message, version).encode(writer, value)
  return writer.finishBytes().slice()
}

export const TOPIC_ID = "BBBBBBBBBBBBBBBBBBBBBQ"
export { ZERO_UUID }
