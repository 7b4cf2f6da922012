import { ErrorCode } from "@chronik-effect/core/model/ErrorCode.ts"
import type { DiskOperation } from "@chronik-effect/server/io/Disk.ts"
import type { Partition } from "@chronik-effect/server/replication/Partition.ts"
import { Effect, Exit, Fiber, Logger } from "effect"
import { describe, expect, it } from "vitest"
import { handOver, makeBatch, type Outcome, Promises, readAll } from "./Promises.ts"
import { creation } from "./Script.ts"
import { SimulatedDisk } from "./SimulatedDisk.ts"
import { type StorageStack, startStack } from "./StorageStack.ts"

const TOPIC = "T00000000000000000000A"
const PARTITIONS = 3
const alive = () => true

const run = <A>(effect: Effect.Effect<A, unknown>): Promise<A> =>
  Effect.runPromise(effect.pipe(Effect.provide(Logger.layer([]))))

const begin = Effect.fnUntraced(function* (disk: SimulatedDisk, promises: Promises) {
  const stack = yield* startStack(disk.service)
  yield* promises.verify(stack)
  yield* promises.propose(stack, stack.registration, alive)
  stack.begin()
  return stack
})

const send = (stack: StorageStack, promises: Promises, partition: number, bytes = 500): Effect.Effect<Outcome> => {
  const log = promises.log("t", TOPIC, partition)
  return promises.append(stack.partitions.findById(TOPIC, partition)!, log, makeBatch(1, bytes), alive)
}

const readable = Effect.fnUntraced(function* (partition: Partition, promises: Promises) {
  const log = promises.log("t", TOPIC, partition.partition)
  const { logStartOffset: start, highWatermark: end } = partition
  const bytes = yield* readAll(partition, start, end)
  expect(Buffer.compare(bytes, log.between(start, end))).toBe(0)
})

const turns = (count: number) => Effect.repeat(Effect.yieldNow, { times: count - 1 })

describe("a sync of the WAL that fails", () => {
  for (const loss of ["killed", "lost", "torn"] as const) {
    it(`tells everyone who waits, once, and nothing is acknowledged or tried again; the disk is right after it (${loss})`, () =>
      run(
        Effect.gen(function* () {
          const disk = new SimulatedDisk(7)
          const promises = new Promises()
          const stack = yield* begin(disk, promises)
          yield* promises.propose(stack, creation("t", TOPIC, PARTITIONS), alive)
          for (let i = 0; i < 30; i++) yield* send(stack, promises, i % PARTITIONS)

          // The kernel tells of it once: the sync after it succeeds.
          let failures = 1
          disk.refuse = (operation, path) =>
            operation === "datasync" && path.includes("/wal/") && failures-- > 0 ? "EIO" : undefined
          const first = Array.from({ length: 6 }, (_, i) => send(stack, promises, i % PARTITIONS))
          const command = yield* Effect.forkChild(
            Effect.exit(promises.propose(stack, creation("u", `${TOPIC.slice(0, -1)}B`, 1), alive)),
            { startImmediately: true }
          )
          yield* Effect.yieldNow
          const second = Array.from({ length: 6 }, (_, i) => send(stack, promises, i % PARTITIONS))
          const outcomes = yield* Effect.all([...first, ...second], { concurrency: "unbounded" })
          expect(outcomes.map(({ errorCode }) => errorCode)).toEqual(outcomes.map(() => ErrorCode.KAFKA_STORAGE_ERROR))
          expect(Exit.isFailure(yield* Fiber.join(command))).toBe(true)
          expect((yield* stack.proposer.failure)._tag).toBe("WalFailed")
          yield* stack.metadata.failure

          yield* turns(20)
          let touched = 0
          disk.onOperation = (_, path) => {
            if (path.includes("/wal/")) touched++
          }
          const late = yield* handOver(stack.partitions.findById(TOPIC, 0)!, makeBatch(1, 100))
          expect(late.errorCode).toBe(ErrorCode.KAFKA_STORAGE_ERROR)
          expect(Exit.isFailure(yield* Effect.exit(stack.metadata.propose(stack.registration)))).toBe(true)
          yield* readable(stack.partitions.findById(TOPIC, 0)!, promises)
          yield* stack.close
          expect(touched).toBe(0)

          const left = disk.crash(loss, 3)
          const again = yield* begin(left, promises)
          for (let i = 0; i < 9; i++)
            expect((yield* send(again, promises, i % PARTITIONS)).errorCode).toBe(ErrorCode.NONE)
          const third = left.crash("lost", 4)
          yield* again.close
          yield* (yield* begin(third, promises)).close
        })
      ))
  }
})

interface Site {
  readonly name: string
  readonly refuses: (operation: DiskOperation, path: string) => boolean
}

const SITES: ReadonlyArray<Site> = [
  { name: "a new WAL segment", refuses: (operation) => operation === "allocate" },
  { name: "a segment file", refuses: (operation, path) => operation === "write" && path.endsWith(".log") },
  {
    name: "the creation of a segment file",
    refuses: (operation, path) => operation === "open" && path.endsWith(".log")
  },
  { name: "an index file", refuses: (operation, path) => operation === "write" && path.endsWith("index") },
  { name: "a producer snapshot", refuses: (operation, path) => operation === "write" && path.includes("producers.") },
  { name: "a metadata snapshot", refuses: (operation, path) => operation === "write" && path.includes(".snapshot") },
  {
    name: "the rename of a metadata snapshot",
    refuses: (operation, path) => operation === "rename" && path.includes(".snapshot")
  },
  { name: "the checkpoint", refuses: (operation, path) => operation === "write" && path.includes("checkpoint.tmp") },
  {
    name: "everything that grows",
    refuses: (operation, path) => operation === "allocate" || (operation === "write" && !path.includes("/wal/"))
  }
]

/** Sends until one is refused or not answered any more, or `most` went well. Answers the one that waits. */
const sendUntilStuck = Effect.fnUntraced(function* (stack: StorageStack, promises: Promises, most: number) {
  for (let i = 0; i < most; i++) {
    const log = promises.log("t", TOPIC, 0)
    const batch = makeBatch(1, 2_500, 7, log.nextSequence(7))
    const fiber = yield* Effect.forkChild(promises.append(stack.partitions.findById(TOPIC, 0)!, log, batch, alive), {
      startImmediately: true
    })
    for (let turn = 0; turn < 300 && fiber.pollUnsafe() === undefined; turn++) yield* Effect.yieldNow
    if (fiber.pollUnsafe() === undefined) return fiber
    const { errorCode } = yield* Fiber.join(fiber)
    if (errorCode === ErrorCode.NONE) continue
    expect(errorCode).toBe(ErrorCode.KAFKA_STORAGE_ERROR)
    return undefined
  }
  return undefined
})

/** Space is there again: whoever is refused tries once more. */
const sendAgain = Effect.fnUntraced(function* (stack: StorageStack, promises: Promises) {
  // The log and the settler look for space once a second.
  const deadline = performance.now() + 10_000
  while (performance.now() < deadline) {
    if ((yield* send(stack, promises, 0)).errorCode === ErrorCode.NONE) return
    yield* Effect.yieldNow
  }
  throw new Error("the log never took an append again")
})

describe("a full disk", () => {
  for (const { name, refuses } of SITES) {
    it(`at ${name}: reads go on, nothing acknowledged is lost, and writing resumes when there is room`, () =>
      run(
        Effect.gen(function* () {
          const disk = new SimulatedDisk(11)
          const promises = new Promises()
          const stack = yield* begin(disk, promises)
          yield* promises.propose(stack, creation("t", TOPIC, PARTITIONS), alive)
          // Less than a segment of the log: its spare is there, and the next one is to be made on the full disk.
          for (let i = 0; i < 20; i++) yield* send(stack, promises, i % PARTITIONS, 1_000)
          let refused = 0
          disk.refuse = (operation, path) => {
            if (!refuses(operation, path)) return undefined
            refused++
            return "ENOSPC"
          }
          const waiting = yield* sendUntilStuck(stack, promises, 250)
          expect(refused).toBeGreaterThan(0)
          for (const partition of stack.partitions.all()) yield* readable(partition, promises)
          const crashedFull = waiting === undefined

          disk.refuse = () => undefined
          if (waiting !== undefined) expect((yield* Fiber.join(waiting)).errorCode).toBe(ErrorCode.NONE)
          yield* sendAgain(stack, promises)
          yield* promises.propose(stack, creation("u", `${TOPIC.slice(0, -1)}B`, 1), alive)
          for (let i = 0; i < 60; i++) {
            const { errorCode } = yield* send(stack, promises, i % PARTITIONS, 2_000)
            expect(errorCode).toBe(ErrorCode.NONE)
          }
          yield* stack.settler.idle
          const left = disk.crash(crashedFull ? "lost" : "torn", 5)
          yield* stack.close
          const again = yield* begin(left, promises)
          for (const partition of again.partitions.all()) yield* readable(partition, promises)
          yield* again.close
        })
      ))
  }

  it("a crash while it is full loses nothing that was acknowledged", () =>
    run(
      Effect.gen(function* () {
        for (const { refuses } of SITES) {
          const disk = new SimulatedDisk(13)
          const promises = new Promises()
          const stack = yield* begin(disk, promises)
          yield* promises.propose(stack, creation("t", TOPIC, PARTITIONS), alive)
          disk.refuse = (operation, path) => (refuses(operation, path) ? "ENOSPC" : undefined)
          yield* sendUntilStuck(stack, promises, 120)
          const left = disk.crash("lost", 5)
          yield* stack.close
          yield* (yield* begin(left, promises)).close
        }
      })
    ))
})
