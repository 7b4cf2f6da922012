import { readInt64 } from "@chronik-effect/core/base/Bytes.ts"
import { readWhole } from "@chronik-effect/server/io/Disk.ts"
import { Deferred, Effect, Exit, Logger } from "effect"
import { expect, it } from "vitest"
import { makeBatch, Promises } from "./Promises.ts"
import { creation } from "./Script.ts"
import { SimulatedDisk } from "./SimulatedDisk.ts"
import { type StorageStack, startStack } from "./StorageStack.ts"

const TOPIC = "T00000000000000000000A"
const PRODUCER = 7

const begin = Effect.fnUntraced(function* (disk: SimulatedDisk, promises: Promises) {
  const stack = yield* startStack(disk.service)
  yield* promises.verify(stack)
  yield* promises.propose(stack, stack.registration, () => disk.alive)
  stack.begin()
  return stack
})

/** `count` bursts of three batches, so that some are on their way to the disk whenever the settler writes a snapshot. */
const produce = Effect.fnUntraced(function* (
  disk: SimulatedDisk,
  stack: StorageStack,
  promises: Promises,
  producerId: number,
  count: number
) {
  const log = promises.log("t", TOPIC, 0)
  for (let i = 0; i < count && disk.alive; i++) {
    const burst = [1, 2, 3].map(() => {
      const batch = makeBatch(1, 1_500, producerId, log.nextSequence(producerId))
      return promises.append(stack.partitions.findById(TOPIC, 0)!, log, batch, () => disk.alive)
    })
    yield* Effect.all(burst, { concurrency: "unbounded" })
  }
})

/** End offset of the newest producer snapshot on the disk; -1 when there is none. */
const snapshotEnd = (disk: SimulatedDisk): number => {
  const folder = `/data/topics/t-0.${TOPIC}`
  const ends = disk.service
    .list(folder)
    .filter((name) => name.startsWith("producers."))
    .map((name) => readWhole(disk.service, `${folder}/${name}`))
    .map((bytes) => (bytes.length < 16 ? -1 : readInt64(bytes, 8)))
  return Math.max(-1, ...ends)
}

/** Crashes when the n-th snapshot is durable. undefined: there were not that many. */
const crashAtSnapshot = Effect.fnUntraced(function* (promises: Promises, n: number) {
  const disk = new SimulatedDisk(n)
  const crashed = Deferred.makeUnsafe<void>()
  let left: SimulatedDisk | undefined
  let syncs = 0
  const stack = yield* begin(disk, promises)
  yield* promises.propose(stack, creation("t", TOPIC, 1), () => true)
  disk.onOperation = (operation, path) => {
    // Each is counted when it begins and when it ends.
    if (operation !== "datasync" || !path.includes("producers.") || ++syncs !== 2 * n) return
    left = disk.crash("lost", n)
    Deferred.doneUnsafe(crashed, Exit.void)
  }
  yield* Effect.raceFirst(Effect.exit(produce(disk, stack, promises, PRODUCER, 120)), Deferred.await(crashed))
  yield* stack.close
  return left
})

it("a snapshot of batches that a crash took is not believed when the log has grown past them", () =>
  Effect.runPromise(
    Effect.gen(function* () {
      let ahead = 0
      for (let n = 1; n <= 10; n++) {
        const promises = new Promises()
        const left = yield* crashAtSnapshot(promises, n)
        if (left === undefined) break
        const stack = yield* begin(left, promises)
        if (snapshotEnd(left) > stack.partitions.findById(TOPIC, 0)!.logEndOffset) throw new Error("it is still there")
        // Somebody else's records take the offsets of the lost ones.
        yield* produce(left, stack, promises, -1, 4)
        ahead++
        const third = left.crash("lost", 1)
        yield* stack.close
        const again = yield* begin(third, promises)
        yield* produce(third, again, promises, PRODUCER, 2)
        yield* again.close
      }
      expect(ahead).toBeGreaterThan(3)
    }).pipe(Effect.provide(Logger.layer([])))
  ))
