/**
 * A node on its own: where its layers are wired, and the only place that knows all of them.
 *
 * Built from the ground up, so that they end in the reverse order: identity and lock of the data directory, port, WAL,
 * metadata, partition logs, partitions, coordinators, handlers, and last the listener, which accepts when everything behind it
 * serves. A stop closes the listener first and marks the WAL's clean end last.
 */
import { decideElectionsAfterRestart } from "@chronik-effect/core/metadata/Decide.ts"
import { Cause, Context, Data, Effect, Exit, Layer, Scope } from "effect"
import { Deadlines } from "./actor/Deadlines.ts"
import { layerLogging } from "./config/Logging.ts"
import { advertisedAddress, NodeConfig, type NodeConfigShape, type NodeConfigValues } from "./config/NodeConfig.ts"
import { GroupCoordinator } from "./coordinator/GroupCoordinator.ts"
import { layerHandlers } from "./handlers/Handlers.ts"
import { compress, decompress } from "./io/Compression.ts"
import { installNativeCrc32c } from "./io/Crc.ts"
import * as DiskMemory from "./io/DiskMemory.ts"
import * as DiskNode from "./io/DiskNode.ts"
import { memoryBytes, routableAddress } from "./io/Host.ts"
import { MetadataLog, START_BLOCKS } from "./metadata/MetadataLog.ts"
import { MetadataStore } from "./metadata/MetadataStore.ts"
import { METADATA_STREAM } from "./metadata/RaftFrames.ts"
import { KafkaListener, KafkaPort } from "./network/KafkaListener.ts"
import { Observation } from "./observe/Observation.ts"
import type { RunningNode, StartReport } from "./observe/StartReport.ts"
import { ClientQuotas } from "./quota/ClientQuotas.ts"
import * as BatchProposer from "./replication/BatchProposer.ts"
import * as Partitions from "./replication/Partitions.ts"
import * as LogCleaner from "./storage/LogCleaner.ts"
import { NodeIdentity } from "./storage/NodeIdentity.ts"
import * as PartitionStores from "./storage/PartitionStores.ts"
import * as Retention from "./storage/Retention.ts"
import * as Settler from "./storage/Settler.ts"
import { Wal } from "./storage/Wal.ts"
import * as WalLayer from "./storage/WalLayer.ts"

/** Part of a stop's second that may go into waiting for answers in flight. */
const DRAIN_MS = 300
/** Of the memory: recently written data of this size is taken to be in the page cache. */
const WARM_SHARE = 1 / 4
const VERSION = "0.1.0"
/** The metadata log's, and one for the registration. */
const WAL_START_BLOCKS = START_BLOCKS + 1
/** Where an ephemeral node's files lie on its memory disk. */
const MEMORY_DIRECTORY = "/ephemeral"

/** The metadata does not take this node: its data directory is older than what the cluster has seen of it. */
class RegistrationRefused extends Data.TaggedError("RegistrationRefused")<{ readonly reason: string }> {
  override get message() {
    return `The node cannot register: ${this.reason} A restored old data directory must be formatted anew.`
  }
}

/** What the start knows when it is done. */
class Started extends Context.Service<
  Started,
  { readonly report: (readyMs: number) => StartReport; readonly failure: Effect.Effect<string> }
>()("chronik/Started") {}

/** Between the floors: who is told when the WAL has made something durable, and when a segment is sealed. */
const Connections = Layer.effectDiscard(
  Effect.gen(function* () {
    const proposer = yield* BatchProposer.BatchProposer
    const log = yield* MetadataLog
    const settler = yield* Settler.Settler
    const metadata = yield* MetadataStore
    proposer.register(METADATA_STREAM, { durable: log.durable, failed: log.failed })
    proposer.onSealed(log.sealed)
    proposer.onSealed(settler.sealed)
    settler.dependent("metadata", (segment) => metadata.settle(segment))
  })
)

/** Registers this start of the node, then lets the settler and the sweep of orphans begin: all partitions are open. */
const Registration = Layer.effectDiscard(
  Effect.gen(function* () {
    const config = yield* NodeConfig
    const port = yield* KafkaPort
    const identity = yield* NodeIdentity
    const metadata = yield* MetadataStore
    const stores = yield* PartitionStores.PartitionStores
    yield* Partitions.Partitions
    const address = advertisedAddress(config, port.port, routableAddress())
    const registered = yield* metadata.propose({
      _tag: "RegisterNode",
      nodeId: config.nodeId,
      incarnation: identity.incarnation,
      directoryId: identity.directoryId,
      endpoints: [{ listener: "PLAINTEXT", host: address.host, port: address.port, securityProtocol: "PLAINTEXT" }],
      rack: config.broker.text("broker.rack") ?? null
    })
    if (registered._tag === "Rejected") return yield* new RegistrationRefused({ reason: registered.message })
    if (config.durability === "unsafe-no-fsync" && !(yield* Wal).recovered.cleanStop) {
      // What was acknowledged may be gone: with a new epoch clients find out that the log was cut.
      yield* Effect.forEach(decideElectionsAfterRestart(metadata.image(), config.nodeId), (elections) =>
        metadata.propose(elections)
      )
    }
    stores.sweep((topicId) => metadata.image().topicById(topicId) !== undefined)
    const settler = yield* Settler.Settler
    settler.begin()
  })
)

const makeStarted = Effect.gen(function* () {
  const config = yield* NodeConfig
  const listener = yield* KafkaListener
  const identity = yield* NodeIdentity
  const metadata = yield* MetadataStore
  const wal = yield* Wal
  const proposer = yield* BatchProposer.BatchProposer
  const recoveredFrames = wal.stats().frames
  const image = metadata.image()
  let topics = 0
  let partitions = 0
  for (const topic of image.topics()) {
    if (topic.internal) continue
    topics++
    partitions += topic.partitions.length
  }
  const address = advertisedAddress(config, listener.port, routableAddress())
  return Started.of({
    failure: Effect.raceFirst(
      Effect.map(proposer.failure, (error) => error.message),
      metadata.failure
    ),
    report: (readyMs) => ({
      version: VERSION,
      nodeId: config.nodeId,
      clusterId: image.clusterId,
      host: listener.host,
      port: listener.port,
      advertisedHost: address.host,
      advertisedPort: address.port,
      durability: config.durability,
      dataDir: config.durability === "ephemeral" ? undefined : config.dataDir,
      fsyncMicros: config.durability === "durable" ? wal.stats().lastSyncMicros : undefined,
      fresh: identity.fresh,
      recovery: {
        cleanStop: wal.recovered.cleanStop,
        topics,
        partitions,
        walFrames: recoveredFrames,
        tornBytes: wal.recovered.tornBytes,
        elapsedMs: readyMs
      },
      readyMs
    })
  })
})

/** The cleaner under the broker's configs of the moment. */
const Cleaning = Layer.unwrap(
  Effect.map(MetadataStore, (metadata) =>
    LogCleaner.layer({
      compress,
      settings: () => {
        const broker = metadata.brokerConfig()
        return {
          enabled: broker.boolean("log.cleaner.enable"),
          backoffMs: broker.integer("log.cleaner.backoff.ms"),
          dedupeBufferBytes: broker.integer("log.cleaner.dedupe.buffer.size"),
          ioBytesPerSecondMax: broker.double("log.cleaner.io.max.bytes.per.second")
        }
      }
    })
  )
)

/** Everything but the configuration. */
const layerNode = (config: NodeConfigShape) => {
  const ephemeral = config.durability === "ephemeral"
  const directory = ephemeral ? MEMORY_DIRECTORY : config.dataDir
  const { broker } = config
  const Base = Layer.mergeAll(
    ephemeral ? DiskMemory.layer : DiskNode.layer,
    Deadlines.layer,
    Observation.layer,
    BatchProposer.layer,
    KafkaPort.layer({ host: config.host, port: config.kafkaPort })
  )
  const Storage = WalLayer.layer({
    directory: `${directory}/wal`,
    durability: config.durability,
    startBlocks: WAL_START_BLOCKS
  }).pipe(Layer.provideMerge(NodeIdentity.layer({ directory, nodeId: config.nodeId, lock: !ephemeral })))
  const Metadata = Layer.unwrap(
    Effect.map(NodeIdentity, ({ clusterId, nodeId, directoryId }) =>
      MetadataStore.layer({ clusterId }).pipe(
        Layer.provideMerge(
          MetadataLog.layerSingle({ directory: `${directory}/metadata`, self: { node: nodeId, directoryId } })
        )
      )
    )
  )
  const Logs = Layer.mergeAll(
    Cleaning,
    Retention.layer({ checkIntervalMs: broker.integer("log.retention.check.interval.ms") })
  ).pipe(
    Layer.provideMerge(Settler.layer),
    Layer.provideMerge(PartitionStores.layer({ dataDir: directory, decompress, warmBytes: memoryBytes() * WARM_SHARE }))
  )
  const Serving = layerHandlers.pipe(Layer.provideMerge(GroupCoordinator.layer), Layer.provideMerge(Registration))
  const Listener = Layer.unwrap(
    Effect.map(MetadataStore, (metadata) =>
      KafkaListener.layerOnPort({
        drainMs: DRAIN_MS,
        requestBytesMax: broker.integer("socket.request.max.bytes"),
        connectionLimits: () => ({
          connectionsMax: metadata.brokerConfig().integer("max.connections"),
          connectionsPerIpMax: metadata.brokerConfig().integer("max.connections.per.ip")
        }),
        connectionsMaxIdleMs: broker.integer("connections.max.idle.ms")
      })
    )
  )
  return Layer.effect(Started, makeStarted).pipe(
    Layer.provideMerge(Listener),
    Layer.provideMerge(Serving),
    Layer.provideMerge(ClientQuotas.layer),
    Layer.provideMerge(Partitions.layer),
    Layer.provideMerge(Connections),
    Layer.provideMerge(Logs),
    Layer.provideMerge(Metadata),
    Layer.provideMerge(Storage),
    Layer.provideMerge(Base)
  )
}

/** A whole node as a layer; it serves when the layer is built. */
export const layer = (values: Partial<NodeConfigValues>) =>
  Layer.unwrap(Effect.map(NodeConfig, layerNode)).pipe(
    Layer.provideMerge(NodeConfig.layer(values)),
    Layer.provide(layerLogging({ logFormat: values.logFormat ?? "pretty", logLevel: values.logLevel ?? "info" }))
  )

/** Starts a node for callers outside of Effect. Rejects with the typed error that stopped the start. */
export const startStandalone = async (values: NodeConfigValues): Promise<RunningNode> => {
  const startedAt = values.durability === "ephemeral" ? performance.now() : 0
  const scope = Scope.makeUnsafe()
  const logging = layerLogging(values)
  const close = (exit: Exit.Exit<unknown, unknown>) =>
    Effect.runPromise(Scope.close(scope, exit).pipe(Effect.provide(logging)))
  const built = await Effect.runPromiseExit(
    Layer.build(layer(values)).pipe(Scope.provide(scope), Effect.provide(logging))
  )
  if (Exit.isFailure(built)) {
    await close(built)
    throw Cause.squash(built.cause)
  }
  // Behind the start, which it would make 7 ms longer where there is one.
  setImmediate(() => void installNativeCrc32c())
  const started = Context.get(built.value, Started)
  const report = started.report(performance.now() - startedAt)
  let closing: Promise<void> | undefined
  return {
    host: report.host,
    port: report.port,
    bootstrap: `${report.advertisedHost}:${report.advertisedPort}`,
    report,
    failed: Effect.runPromise(Effect.raceFirst(started.failure, Effect.never)),
    close: () => (closing ??= close(Exit.void))
  }
}
