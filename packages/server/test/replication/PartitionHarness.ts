/** A WAL, partition logs and the batch proposer on a simulated disk, and partitions made by hand. Tests only. */

import type { ErrorCode } from "@chronik-effect/core/model/ErrorCode.ts"
import { buildBatch } from "@chronik-effect/core/record/BatchBuilder.ts"
import * as RecordBatch from "@chronik-effect/core/record/RecordBatch.ts"
import { decompress } from "@chronik-effect/server/io/Compression.ts"
import { Disk } from "@chronik-effect/server/io/Disk.ts"
import { Append } from "@chronik-effect/server/replication/Append.ts"
import * as BatchProposerModule from "@chronik-effect/server/replication/BatchProposer.ts"
import { BatchProposer } from "@chronik-effect/server/replication/BatchProposer.ts"
import { Partition } from "@chronik-effect/server/replication/Partition.ts"
import * as PartitionStoresModule from "@chronik-effect/server/storage/PartitionStores.ts"
import { PartitionStores } from "@chronik-effect/server/storage/PartitionStores.ts"
import { Wal, type WalOptions } from "@chronik-effect/server/storage/Wal.ts"
import * as WalLayer from "@chronik-effect/server/storage/WalLayer.ts"
import { Context, Effect, Layer, Logger, Scope } from "effect"
import { SETTINGS } from "../storage/PartitionStoreWorld.ts"
import type { DiskFaulty } from "../support/DiskFaulty.ts"

export interface Node {
  readonly wal: Wal["Service"]
  readonly proposer: BatchProposer["Service"]
  /** Each stream once. */
  readonly partition: (stream: number, leaderEpoch?: number) => Partition
}

export const startNode = (
  disk: DiskFaulty,
  options: Partial<WalOptions> = {}
): Effect.Effect<Node, unknown, Scope.Scope> =>
  Effect.gen(function* () {
    const scope = yield* Effect.scope
    const layers = PartitionStoresModule.layer({ dataDir: "/data", decompress }).pipe(
      Layer.provideMerge(
        WalLayer.layer({
          directory: "/data/wal",
          durability: "durable",
          chunkBytes: 64 * 1024,
          segmentChunks: 4,
          blockBytesMax: 32 * 1024,
          metadataReserveBytes: 8 * 1024,
          ...options
        })
      ),
      Layer.provideMerge(Layer.mergeAll(BatchProposerModule.layer, Layer.succeed(Disk, disk.service)))
    )
    const built = yield* Layer.build(layers)
    const wal = Context.get(built, Wal)
    const proposer = Context.get(built, BatchProposer)
    const stores = Context.get(built, PartitionStores)
    const runFork = Effect.runForkWith(yield* Effect.context<never>())
    return {
      wal,
      proposer,
      partition: (stream, leaderEpoch = 0) => {
        const identity = {
          topic: "t",
          topicId: `topic${stream}`.padEnd(22, "A"),
          partition: stream,
          stream,
          settings: () => SETTINGS
        }
        const parts = {
          ...identity,
          leaderEpoch,
          replicas: 1,
          inSyncReplicas: 1,
          internal: false,
          store: stores.open(identity),
          settings: SETTINGS,
          wal,
          nowMicros: () => disk.operations,
          nowMillis: () => 1_000
        }
        const partition = new Partition(parts, (start) => void runFork(Scope.provide(start, scope)))
        proposer.register(stream, {
          durable: (endOffset) => partition.durable(endOffset),
          failed: () => partition.close(56)
        })
        return partition
      }
    }
  })

/** Runs a test in a scope of its own, without logs. */
export const run = <A>(effect: Effect.Effect<A, unknown, Scope.Scope>): Promise<A> =>
  Effect.runPromise(Effect.scoped(effect).pipe(Effect.provide(Logger.layer([]))))

/** What became of appends, in the order in which it was told: `sender: code@offset`. */
export class Answers {
  readonly told: Array<string> = []
  copied = 0

  send(partition: Partition, sender: string, batch: Uint8Array, acks = -1): void {
    const waiter = {
      copied: () => void this.copied++,
      appended: (append: Append, errorCode: ErrorCode) =>
        void this.told.push(`${sender}: ${errorCode === 0 ? `at ${append.baseOffset}` : `error ${errorCode}`}`)
    }
    partition.append(new Append(waiter, undefined, batch, 0, batch.length, acks))
  }
}

export const batchOf = (records: number, bytes = 40, producer?: { readonly id: number; readonly sequence: number }) =>
  buildBatch(
    Array.from({ length: records }, () => ({ timestamp: 1_000, value: new Uint8Array(bytes).fill(7) })),
    producer === undefined ? {} : { producerId: producer.id, producerEpoch: 0, baseSequence: producer.sequence }
  )

/** Base offsets of what a reader gets of all that is committed. */
export const readOffsets = (partition: Partition): ReadonlyArray<number> => {
  const offsets: Array<number> = []
  let at = partition.logStartOffset
  while (at < partition.highWatermark) {
    const read = partition.read(at, partition.highWatermark, 1_000_000, true)
    for (const slice of read.slices) {
      for (let pos = 0; pos < slice.length; pos += RecordBatch.sizeInBytes(slice, pos)) {
        offsets.push(RecordBatch.baseOffset(slice, pos))
      }
    }
    for (const lease of read.leases) lease.release()
    at = read.nextOffset
  }
  return offsets
}

export const until = (what: string, holds: () => boolean): Effect.Effect<void> =>
  Effect.gen(function* () {
    for (let turns = 0; turns < 5_000; turns++) {
      if (holds()) return
      yield* Effect.yieldNow
    }
    throw new Error(`never came: ${what}`)
  })

export const turns = (count: number) => Effect.repeat(Effect.yieldNow, { times: count - 1 })
