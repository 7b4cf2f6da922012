/**
 * A node without its network, on a disk that the test brings: the layers of `Standalone.ts` from the disk up to the
 * partitions, wired in the same order and connected the same way, with a WAL small enough that a few hundred appends seal,
 * settle, carry and recycle its segments.
 */
import type { Command } from "@chronik-effect/core/metadata/Command.ts"
import type { MetadataImage } from "@chronik-effect/core/metadata/MetadataImage.ts"
import { NodeConfig } from "@chronik-effect/server/config/NodeConfig.ts"
import { compress, decompress } from "@chronik-effect/server/io/Compression.ts"
import { Disk } from "@chronik-effect/server/io/Disk.ts"
import { MetadataLog, START_BLOCKS } from "@chronik-effect/server/metadata/MetadataLog.ts"
import { MetadataStore } from "@chronik-effect/server/metadata/MetadataStore.ts"
import { METADATA_STREAM } from "@chronik-effect/server/metadata/RaftFrames.ts"
import * as BatchProposer from "@chronik-effect/server/replication/BatchProposer.ts"
import * as Partitions from "@chronik-effect/server/replication/Partitions.ts"
import * as LogCleaner from "@chronik-effect/server/storage/LogCleaner.ts"
import { NodeIdentity } from "@chronik-effect/server/storage/NodeIdentity.ts"
import * as PartitionStores from "@chronik-effect/server/storage/PartitionStores.ts"
import * as Retention from "@chronik-effect/server/storage/Retention.ts"
import * as Settler from "@chronik-effect/server/storage/Settler.ts"
import { Wal } from "@chronik-effect/server/storage/Wal.ts"
import * as WalLayer from "@chronik-effect/server/storage/WalLayer.ts"
import { Context, Effect, Exit, Layer, Scope } from "effect"

export const DATA = "/data"
export const NODE_ID = 1

/** Keys of a few hundred records at a time: larger dirty parts take several passes. */
const CLEANER_LIMITS = { dedupeBufferBytes: 8_192, ioBytesPerSecondMax: Number.POSITIVE_INFINITY }

export interface StorageStack {
  readonly wal: Wal["Service"]
  readonly metadata: MetadataStore["Service"]
  readonly stores: PartitionStores.PartitionStores["Service"]
  readonly settler: Settler.Settler["Service"]
  readonly retention: Retention.Retention["Service"]
  readonly cleaner: LogCleaner.LogCleaner["Service"]
  readonly partitions: Partitions.Partitions["Service"]
  readonly proposer: BatchProposer.BatchProposer["Service"]
  /** As the log gave it back, before this start registered. */
  readonly recoveredImage: MetadataImage
  /** To be proposed once all partitions are open, as `Standalone` does. */
  readonly registration: Command
  /** What `Standalone` does when it has registered: sweeps, and lets the settler begin. */
  readonly begin: () => void
  readonly close: Effect.Effect<void>
}

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

export interface StackOptions {
  /** Data settled longer ago is read through the thread pool, where a crash or a swap can meet the reader. */
  readonly warmBytes?: number
}

const layerOn = (disk: Disk["Service"], options: StackOptions) => {
  const Base = Layer.mergeAll(
    Layer.succeed(Disk, disk),
    BatchProposer.layer,
    NodeConfig.layer({ nodeId: NODE_ID, dataDir: DATA })
  )
  const Storage = WalLayer.layer({
    directory: `${DATA}/wal`,
    durability: "durable",
    chunkBytes: 16 * 1024,
    segmentChunks: 3,
    blockBytesMax: 8 * 1024,
    metadataReserveBytes: 4 * 1024,
    segmentsMax: 6,
    startBlocks: START_BLOCKS + 1
  }).pipe(Layer.provideMerge(NodeIdentity.layer({ directory: DATA, nodeId: NODE_ID, lock: false })))
  const Metadata = Layer.unwrap(
    Effect.map(NodeIdentity, ({ clusterId, nodeId, directoryId }) =>
      MetadataStore.layer({ clusterId }).pipe(
        Layer.provideMerge(
          MetadataLog.layerSingle({ directory: `${DATA}/metadata`, self: { node: nodeId, directoryId } })
        )
      )
    )
  )
  // Rounds are called by the tests: the pause outlives them.
  const settings = () => ({ enabled: true, backoffMs: 3_600_000, ...CLEANER_LIMITS })
  const Logs = LogCleaner.layer({ compress, settings }).pipe(
    Layer.provideMerge(Layer.mergeAll(Settler.layer, Retention.layer({ checkIntervalMs: 3_600_000 }))),
    Layer.provideMerge(PartitionStores.layer({ dataDir: DATA, decompress, ...options }))
  )
  return Partitions.layer.pipe(
    Layer.provideMerge(Connections),
    Layer.provideMerge(Logs),
    Layer.provideMerge(Metadata),
    Layer.provideMerge(Storage),
    Layer.provideMerge(Base)
  )
}

/** Fails with what stopped the start. Nothing is registered and nothing settled before `begin`. */
export const startStack = (disk: Disk["Service"], options: StackOptions = {}): Effect.Effect<StorageStack, unknown> =>
  Effect.gen(function* () {
    const scope = yield* Scope.make()
    const built = yield* Effect.exit(Layer.buildWithScope(layerOn(disk, options), scope))
    if (Exit.isFailure(built)) {
      yield* Scope.close(scope, built)
      return yield* Effect.failCause(built.cause)
    }
    const get = built.value
    const metadata = Context.get(get, MetadataStore)
    const identity = Context.get(get, NodeIdentity)
    const stores = Context.get(get, PartitionStores.PartitionStores)
    const settler = Context.get(get, Settler.Settler)
    const registration: Command = {
      _tag: "RegisterNode",
      nodeId: NODE_ID,
      incarnation: identity.incarnation,
      directoryId: identity.directoryId,
      endpoints: [{ listener: "PLAINTEXT", host: "localhost", port: 9092, securityProtocol: "PLAINTEXT" }],
      rack: null
    }
    return {
      wal: Context.get(get, Wal),
      metadata,
      stores,
      settler,
      retention: Context.get(get, Retention.Retention),
      cleaner: Context.get(get, LogCleaner.LogCleaner),
      partitions: Context.get(get, Partitions.Partitions),
      proposer: Context.get(get, BatchProposer.BatchProposer),
      recoveredImage: metadata.image(),
      registration,
      begin: () => {
        stores.sweep((topicId) => metadata.image().topicById(topicId) !== undefined)
        settler.begin()
      },
      close: Scope.close(scope, Exit.void)
    }
  })
