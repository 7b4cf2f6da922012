/**
 * The rules of compaction on a node without its network: when a pass is due, what it leaves, and what happens when the disk is
 * full or damaged, or somebody reads. That a crash anywhere is harmless is `cleanEverywhere.test.ts`.
 */
import { Prng } from "@chronik-effect/core/base/Prng.ts"
import type { Command } from "@chronik-effect/core/metadata/Command.ts"
import { buildBatch, type RecordInput } from "@chronik-effect/core/record/BatchBuilder.ts"
import * as RecordBatch from "@chronik-effect/core/record/RecordBatch.ts"
import { readAllRecords } from "@chronik-effect/core/record/Records.ts"
import { decompress } from "@chronik-effect/server/io/Compression.ts"
import { replayProducers } from "@chronik-effect/server/storage/PartitionStoreRead.ts"
import { Effect, Fiber, Logger } from "effect"
import { expect, it } from "vitest"
import {
  type CleaningLife,
  compactedTopic,
  DELETE_RETENTION_MS,
  partitionOf,
  ShiftedTime,
  TOPIC_ID,
  verifyWhole
} from "./CleaningLife.ts"
import { cleanAll } from "./cleanEverywhere.ts"
import { KeyedLog } from "./KeyedLog.ts"
import { handOver, readAll } from "./Promises.ts"
import { SimulatedDisk } from "./SimulatedDisk.ts"
import { startStack } from "./StorageStack.ts"

interface World extends CleaningLife {
  readonly disk: SimulatedDisk
}

const FOLDER = `/data/topics/kv-0.${TOPIC_ID}`

/** A node with one topic of these configs; everything that it reports as an error is collected. */
const onNode = (
  configs: Readonly<Record<string, string>>,
  body: (world: World, errors: ReadonlyArray<string>) => Effect.Effect<void, unknown>,
  minLagMs = 0
): Promise<void> => {
  const time = new ShiftedTime()
  const errors: Array<string> = []
  const logger = Logger.make(({ logLevel, message }) => {
    if (logLevel === "Error") errors.push(String(message))
  })
  return Effect.runPromise(
    Effect.gen(function* () {
      const disk = new SimulatedDisk(1)
      const stack = yield* startStack(disk.service, { warmBytes: 0 })
      yield* stack.metadata.propose(stack.registration, 60_000)
      yield* stack.metadata.propose(compactedTopic(configs), 60_000)
      stack.begin()
      const log = new KeyedLog(DELETE_RETENTION_MS, minLagMs)
      yield* body({ stack, log, random: new Prng(1), time, isAlive: () => true, disk }, errors)
      log.hold()
      yield* stack.close
    }).pipe(time.provide, Effect.provide(Logger.layer([logger])))
  )
}

const append = (world: World, batches: number) =>
  Effect.forEach(Array.from({ length: batches }), () =>
    world.log.append(partitionOf(world.stack), world.random, world.stack.stores.context.nowMillis(), () => true)
  )

/** Moves everything into files. */
const settle = ({ stack }: World) => stack.settler.settleNow(partitionOf(stack).store)

const record = (key: string | null, value: string | null, timestamp: number): RecordInput => ({
  key: key === null ? null : Buffer.from(key),
  value: value === null ? null : Buffer.from(value),
  timestamp
})

const send = (world: World, ...records: ReadonlyArray<RecordInput>) =>
  Effect.map(handOver(partitionOf(world.stack), buildBatch(records)), ({ errorCode }) => expect(errorCode).toBe(0))

/** Offset, key and value of every record that can be read. */
const shown = (world: World) =>
  Effect.gen(function* () {
    const partition = partitionOf(world.stack)
    const bytes = yield* readAll(partition, partition.logStartOffset, partition.highWatermark)
    const found: Array<readonly [number, string, string | null]> = []
    for (let pos = 0; pos < bytes.length; pos += RecordBatch.sizeInBytes(bytes, pos)) {
      const batch = bytes.slice(pos, pos + RecordBatch.sizeInBytes(bytes, pos))
      for (const { offset, key, value } of readAllRecords(batch, 0, decompress, 1 << 24)!) {
        found.push([offset, String(key === null ? null : Buffer.from(key)), value && String(Buffer.from(value))])
      }
    }
    return found
  })

const filesOf = ({ stack }: World) => partitionOf(stack).store.segments.files

/** What is in the partition's directory other than segments, their indexes, epochs and producers. */
const namesBeside = ({ disk }: World) =>
  disk.service
    .list(FOLDER)
    .filter((name) => !/^(\d{20}\.(log|index|timeindex)|leader-epoch-checkpoint|producers\.\d)$/.test(name))

/** The remover works in the background. */
const until = (holds: () => boolean) =>
  Effect.whileLoop({ while: () => !holds(), body: () => Effect.yieldNow, step: () => {} })

it("keeps the newest value of each key, where it was, and puts small files together", () =>
  onNode({}, (world) =>
    Effect.gen(function* () {
      for (let i = 0; i < 5; i++) {
        yield* append(world, 20)
        yield* settle(world)
        yield* cleanAll(world.stack)
        yield* verifyWhole(world)
      }
      const { stats } = world.stack.cleaner
      expect(stats.passes).toBeGreaterThanOrEqual(5)
      expect(stats.bytesWritten).toBeLessThan(stats.bytesRead / 2)
      expect(filesOf(world).length).toBe(1)
      expect(partitionOf(world.stack).store.cleanedOffset).toBe(world.log.end)
      yield* until(() => namesBeside(world).length === 0)
    })
  ))

it("leaves records alone that are younger than min.compaction.lag.ms", () =>
  onNode(
    { "min.compaction.lag.ms": "50000" },
    (world) =>
      Effect.gen(function* () {
        yield* append(world, 30)
        yield* settle(world)
        yield* cleanAll(world.stack)
        expect(world.stack.cleaner.stats.passes).toBe(0)
        yield* verifyWhole(world)
        world.time.shiftMs += 50_001
        yield* cleanAll(world.stack)
        expect(world.stack.cleaner.stats.passes).toBeGreaterThan(0)
        yield* verifyWhole(world)
      }),
    50_000
  ))

it("is forced by max.compaction.lag.ms, out of the WAL too, whatever the dirty ratio", () =>
  onNode({ "min.cleanable.dirty.ratio": "1", "max.compaction.lag.ms": "100000" }, (world) =>
    Effect.gen(function* () {
      yield* append(world, 15)
      yield* cleanAll(world.stack)
      expect(filesOf(world).length).toBe(0)
      world.time.shiftMs += 99_000
      yield* cleanAll(world.stack)
      expect(filesOf(world).length).toBe(0)
      world.time.shiftMs += 2_000
      yield* cleanAll(world.stack)
      expect(world.stack.cleaner.stats.passes).toBe(1)
      expect(partitionOf(world.stack).store.cleanedOffset).toBe(world.log.end)
      yield* verifyWhole(world)
    })
  ))

it("takes a tombstone delete.retention.ms after it was first cleaned, and not before, with nothing else to do", () =>
  onNode({}, (world) =>
    Effect.gen(function* () {
      const now = world.stack.stores.context.nowMillis()
      yield* send(world, record("a", "1", now), record("b", "1", now), record("a", null, now))
      yield* settle(world)
      // Written long before its first cleaning: the time counts from there.
      world.time.shiftMs += 10 * DELETE_RETENTION_MS
      yield* cleanAll(world.stack)
      const left = [
        [1, "b", "1"],
        [2, "a", null]
      ]
      expect(yield* shown(world)).toEqual(left)
      world.time.shiftMs += DELETE_RETENTION_MS - 5_000
      yield* cleanAll(world.stack)
      expect(yield* shown(world)).toEqual(left)
      world.time.shiftMs += 5_000
      yield* cleanAll(world.stack)
      expect(yield* shown(world)).toEqual([[1, "b", "1"]])
      expect(partitionOf(world.stack).highWatermark).toBe(3)
      // And nothing more comes of it.
      expect(world.stack.stores.context.uncleaned.size).toBe(0)
    })
  ))

it("makes several passes when the keys do not fit into the memory for them", () =>
  onNode({}, (world) =>
    Effect.gen(function* () {
      const now = world.stack.stores.context.nowMillis()
      for (let round = 0; round < 2; round++) {
        for (let i = 0; i < 60; i++) {
          yield* send(world, ...Array.from({ length: 10 }, (_, j) => record(`key-${i * 10 + j}`, `v${round}`, now)))
        }
      }
      yield* settle(world)
      yield* cleanAll(world.stack)
      expect(world.stack.cleaner.stats.passes).toBeGreaterThan(3)
      const found = yield* shown(world)
      // A pass compares with the keys of its own part of the log only: all newest values are there, and nothing else moved.
      for (let i = 0; i < 600; i++) expect(found).toContainEqual([600 + i, `key-${i}`, "v1"])
      expect(partitionOf(world.stack).store.cleanedOffset).toBe(1_200)
    })
  ))

it("reports a key that does not fit into the memory at all, and does not try for ever", () =>
  onNode({}, (world, errors) =>
    Effect.gen(function* () {
      yield* send(world, record("k".repeat(9_000), "1", 1), record("a", "1", 1))
      yield* settle(world)
      yield* cleanAll(world.stack)
      expect(world.stack.cleaner.stats.uncleanable).toBe(1)
      expect(errors.join()).toContain("log.cleaner.dedupe.buffer.size=8192")
    })
  ))

it("gives up the pass and nothing else when the disk is full, and makes it later", () =>
  onNode({}, (world, errors) =>
    Effect.gen(function* () {
      yield* append(world, 40)
      yield* settle(world)
      for (const operation of ["open", "write", "datasync", "rename", "syncDirectory"] as const) {
        world.disk.refuse = (asked, path) =>
          asked === operation && (path.includes(".cleaned") || path === FOLDER) ? "ENOSPC" : undefined
        expect(yield* world.stack.cleaner.round).toBe(0)
        yield* verifyWhole(world)
        yield* append(world, 1)
        expect(world.disk.service.list(FOLDER).filter((name) => /cleaned|swap/.test(name))).toEqual([])
      }
      world.disk.refuse = () => undefined
      expect(world.stack.cleaner.stats.passes).toBe(0)
      yield* cleanAll(world.stack)
      expect(world.stack.cleaner.stats.passes).toBeGreaterThan(0)
      yield* verifyWhole(world)
      expect(errors).toEqual([])
    })
  ))

it("serves from the cleaned file while its names cannot be changed, and finishes them later", () =>
  onNode({}, (world) =>
    Effect.gen(function* () {
      yield* append(world, 40)
      yield* settle(world)
      world.disk.refuse = (asked, path) => (asked === "rename" && path.endsWith(".log") ? "ENOSPC" : undefined)
      yield* world.stack.cleaner.round
      const { segments } = partitionOf(world.stack).store
      expect(segments.unfinished.length).toBe(1)
      yield* verifyWhole(world)
      world.disk.refuse = () => undefined
      yield* cleanAll(world.stack)
      expect(segments.unfinished.length).toBe(0)
      expect(world.disk.service.list(FOLDER).filter((name) => /cleaned|swap/.test(name))).toEqual([])
      yield* verifyWhole(world)
    })
  ))

const secondTopic: Command = {
  ...(compactedTopic() as Extract<Command, { _tag: "CreateTopic" }>),
  name: "other",
  topicId: `${TOPIC_ID.slice(0, 21)}B`
}

it("reports a damaged file, leaves its partition alone, and cleans the others", () =>
  onNode({}, (world, errors) =>
    Effect.gen(function* () {
      const { stack } = world
      yield* stack.metadata.propose(secondTopic, 60_000)
      yield* append(world, 40)
      const other = stack.partitions.find("other", 0)!
      for (let i = 0; i < 20; i++) yield* handOver(other, buildBatch([record("k", `${i}`, 1)]))
      yield* settle(world)
      yield* stack.settler.settleNow(other.store)
      const path = filesOf(world)[0]!.logPath
      world.disk.service.open(path, "write").write(new Uint8Array([0x55, 0x55, 0x55]), 0, 3, 700)
      yield* cleanAll(stack)
      expect(stack.cleaner.stats.uncleanable).toBe(1)
      expect(errors.filter((line) => line.includes("is not compacted any more")).length).toBe(1)
      expect(filesOf(world)[0]!.logPath).toBe(path)
      expect(other.store.cleanedOffset).toBe(20)
      expect(other.store.segments.bytes).toBeLessThan(300)
      yield* cleanAll(stack)
      expect(errors.filter((line) => line.includes("is not compacted any more")).length).toBe(1)
    })
  ))

it("drops records without a key when a topic becomes a compacted one", () =>
  onNode({ "cleanup.policy": "delete" }, (world) =>
    Effect.gen(function* () {
      yield* send(world, record(null, "1", 1), record("a", "1", 1), record("a", "2", 1), record(null, "2", 1))
      yield* settle(world)
      yield* cleanAll(world.stack)
      expect(world.stack.cleaner.stats.passes).toBe(0)
      const changes = [{ name: "cleanup.policy", op: 0 as const, value: "compact" }]
      yield* world.stack.metadata.propose(
        { _tag: "AlterConfigs", resourceType: 2, resource: TOPIC_ID, changes },
        60_000
      )
      yield* cleanAll(world.stack)
      expect(yield* shown(world)).toEqual([[2, "a", "2"]])
    })
  ))

it("keeps what producers need, in the files themselves", () =>
  onNode({}, (world) =>
    Effect.gen(function* () {
      const numbered = { producerId: 5, producerEpoch: 2, baseSequence: 30 }
      yield* handOver(partitionOf(world.stack), buildBatch([record("a", "1", 1), record("a", "2", 1)], numbered))
      yield* handOver(partitionOf(world.stack), buildBatch([record("a", "3", 1)], { ...numbered, producerId: 6 }))
      yield* send(world, record("a", "4", 1))
      yield* settle(world)
      yield* cleanAll(world.stack)
      expect(yield* shown(world)).toEqual([[3, "a", "4"]])
      const { store } = partitionOf(world.stack)
      const numbers = () =>
        [...store.producers.entries()].map((one) => [one.producerId, one.epoch, one.lastSequence]).sort()
      expect(numbers()).toEqual([
        [5, 2, 31],
        [6, 2, 30]
      ])
      replayProducers(store)
      expect(numbers()).toEqual([
        [5, 2, 31],
        [6, 2, 30]
      ])
    })
  ))

it("answers a reader with records behind batches that have none, however small its limit", () =>
  onNode({}, (world) =>
    Effect.gen(function* () {
      for (let i = 0; i < 20; i++) yield* send(world, record("a", `${i}`, 1))
      yield* send(world, record("b", "x".repeat(2_000), 1))
      yield* settle(world)
      yield* cleanAll(world.stack)
      const { store } = partitionOf(world.stack)
      const read = yield* store.readCold(store.read(0, 21, 70, true).cold!)
      // The filler for 19 records that are gone, and the next batch, which is larger than the limit.
      expect(read.nextOffset).toBe(20)
      expect(read.hasRecords).toBe(true)
      for (const lease of read.leases) lease.release()
    })
  ))

it("compacts and removes where the policy names both", () =>
  onNode({ "cleanup.policy": "compact,delete", "retention.ms": "100000" }, (world) =>
    Effect.gen(function* () {
      yield* append(world, 30)
      yield* settle(world)
      yield* cleanAll(world.stack)
      yield* verifyWhole(world)
      expect(world.stack.cleaner.stats.passes).toBeGreaterThan(0)
      world.time.shiftMs += 200_000
      yield* world.stack.retention.round
      expect(partitionOf(world.stack).logStartOffset).toBe(world.log.end)
      expect(filesOf(world)).toEqual([])
    })
  ))

it("knows after a crash what producers wrote whose records were deleted, from files and from the WAL", () =>
  onNode({ "cleanup.policy": "delete" }, (world) =>
    Effect.gen(function* () {
      const numbered = (baseSequence: number, producerId: number) =>
        buildBatch([record("a", "1", 1)], { producerId, producerEpoch: 1, baseSequence })
      yield* handOver(partitionOf(world.stack), numbered(4, 5))
      yield* settle(world)
      yield* handOver(partitionOf(world.stack), numbered(9, 6))
      expect(yield* partitionOf(world.stack).deleteRecords(2)).toBe(2)
      const left = world.disk.crash("lost", 1)
      const again = yield* startStack(left.service)
      const { store } = partitionOf(again)
      expect(store.logStartOffset).toBe(2)
      const now = again.stores.context.nowMillis()
      expect(store.producers.check(numbered(4, 5), 0, now).duplicate?.baseOffset).toBe(0)
      expect(store.producers.check(numbered(9, 6), 0, now).duplicate?.baseOffset).toBe(1)
      expect(store.producers.check(numbered(6, 5), 0, now).errorCode).toBe(45)
      yield* again.close
    })
  ))

it("lets a reader of removed records end what it has begun, and tells the next one", () =>
  onNode({ "cleanup.policy": "delete" }, (world) =>
    Effect.gen(function* () {
      yield* append(world, 40)
      yield* settle(world)
      const { store } = partitionOf(world.stack)
      const { logPath } = filesOf(world)[0]!
      const plan = store.read(0, world.log.end, 500, true).cold!
      const other = store.read(0, world.log.end, 500, true).cold!
      const reading = yield* Effect.forkChild(store.readCold(plan), { startImmediately: true })
      expect(yield* partitionOf(world.stack).deleteRecords(world.log.end)).toBe(world.log.end)
      const read = yield* Fiber.join(reading)
      expect(read.bytes).toBeGreaterThan(0)
      expect(RecordBatch.verifyCrc(read.slices[0]!, 0)).toBe(true)
      for (const lease of read.leases) lease.release()
      const late = yield* store.readCold(other)
      expect(late.bytes).toBe(0)
      yield* until(() => !world.disk.service.exists(logPath))
    })
  ))
