/**
 * The partitions that this node hosts: made, changed and ended by what the metadata log says, and by nothing else.
 *
 * Applying a CreateTopic command is the one trigger that makes replicas. The subscription runs inside the apply, before the
 * waiters of the command wake: whoever has been told of a topic finds its partitions serving.
 *
 * Looked up by name and number on the produce path: plain maps, no Effect. Deliberately absent: who leads what elsewhere.
 */
import { type TopicSettings, topicSettings } from "@chronik-effect/core/config/TopicSettings.ts"
import type { MetadataDelta } from "@chronik-effect/core/metadata/MetadataDelta.ts"
import type { MetadataImage, PartitionImage, TopicImage } from "@chronik-effect/core/metadata/MetadataImage.ts"
import { ErrorCode } from "@chronik-effect/core/model/ErrorCode.ts"
import { Context, Deferred, Effect, Exit, Layer, Scope } from "effect"
import { NodeConfig } from "../config/NodeConfig.ts"
import { monotonicMicros } from "../io/Turn.ts"
import { MetadataStore } from "../metadata/MetadataStore.ts"
import { PartitionStores } from "../storage/PartitionStores.ts"
import { Wal } from "../storage/Wal.ts"
import { BatchProposer } from "./BatchProposer.ts"
import { Partition } from "./Partition.ts"

export class Partitions extends Context.Service<
  Partitions,
  {
    readonly find: (topic: string, partition: number) => Partition | undefined
    readonly findById: (topicId: string, partition: number) => Partition | undefined
    readonly knows: (topic: string) => boolean
    readonly knowsId: (topicId: string) => boolean
    /** Completes when every partition of the topic that is hosted here serves; also when the topic is deleted meanwhile. */
    readonly awaitServing: (topicId: string) => Effect.Effect<void>
    readonly all: () => Iterable<Partition>
    /** Replicas made since the start (R9). */
    readonly replicasCreated: () => number
  }
>()("chronik/Partitions") {}

interface HostedTopic {
  readonly name: string
  readonly topicId: string
  settings: TopicSettings
  readonly partitions: Array<Partition>
}

class Hosting {
  readonly byName = new Map<string, HostedTopic>()
  readonly byId = new Map<string, HostedTopic>()
  readonly awaited = new Map<string, Deferred.Deferred<void>>()
  created = 0
  readonly #wal: Wal["Service"]
  readonly #proposer: BatchProposer["Service"]
  readonly #metadata: MetadataStore["Service"]
  readonly #stores: PartitionStores["Service"]
  readonly #run: (start: Effect.Effect<unknown, never, Scope.Scope>) => void
  readonly #nowMillis: () => number

  constructor(
    wal: Wal["Service"],
    proposer: BatchProposer["Service"],
    metadata: MetadataStore["Service"],
    stores: PartitionStores["Service"],
    run: (start: Effect.Effect<unknown, never, Scope.Scope>) => void,
    nowMillis: () => number
  ) {
    this.#wal = wal
    this.#proposer = proposer
    this.#metadata = metadata
    this.#stores = stores
    this.#run = run
    this.#nowMillis = nowMillis
  }

  applied(delta: MetadataDelta, image: MetadataImage): void {
    // Deletions first: a topic that is made anew under its old name comes in a later command, but may share the delta's turn.
    for (const topic of delta.topicsDeleted) this.#drop(topic)
    for (const topic of delta.topicsCreated) this.host(topic)
    for (const { topic, from } of delta.partitionsAdded) this.#extend(topic, from)
    for (const { topic, partition } of delta.partitionsChanged) this.#change(topic, partition)
    for (const topic of delta.topicConfigsChanged) this.#reconfigure(topic)
    if (delta.brokerConfigsChanged) for (const topic of image.topics()) this.#reconfigure(topic)
  }

  host(topic: TopicImage): void {
    const hosted: HostedTopic = {
      name: topic.name,
      topicId: topic.topicId,
      settings: topicSettings(topic, this.#metadata.brokerConfig()),
      partitions: []
    }
    this.byName.set(topic.name, hosted)
    this.byId.set(topic.topicId, hosted)
    for (const partition of topic.partitions) this.#open(hosted, topic, partition)
    const waiter = this.awaited.get(topic.topicId)
    this.awaited.delete(topic.topicId)
    if (waiter !== undefined) Deferred.doneUnsafe(waiter, Exit.void)
  }

  #open(hosted: HostedTopic, topic: TopicImage, image: PartitionImage): void {
    const store = this.#stores.open({
      topic: topic.name,
      topicId: topic.topicId,
      partition: image.partition,
      stream: image.stream,
      settings: () => hosted.settings
    })
    const partition = new Partition(
      {
        topic: topic.name,
        topicId: topic.topicId,
        partition: image.partition,
        leaderEpoch: image.leaderEpoch,
        replicas: image.replicas.length - image.adding.length,
        inSyncReplicas: image.isr.length,
        internal: topic.internal,
        stream: image.stream,
        store,
        settings: hosted.settings,
        wal: this.#wal,
        nowMicros: monotonicMicros,
        nowMillis: this.#nowMillis
      },
      this.#run
    )
    store.owner = {
      highWatermark: () => partition.highWatermark,
      lastStableOffset: () => partition.lastStableOffset,
      startAt: (offset) => partition.startAt(offset)
    }
    this.#proposer.register(image.stream, {
      durable: (endOffset) => partition.durable(endOffset),
      failed: () => partition.close(ErrorCode.KAFKA_STORAGE_ERROR)
    })
    hosted.partitions[image.partition] = partition
    this.created++
  }

  #drop(topic: TopicImage): void {
    const hosted = this.byId.get(topic.topicId)
    if (hosted === undefined) return
    this.byId.delete(topic.topicId)
    if (this.byName.get(topic.name) === hosted) this.byName.delete(topic.name)
    for (const partition of hosted.partitions) {
      partition.close(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
      this.#proposer.unregister(partition.stream)
      this.#stores.delete(partition.store)
    }
  }

  #extend(topic: TopicImage, from: number): void {
    const hosted = this.byId.get(topic.topicId)
    if (hosted === undefined) return
    for (const partition of topic.partitions.slice(from)) this.#open(hosted, topic, partition)
  }

  #change(topic: TopicImage, number: number): void {
    const partition = this.byId.get(topic.topicId)?.partitions[number]
    const image = topic.partitions[number]
    if (partition === undefined || image === undefined) return
    partition.leaderEpoch = image.leaderEpoch
    partition.replicas = image.replicas.length - image.adding.length
    partition.inSyncReplicas = image.isr.length
    partition.wakeReaders()
  }

  #reconfigure(topic: TopicImage): void {
    const hosted = this.byId.get(topic.topicId)
    if (hosted === undefined) return
    hosted.settings = topicSettings(topic, this.#metadata.brokerConfig())
    for (const partition of hosted.partitions) {
      partition.settings = hosted.settings
      if (hosted.settings.compacts) this.#stores.context.uncleaned.add(partition.store)
    }
  }
}

const make = Effect.gen(function* () {
  yield* NodeConfig
  const metadata = yield* MetadataStore
  const scope = yield* Effect.scope
  const context = yield* Effect.context<never>()
  const clock = yield* Effect.clockWith(Effect.succeed)
  const runFork = Effect.runForkWith(context)
  const hosting = new Hosting(
    yield* Wal,
    yield* BatchProposer,
    metadata,
    yield* PartitionStores,
    (start) => void runFork(Scope.provide(start, scope)),
    () => clock.currentTimeMillisUnsafe()
  )
  for (const topic of metadata.image().topics()) hosting.host(topic)
  const unsubscribe = metadata.subscribe((delta, image) => hosting.applied(delta, image))
  yield* Effect.addFinalizer(() =>
    Effect.sync(() => {
      unsubscribe()
      for (const topic of hosting.byId.values()) {
        for (const partition of topic.partitions) partition.close(ErrorCode.NOT_LEADER_OR_FOLLOWER)
      }
    })
  )
  return Partitions.of({
    find: (topic, partition) => hosting.byName.get(topic)?.partitions[partition],
    findById: (topicId, partition) => hosting.byId.get(topicId)?.partitions[partition],
    knows: (topic) => hosting.byName.has(topic),
    knowsId: (topicId) => hosting.byId.has(topicId),
    awaitServing: (topicId) => awaitServing(hosting, metadata, topicId),
    all: function* () {
      for (const topic of hosting.byId.values()) yield* topic.partitions
    },
    replicasCreated: () => hosting.created
  })
})

const awaitServing = (hosting: Hosting, metadata: MetadataStore["Service"], topicId: string): Effect.Effect<void> =>
  Effect.suspend(() => {
    if (hosting.byId.has(topicId) || metadata.image().topicById(topicId) === undefined) return Effect.void
    let waiter = hosting.awaited.get(topicId)
    if (waiter === undefined) {
      waiter = Deferred.makeUnsafe<void>()
      hosting.awaited.set(topicId, waiter)
    }
    return Deferred.await(waiter)
  })

export const layer: Layer.Layer<Partitions, never, NodeConfig | Wal | BatchProposer | MetadataStore | PartitionStores> =
  Layer.effect(Partitions, make)
