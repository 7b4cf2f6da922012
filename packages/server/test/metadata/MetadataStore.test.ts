import { encodeCommand, pack } from "@chronik-effect/core/metadata/CommandCodec.ts"
import { encodeSnapshot } from "@chronik-effect/core/metadata/Snapshot.ts"
import * as DiskMemory from "@chronik-effect/server/io/DiskMemory.ts"
import { MetadataStore } from "@chronik-effect/server/metadata/MetadataStore.ts"
import { WalFailed } from "@chronik-effect/server/storage/Wal.ts"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Exit, Fiber } from "effect"
import { TestClock } from "effect/testing"
import { creation, LogByHand, layerByHand, registration, startNode, topicId } from "./MetadataHarness.ts"

const byHand = <A, E>(
  body: (store: MetadataStore["Service"], log: LogByHand) => Effect.Effect<A, E>
): Effect.Effect<A, unknown> => {
  const log = new LogByHand()
  return Effect.gen(function* () {
    return yield* body(yield* MetadataStore, log)
  }).pipe(Effect.provide(layerByHand(log)))
}

const turns = (count: number) => Effect.repeat(Effect.yieldNow, { times: count })

describe("proposals over the WAL", () => {
  it.live("are applied when they are durable, and answered with their result", () =>
    Effect.gen(function* () {
      const node = yield* startNode(DiskMemory.make())
      expect(yield* node.store.propose(creation("t", 1, 3))).toEqual({ _tag: "Applied" })
      expect(node.store.image().topic("t")!.partitions).toHaveLength(3)
      expect(yield* node.store.propose({ _tag: "AllocateProducerIds", nodeId: 1, count: 10 })).toEqual({
        _tag: "ProducerIds",
        first: 0,
        count: 10
      })
      // Behind the log's own first entry.
      expect(node.store.image().offset).toBe(4)
      expect(node.store.pending()).toBe(0)
      yield* node.close
    })
  )

  it.live("128 concurrent creations share a few fsyncs (R6)", () =>
    Effect.gen(function* () {
      const node = yield* startNode(DiskMemory.make())
      const before = node.blocks()
      const results = yield* Effect.forEach(
        Array.from({ length: 128 }, (_, n) => creation(`t${n}`, n)),
        (command) => node.store.propose(command),
        { concurrency: "unbounded" }
      )
      expect(results.every((result) => result._tag === "Applied")).toBe(true)
      expect(node.store.image().topicCount).toBe(128)
      expect(node.blocks() - before).toBeLessThanOrEqual(8)
      expect(node.store.pending()).toBe(0)
      yield* node.close
    })
  )

  it.live("of the same name at the same time: one applies, the others are refused", () =>
    Effect.gen(function* () {
      const node = yield* startNode(DiskMemory.make())
      const results = yield* Effect.forEach([1, 2, 3], (n) => node.store.propose(creation("t", n)), {
        concurrency: "unbounded"
      })
      expect(results.map((result) => result._tag).sort()).toEqual(["Applied", "Rejected", "Rejected"])
      yield* node.close
    })
  )

  it.live("that wait when the node stops are told, and a stop is no failure", () =>
    Effect.gen(function* () {
      const node = yield* startNode(DiskMemory.make())
      let failed: string | undefined
      const watching = yield* Effect.forkChild(
        Effect.map(node.store.failure, (reason) => {
          failed = reason
        }),
        { startImmediately: true }
      )
      const waiting = yield* Effect.forkChild(Effect.exit(node.store.propose(creation("t", 1))), {
        startImmediately: true
      })
      yield* node.close
      expect(Exit.isExit(yield* Fiber.join(waiting))).toBe(true)
      expect(yield* Effect.flip(node.store.propose(creation("u", 2)))).toMatchObject({ reason: "stopped" })
      expect(failed).toBe(undefined)
      yield* Fiber.interrupt(watching)
    })
  )

  it.live("end with the failing log: who waits is told, and so is who comes later", () =>
    Effect.gen(function* () {
      const node = yield* startNode(DiskMemory.make())
      node.log.failed(new WalFailed({ reason: "EIO" }))
      const late = yield* Effect.flip(node.store.propose(creation("t", 1)))
      expect(late).toMatchObject({ _tag: "MetadataError", reason: "stopped" })
      expect(yield* node.store.failure).toContain("EIO")
      yield* node.close
    })
  )
})

describe("waiters", () => {
  it.effect("time out after 2 s when the log never commits, and leave nothing behind (R5)", () =>
    byHand((store, log) =>
      Effect.gen(function* () {
        log.auto = false
        const waiting = yield* Effect.forkChild(Effect.flip(store.propose(creation("t", 1))), {
          startImmediately: true
        })
        yield* TestClock.adjust("1999 millis")
        expect(store.pending()).toBe(1)
        yield* TestClock.adjust("1 millis")
        expect(yield* Fiber.join(waiting)).toMatchObject({ _tag: "MetadataError", reason: "timeout" })
        expect(store.pending()).toBe(0)
        // The command was in the log all the same: it applies when the log goes on.
        log.commit()
        yield* store.awaitOffset(1)
        expect(store.image().topic("t")).toBeDefined()
        expect(store.pending()).toBe(0)
      })
    )
  )

  it.effect("that give up before the log had room are never proposed", () =>
    byHand((store, log) =>
      Effect.gen(function* () {
        log.hasRoom = false
        const stays = yield* Effect.forkChild(store.propose(creation("b", 2), 60_000), { startImmediately: true })
        const givesUp = yield* Effect.forkChild(store.propose(creation("a", 1)), { startImmediately: true })
        yield* turns(5)
        yield* Fiber.interrupt(givesUp)
        log.makeRoom()
        expect(yield* Fiber.join(stays)).toEqual({ _tag: "Applied" })
        expect(log.proposed).toHaveLength(1)
        expect(store.image().topic("a")).toBe(undefined)
        expect(store.pending()).toBe(0)
      })
    )
  )

  it.effect("wake after the listeners, which are called in the order of the log (R3)", () =>
    byHand((store) =>
      Effect.gen(function* () {
        const seen: Array<string> = []
        const end = store.subscribe((delta, image) => {
          for (const topic of delta.topicsCreated) seen.push(`${topic.name} ${image.offset} ${image.topicCount}`)
        })
        yield* Effect.forEach(
          ["a", "b", "c"],
          (name, n) => Effect.map(store.propose(creation(name, n)), () => seen.push(`${name} woke`)),
          { concurrency: "unbounded" }
        )
        expect(seen.slice(0, 3)).toEqual(["a 1 1", "b 2 2", "c 3 3"])
        expect(seen.slice(3).sort()).toEqual(["a woke", "b woke", "c woke"])
        end()
        yield* store.propose(creation("d", 9))
        expect(seen).toHaveLength(6)
      })
    )
  )

  it.effect("for an offset wake when it is applied, whoever proposed it (R4)", () =>
    byHand((store, log) =>
      Effect.gen(function* () {
        const waiting = yield* Effect.forkChild(store.awaitOffset(1), { startImmediately: true })
        log.inject(encodeCommand(creation("elsewhere", 1)))
        yield* Fiber.join(waiting)
        expect(store.image().topic("elsewhere")).toBeDefined()
        yield* store.awaitOffset(1)
        expect(store.pending()).toBe(0)
      })
    )
  )

  it.effect("are refused at once when the command does not fit an entry", () =>
    byHand((store) =>
      Effect.gen(function* () {
        const large = { ...creation("t", 1), configs: [["retention.ms", "1".repeat(1_100_000)]] as const }
        expect(yield* Effect.flip(store.propose(large))).toMatchObject({ reason: "too-large" })
        expect(store.pending()).toBe(0)
      })
    )
  )
})

describe("the owner fiber", () => {
  it.effect("goes on when a listener throws", () =>
    byHand((store) =>
      Effect.gen(function* () {
        const heard: Array<number> = []
        store.subscribe(() => {
          throw new Error("planted")
        })
        store.subscribe((_, image) => heard.push(image.offset))
        yield* store.propose(creation("a", 1))
        yield* store.propose(creation("b", 2))
        expect(heard).toEqual([1, 2])
      })
    )
  )

  it.effect("stops the node on an entry that cannot be applied, and never skips it", () =>
    byHand((store, log) =>
      Effect.gen(function* () {
        log.inject(encodeCommand(creation("before", 1)))
        log.inject(pack([99, 1, null]))
        log.inject(encodeCommand(creation("after", 2)))
        const stopped = yield* Effect.forkChild(store.failure, { startImmediately: true })
        yield* TestClock.adjust("1 minute")
        expect(yield* Fiber.join(stopped)).toContain("the command 99")
        expect(store.image().offset).toBe(1)
        expect(store.image().topic("before")).toBeDefined()
        expect(Exit.isFailure(yield* Effect.exit(store.propose(creation("x", 3))))).toBe(true)
      })
    )
  )
})

describe("the broker configuration", () => {
  it.effect("is the static one under what the log says, for this broker and for all", () => {
    const log = new LogByHand()
    const set = (resource: string, value: string) =>
      ({
        _tag: "AlterConfigs",
        resourceType: 4,
        resource,
        changes: [{ name: "log.retention.ms", op: 0, value }]
      }) as const
    return Effect.gen(function* () {
      const store = yield* MetadataStore
      expect(store.brokerConfig().integer("log.retention.ms")).toBe(3)
      expect(store.brokerConfig().integer("num.partitions")).toBe(4)
      yield* store.propose(set("", "2"))
      expect(store.brokerConfig().integer("log.retention.ms")).toBe(2)
      yield* store.propose(set("7", "1"))
      expect(store.brokerConfig().integer("log.retention.ms")).toBe(1)
      yield* store.propose(set("8", "9"))
      expect(store.brokerConfig().integer("log.retention.ms")).toBe(1)
      expect(store.brokerConfig()).toBe(store.brokerConfig())
    }).pipe(
      Effect.provide(
        layerByHand(log, { nodeId: 7, defaultPartitions: 4, broker: new Map([["log.retention.ms", "3"]]) })
      )
    )
  })
})

describe("many topics", () => {
  it.live("10,000 creations are linear and leave nothing open", () =>
    Effect.gen(function* () {
      const node = yield* startNode(DiskMemory.make(), {
        wal: { chunkBytes: 4 << 20, segmentChunks: 4, blockBytesMax: 1 << 20 }
      })
      yield* node.store.propose(registration())
      const round = (from: number, count: number) =>
        Effect.gen(function* () {
          const started = performance.now()
          yield* Effect.forEach(
            Array.from({ length: count }, (_, n) => creation(`t${from + n}`, from + n)),
            (command) => node.store.propose(command, 60_000),
            { concurrency: 128, discard: true }
          )
          return performance.now() - started
        })
      yield* round(0, 1_000)
      const early = yield* round(1_000, 1_000)
      yield* round(2_000, 7_000)
      const late = yield* round(9_000, 1_000)
      expect(node.store.image().topicCount).toBe(10_000)
      expect(late).toBeLessThan(Math.max(early, 60) * 5)
      expect(node.store.image().topicById(topicId(9_999))!.name).toBe("t9999")
      expect(node.store.pending()).toBe(0)
      expect(encodeSnapshot(node.store.image()).length).toBeLessThan(2_000_000)
      yield* node.close
    })
  )
})
