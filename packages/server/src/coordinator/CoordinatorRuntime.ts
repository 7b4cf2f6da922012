/**
 * The shards of one kind of coordinator on this node: one for each led partition of the coordinator's topic that has
 * something to coordinate.
 *
 * The topic is created when the first client asks for a coordinator. A shard exists from the moment when its partition
 * holds a record (at the start of the node, or of its leadership) or a key of its partition is asked for: an idle
 * partition costs nothing. When the partition moves or is deleted its shard is closed, and whoever waits is told.
 *
 * The order of subscription matters: `Partitions` applies a change of the metadata before this does, so a partition that
 * is looked up here is the one that the change made.
 */
import { coordinatorPartition } from "@chronik-effect/core/coordinator/CoordinatorPartition.ts"
import type { MetadataDelta } from "@chronik-effect/core/metadata/MetadataDelta.ts"
import type { TopicImage } from "@chronik-effect/core/metadata/MetadataImage.ts"
import { ErrorCode } from "@chronik-effect/core/model/ErrorCode.ts"
import { Effect, Result, Scope, Semaphore } from "effect"
import { Deadlines } from "../actor/Deadlines.ts"
import { NodeConfig } from "../config/NodeConfig.ts"
import { MetadataStore } from "../metadata/MetadataStore.ts"
import { createTopic, type NewTopic } from "../metadata/TopicCreation.ts"
import type { Partition } from "../replication/Partition.ts"
import { Partitions } from "../replication/Partitions.ts"
import { partitionLog } from "./CoordinatorLog.ts"
import { type CoordinatorKind, CoordinatorShard } from "./CoordinatorShard.ts"

export interface CoordinatorTopic {
  readonly name: string
  /** Asked for when the topic is made: the configuration may have changed since the node started. */
  readonly request: () => NewTopic
}

/** How long a client that asks for its coordinator waits for the topic to be made. */
const TOPIC_PATIENCE_MS = 2_000

interface Held<Machine, Command, Record, Response> {
  readonly shard: CoordinatorShard<Machine, Command, Record, Response>
  readonly partition: Partition
  readonly leaderEpoch: number
}

export interface CoordinatorRuntime<Machine, Command, Record, Response> {
  /** NONE once the coordinator's topic exists and serves on this node; it is made if need be. */
  readonly ready: Effect.Effect<ErrorCode>
  /** The shard of a key, or the code that says why it is not here. */
  readonly shardOf: (key: string) => CoordinatorShard<Machine, Command, Record, Response> | ErrorCode
  /** Those that exist, in order of their partitions. */
  readonly shards: () => ReadonlyArray<CoordinatorShard<Machine, Command, Record, Response>>
  /** The node that leads the key's partition; -1 while nobody does or the topic does not exist. */
  readonly leaderOf: (key: string) => number
}

export const makeCoordinatorRuntime = Effect.fnUntraced(function* <Machine, Command, Record, Response>(
  topic: CoordinatorTopic,
  kind: CoordinatorKind<Machine, Command, Record, Response>
) {
  const metadata = yield* MetadataStore
  const partitions = yield* Partitions
  const deadlines = yield* Deadlines
  const { nodeId } = yield* NodeConfig
  const clock = yield* Effect.clockWith(Effect.succeed)
  const scope = yield* Effect.scope
  const runFork = Effect.runForkWith(yield* Effect.context<never>())

  const startedAt = clock.currentTimeMillisUnsafe()
  const startedNanos = clock.monotonicTimeNanosUnsafe()
  const now = () => startedAt + Math.floor(Number(clock.monotonicTimeNanosUnsafe() - startedNanos) / 1e6)

  const hosting = new Hosting(topic.name, nodeId, metadata, partitions, (partition) => {
    const shard = new CoordinatorShard(partitionLog(partition), kind, deadlines, now)
    runFork(Scope.provide(shard.start, scope))
    return shard
  })
  hosting.startAll()
  const unsubscribe = metadata.subscribe((delta) => hosting.applied(delta))
  yield* Effect.addFinalizer(() =>
    Effect.sync(() => {
      unsubscribe()
      hosting.closeAll(ErrorCode.COORDINATOR_NOT_AVAILABLE)
    })
  )

  const oneAtATime = yield* Semaphore.make(1)
  const ready = ensureTopic(topic, metadata, partitions).pipe(
    oneAtATime.withPermits(1),
    Effect.timeoutOrElse({
      duration: TOPIC_PATIENCE_MS,
      orElse: () => Effect.succeed<ErrorCode>(ErrorCode.COORDINATOR_NOT_AVAILABLE)
    })
  )
  const runtime: CoordinatorRuntime<Machine, Command, Record, Response> = {
    ready: Effect.suspend(() => (hosting.serves() ? Effect.succeed<ErrorCode>(ErrorCode.NONE) : ready)),
    shardOf: (key) => hosting.shardOf(key),
    shards: () => hosting.shards(),
    leaderOf: (key) => hosting.leaderOf(key)
  }
  return runtime
})

const ensureTopic = Effect.fnUntraced(function* (
  topic: CoordinatorTopic,
  metadata: MetadataStore["Service"],
  partitions: Partitions["Service"]
) {
  if (metadata.image().topic(topic.name) === undefined) {
    const made = yield* createTopic(metadata, topic.request(), TOPIC_PATIENCE_MS)
    // Another node may have been first.
    if (Result.isFailure(made) && made.failure.errorCode !== ErrorCode.TOPIC_ALREADY_EXISTS) {
      yield* Effect.logWarning(`The topic ${topic.name} could not be created: ${made.failure.message}`)
      return ErrorCode.COORDINATOR_NOT_AVAILABLE
    }
  }
  const image = metadata.image().topic(topic.name)
  if (image === undefined) return ErrorCode.COORDINATOR_NOT_AVAILABLE
  yield* partitions.awaitServing(image.topicId)
  return ErrorCode.NONE as ErrorCode
})

class Hosting<Machine, Command, Record, Response> {
  readonly #topic: string
  readonly #nodeId: number
  readonly #metadata: MetadataStore["Service"]
  readonly #partitions: Partitions["Service"]
  readonly #makeShard: (partition: Partition) => CoordinatorShard<Machine, Command, Record, Response>
  readonly #held = new Map<number, Held<Machine, Command, Record, Response>>()
  #closed = false

  constructor(
    topic: string,
    nodeId: number,
    metadata: MetadataStore["Service"],
    partitions: Partitions["Service"],
    makeShard: (partition: Partition) => CoordinatorShard<Machine, Command, Record, Response>
  ) {
    this.#topic = topic
    this.#nodeId = nodeId
    this.#metadata = metadata
    this.#partitions = partitions
    this.#makeShard = makeShard
  }

  #image(): TopicImage | undefined {
    return this.#metadata.image().topic(this.#topic)
  }

  serves(): boolean {
    return this.#image() !== undefined && this.#partitions.knows(this.#topic)
  }

  leaderOf(key: string): number {
    const image = this.#image()
    if (image === undefined) return -1
    return image.partitions[coordinatorPartition(key, image.partitions.length)]?.leader ?? -1
  }

  shardOf(key: string): CoordinatorShard<Machine, Command, Record, Response> | ErrorCode {
    const image = this.#image()
    // The answer that makes a client ask where its coordinator is, which is what makes the topic.
    if (image === undefined) return ErrorCode.NOT_COORDINATOR
    return this.#shard(image, coordinatorPartition(key, image.partitions.length)) ?? ErrorCode.NOT_COORDINATOR
  }

  shards(): ReadonlyArray<CoordinatorShard<Machine, Command, Record, Response>> {
    return [...this.#held].sort(([a], [b]) => a - b).map(([, { shard }]) => shard)
  }

  /** Partitions that hold records have members whose sessions must run, and groups that must be listed. */
  startAll(): void {
    const image = this.#image()
    if (image === undefined) return
    for (const { partition } of image.partitions) this.#startIfUsed(image, partition)
  }

  applied(delta: MetadataDelta): void {
    if (delta.topicsDeleted.some(({ name }) => name === this.#topic)) {
      for (const number of [...this.#held.keys()]) this.#close(number, ErrorCode.NOT_COORDINATOR)
    }
    for (const { topic, partition } of delta.partitionsChanged) {
      if (topic.name !== this.#topic) continue
      const held = this.#held.get(partition)
      if (held !== undefined && this.#current(topic, partition, held)) continue
      if (held !== undefined) this.#close(partition, ErrorCode.NOT_COORDINATOR)
      this.#startIfUsed(topic, partition)
    }
  }

  closeAll(errorCode: ErrorCode): void {
    this.#closed = true
    for (const number of [...this.#held.keys()]) this.#close(number, errorCode)
  }

  #close(number: number, errorCode: ErrorCode): void {
    this.#held.get(number)?.shard.close(errorCode)
    this.#held.delete(number)
  }

  #current(topic: TopicImage, number: number, held: Held<Machine, Command, Record, Response>): boolean {
    const image = topic.partitions[number]
    return image?.leader === this.#nodeId && image.leaderEpoch === held.leaderEpoch
  }

  #startIfUsed(topic: TopicImage, number: number): void {
    const partition = this.#partitions.find(this.#topic, number)
    if (partition !== undefined && partition.logEndOffset > partition.logStartOffset) this.#shard(topic, number)
  }

  #shard(topic: TopicImage, number: number): CoordinatorShard<Machine, Command, Record, Response> | undefined {
    const held = this.#held.get(number)
    if (held !== undefined) return held.shard
    const partition = this.#partitions.find(this.#topic, number)
    const image = topic.partitions[number]
    const leads = image?.leader === this.#nodeId && partition?.closedWith === ErrorCode.NONE
    if (this.#closed || image === undefined || partition === undefined || !leads) return undefined
    const shard = this.#makeShard(partition)
    this.#held.set(number, { shard, partition, leaderEpoch: image.leaderEpoch })
    return shard
  }
}
