import type { DiskOperation } from "@chronik-effect/server/io/Disk.ts"
import * as SnapshotFile from "@chronik-effect/server/metadata/SnapshotFile.ts"
import { Effect, Logger } from "effect"
import { describe, expect, it } from "vitest"
import { makeBatch, Promises } from "./Promises.ts"
import { creation } from "./Script.ts"
import { SimulatedDisk } from "./SimulatedDisk.ts"
import { type StorageStack, startStack } from "./StorageStack.ts"

const FOLDER = "/data/metadata"
const TOPIC = "T00000000000000000000A"
const PRODUCER = 7

const run = <A>(effect: Effect.Effect<A, unknown>): Promise<A> =>
  Effect.runPromise(effect.pipe(Effect.provide(Logger.layer([]))))

const snapshot = (endOffset: number, payload: ReadonlyArray<number>): SnapshotFile.StoredSnapshot => ({
  endOffset,
  term: 1,
  configuration: { voters: [{ node: 1, directoryId: "directory" }], learners: [] },
  payload: new Uint8Array(payload)
})

/** A start that is held against everything promised, registers, and lets the settler begin. */
const begin = Effect.fnUntraced(function* (disk: SimulatedDisk, promises: Promises) {
  const stack = yield* startStack(disk.service)
  yield* promises.verify(stack)
  yield* promises.propose(stack, stack.registration, () => disk.alive)
  stack.begin()
  return stack
})

/** Appends until the WAL segments of all of it are settled. */
const settle = Effect.fnUntraced(function* (
  disk: SimulatedDisk,
  stack: StorageStack,
  promises: Promises,
  producerId: number
) {
  const partition = stack.partitions.findById(TOPIC, 0)!
  const log = promises.log("t", TOPIC, 0)
  const from = stack.settler.stats.segments
  for (let i = 0; i < 200 && stack.settler.stats.segments < from + 2; i++) {
    const batch = makeBatch(1, 2_000, producerId, log.nextSequence(producerId))
    yield* promises.append(partition, log, batch, () => disk.alive)
    yield* Effect.yieldNow
  }
  yield* stack.settler.idle
})

describe("names that were never synced", () => {
  it("a metadata snapshot outlives a power cut, with the folder that it is the first in", () =>
    run(
      Effect.gen(function* () {
        const disk = new SimulatedDisk(1)
        yield* SnapshotFile.make(disk.service, FOLDER).save(snapshot(5, [1, 2, 3]))
        const left = disk.crash("lost", 1)
        expect(SnapshotFile.make(left.service, FOLDER).newest().snapshot?.endOffset).toBe(5)
      })
    ))

  it("a snapshot that a killed process had renamed and not synced is durable once a start has seen it", () =>
    run(
      Effect.gen(function* () {
        const disk = new SimulatedDisk(1)
        const files = SnapshotFile.make(disk.service, FOLDER)
        yield* files.save(snapshot(5, [1]))
        let killed: SimulatedDisk | undefined
        disk.onOperation = (operation) => {
          if (operation === "rename") killed = disk.crash("killed", 1)
        }
        yield* Effect.exit(files.save(snapshot(9, [2])))
        expect(SnapshotFile.make(killed!.service, FOLDER).newest().snapshot?.endOffset).toBe(9)
        const left = killed!.crash("lost", 2)
        expect(SnapshotFile.make(left.service, FOLDER).newest().snapshot?.endOffset).toBe(9)
      })
    ))

  for (const killed of [false, true]) {
    const when = killed ? ", and a kill while its snapshot was made" : ""
    it(`the first producer in a partition that already has files is known after a power cut${when}`, () =>
      run(
        Effect.gen(function* () {
          let disk = new SimulatedDisk(1)
          const promises = new Promises()
          let stack = yield* begin(disk, promises)
          yield* promises.propose(stack, creation("t", TOPIC, 1), () => true)
          yield* promises.propose(stack, large(), () => true)
          yield* settle(disk, stack, promises, -1)
          if (killed) {
            disk = yield* killedIn(disk, stack, settle(disk, stack, promises, PRODUCER), "open", "producers.0")
            stack = yield* begin(disk, promises)
          }
          yield* settle(disk, stack, promises, PRODUCER)
          // Out of the WAL, so that only the snapshot knows it.
          yield* settle(disk, stack, promises, -1)
          const left = disk.crash("lost", 1)
          yield* stack.close
          const again = yield* begin(left, promises)
          yield* again.close
        })
      ))
  }

  it("a partition's folder that a killed process had made is durable once a start has settled into it", () =>
    run(
      Effect.gen(function* () {
        const disk = new SimulatedDisk(1)
        const promises = new Promises()
        const stack = yield* begin(disk, promises)
        yield* promises.propose(stack, creation("t", TOPIC, 1), () => true)
        const killed = yield* killedIn(disk, stack, settle(disk, stack, promises, PRODUCER), "makeDirectory", TOPIC)
        const second = yield* begin(killed, promises)
        yield* settle(killed, second, promises, PRODUCER)
        const left = killed.crash("lost", 2)
        yield* second.close
        const third = yield* begin(left, promises)
        yield* third.close
      })
    ))
})

/** One file a partition for all of the test. */
const large = () =>
  ({
    _tag: "AlterConfigs",
    resourceType: 2,
    resource: TOPIC,
    changes: [
      { name: "segment.bytes", op: 0, value: "100000000" },
      { name: "retention.bytes", op: 0, value: "-1" }
    ]
  }) as const

/** Works until the process is killed at the first such operation. Answers what the next process finds. */
const killedIn = Effect.fnUntraced(function* (
  disk: SimulatedDisk,
  stack: StorageStack,
  work: Effect.Effect<unknown, unknown>,
  operation: DiskOperation,
  suffix: string
) {
  let killed: SimulatedDisk | undefined
  disk.onOperation = (done, path) => {
    if (killed === undefined && done === operation && path.endsWith(suffix)) killed = disk.crash("killed", 1)
  }
  yield* Effect.raceFirst(
    Effect.exit(work),
    untilTrue(() => killed !== undefined)
  )
  yield* stack.close
  if (killed === undefined) throw new Error(`the node never came to ${operation} ${suffix}`)
  return killed
})

const untilTrue = (holds: () => boolean) =>
  Effect.gen(function* () {
    while (!holds()) yield* Effect.yieldNow
  })
