/** A node that has a WAL, partition logs and a settler, on a simulated disk, and a model of what the logs must hold. Tests only. */
import { concatBytes } from "@chronik-effect/core/base/Bytes.ts"
import type { TopicSettings } from "@chronik-effect/core/config/TopicSettings.ts"
import { buildBatch } from "@chronik-effect/core/record/BatchBuilder.ts"
import * as RecordBatch from "@chronik-effect/core/record/RecordBatch.ts"
import { FrameKind } from "@chronik-effect/core/wal/Block.ts"
import { compress, decompress } from "@chronik-effect/server/io/Compression.ts"
import { Disk } from "@chronik-effect/server/io/Disk.ts"
import type { PartitionStore, Read } from "@chronik-effect/server/storage/PartitionStore.ts"
import * as PartitionStoresModule from "@chronik-effect/server/storage/PartitionStores.ts"
import { PartitionStores } from "@chronik-effect/server/storage/PartitionStores.ts"
import * as RetentionModule from "@chronik-effect/server/storage/Retention.ts"
import { Retention } from "@chronik-effect/server/storage/Retention.ts"
import * as SettlerModule from "@chronik-effect/server/storage/Settler.ts"
import { Settler } from "@chronik-effect/server/storage/Settler.ts"
import { Wal, WalEvents } from "@chronik-effect/server/storage/Wal.ts"
import * as WalLayer from "@chronik-effect/server/storage/WalLayer.ts"
import { Context, Effect, Exit, Layer, Scope } from "effect"

export const DATA = "/data"
export const CHUNK_BYTES = 64 * 1024

export const SETTINGS: TopicSettings = {
  deletes: true,
  compacts: false,
  retentionMs: -1,
  retentionBytes: -1,
  segmentBytes: 200_000,
  segmentMs: 604_800_000,
  segmentJitterMs: 0,
  segmentIndexBytes: 10_485_760,
  indexIntervalBytes: 4096,
  fileDeleteDelayMs: 0,
  deleteRetentionMs: 0,
  minCompactionLagMs: 0,
  maxCompactionLagMs: 0,
  minCleanableDirtyRatio: 0.5,
  maxMessageBytes: 1_048_588,
  timestampType: "CreateTime",
  timestampBeforeMaxMs: Number.MAX_SAFE_INTEGER,
  timestampAfterMaxMs: 3_600_000,
  compressionType: "producer",
  compressionGzipLevel: -1,
  compressionLz4Level: 9,
  compressionZstdLevel: 3,
  minInsyncReplicas: 1,
  uncleanLeaderElection: false
}

export interface World {
  readonly wal: Wal["Service"]
  readonly stores: PartitionStores["Service"]
  readonly settler: Settler["Service"]
  readonly retention: Retention["Service"]
  readonly close: Effect.Effect<void>
}

export interface WorldOptions {
  readonly dataDir?: string
  readonly chunkBytes?: number
  readonly warmBytes?: number
}

export const topicIdOf = (stream: number): string => `topic${stream}`.padEnd(22, "A")

/** Starts a node on `disk`; the settler waits for `settler.begin()`. */
export const start = (disk: Disk["Service"], options: WorldOptions = {}): Effect.Effect<World, unknown> =>
  Effect.gen(function* () {
    const scope = yield* Scope.make()
    const dataDir = options.dataDir ?? DATA
    let onSealed: (sequence: number) => void = () => {}
    const events = Layer.succeed(
      WalEvents,
      WalEvents.of({ committed: () => {}, failed: () => {}, sealed: (sequence) => onSealed(sequence) })
    )
    const wal = WalLayer.layer({
      directory: disk.join(dataDir, "wal"),
      durability: "durable",
      chunkBytes: options.chunkBytes ?? CHUNK_BYTES,
      segmentChunks: 4,
      blockBytesMax: 32 * 1024,
      metadataReserveBytes: 8 * 1024
    }).pipe(Layer.provide(events))
    const warm = options.warmBytes === undefined ? {} : { warmBytes: options.warmBytes }
    const layers = Layer.mergeAll(SettlerModule.layer, RetentionModule.layer({ checkIntervalMs: 300_000 })).pipe(
      Layer.provideMerge(PartitionStoresModule.layer({ dataDir, decompress, ...warm })),
      Layer.provideMerge(wal),
      Layer.provide(Layer.succeed(Disk, disk))
    )
    const built = yield* Effect.exit(Scope.provide(Layer.build(layers), scope))
    if (Exit.isFailure(built)) {
      yield* Scope.close(scope, built)
      return yield* Effect.failCause(built.cause)
    }
    const settler = Context.get(built.value, Settler)
    onSealed = (sequence) => settler.sealed(sequence)
    return {
      wal: Context.get(built.value, Wal),
      stores: Context.get(built.value, PartitionStores),
      settler,
      retention: Context.get(built.value, Retention),
      close: Scope.close(scope, Exit.void)
    }
  })

export const openStream = (world: World, stream: number, settings: TopicSettings = SETTINGS): PartitionStore =>
  world.stores.open({ topic: "t", topicId: topicIdOf(stream), partition: stream, stream, settings: () => settings })

export interface BatchShape {
  readonly records: number
  readonly bytes: number
  readonly timestamp?: number
  readonly codec?: RecordBatch.Codec
  readonly producer?: { readonly id: number; readonly epoch: number; readonly sequence: number }
}

let salt = 0
export const makeBatch = (shape: BatchShape): Uint8Array => {
  const value = new Uint8Array(Math.max(1, Math.floor(shape.bytes / shape.records)))
  const records = Array.from({ length: shape.records }, (_, i) => {
    // A multiplicative walk: bytes that do not compress away and differ from batch to batch.
    for (let j = 0, x = ++salt * 2_654_435_761; j < value.length; j += 7) value[j] = x = (x * 31 + j) >>> 0
    return { timestamp: (shape.timestamp ?? 1000) + i, value: value.slice() }
  })
  const { producer, codec } = shape
  return buildBatch(records, {
    ...(codec === undefined ? {} : { codec, compress }),
    ...(producer === undefined
      ? {}
      : { producerId: producer.id, producerEpoch: producer.epoch, baseSequence: producer.sequence })
  })
}

/** What `Partition` does in its serial section. Answers the batch as it lies in the log, or undefined for no room. */
export const append = (world: World, store: PartitionStore, batch: Uint8Array, epoch = 0): Uint8Array | undefined => {
  const base = store.logEndOffset
  const end = base + RecordBatch.lastOffsetDelta(batch, 0) + 1
  const address = world.wal.reserve(FrameKind.Batch, store.stream, batch.length, end)
  if (address < 0) return undefined
  RecordBatch.setBaseOffset(batch, 0, base)
  RecordBatch.setPartitionLeaderEpoch(batch, 0, epoch)
  world.wal.chunkAt(address).set(batch, world.wal.placeAt(address))
  store.indexed(base, end, address, batch.length, RecordBatch.maxTimestamp(batch, 0))
  store.producers.appended(batch, 0, base, 1000)
  return batch
}

/** Appends, waiting for room as long as it takes. */
export const appendWaiting = (world: World, store: PartitionStore, batch: Uint8Array, epoch = 0) =>
  Effect.gen(function* () {
    for (let i = 0; i < 10_000; i++) {
      const appended = append(world, store, batch, epoch)
      if (appended !== undefined) return appended
      yield* world.wal.room
      yield* Effect.yieldNow
    }
    throw new Error("the WAL never had room")
  })

/** Everything from `offset` on, in reads of `maxBytes`, through cold reads where need be. */
export const readAll = (store: PartitionStore, offset: number, endOffset: number, maxBytes: number) =>
  Effect.gen(function* () {
    const parts: Array<Uint8Array> = []
    let at = offset
    while (at < endOffset) {
      let read: Read = store.read(at, endOffset, maxBytes, true)
      if (read.cold !== undefined) read = yield* store.readCold(read.cold)
      if (read.bytes === 0) break
      let bytes = 0
      for (const slice of read.slices) bytes += slice.length
      if (bytes !== read.bytes) throw new Error(`a read of ${read.bytes} bytes has slices of ${bytes}`)
      parts.push(...read.slices.map((slice) => slice.slice()))
      for (const lease of read.leases) lease.release()
      if (read.nextOffset <= at) throw new Error(`a read at ${at} went on at ${read.nextOffset}`)
      at = read.nextOffset
    }
    return concatBytes(parts)
  })

/** One partition as it must be: whole batches, in order. */
export class ModelLog {
  batches: Array<{ readonly base: number; readonly end: number; readonly bytes: Uint8Array }> = []
  start = 0

  get end(): number {
    return this.batches.at(-1)?.end ?? this.start
  }
  add(bytes: Uint8Array): void {
    const base = RecordBatch.baseOffset(bytes, 0)
    this.batches.push({ base, end: RecordBatch.endOffset(bytes, 0), bytes })
  }
  truncateTo(offset: number): void {
    this.batches = this.batches.filter((batch) => batch.end <= offset)
  }
  from(offset: number): Uint8Array {
    return concatBytes(this.batches.filter((batch) => batch.end > offset).map((batch) => batch.bytes))
  }
}
