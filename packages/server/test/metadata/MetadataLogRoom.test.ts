import { encodeCommand } from "@chronik-effect/core/metadata/CommandCodec.ts"
import { FrameKind } from "@chronik-effect/core/wal/Block.ts"
import * as DiskMemory from "@chronik-effect/server/io/DiskMemory.ts"
import { WalFailed } from "@chronik-effect/server/storage/Wal.ts"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Fiber, References } from "effect"
import { DiskFaulty } from "../support/DiskFaulty.ts"
import { creation, startNode } from "./MetadataHarness.ts"
import { fillLog, fillSegment, framesOf, recycle } from "./MetadataWal.ts"

/** The log of a node whose disk dies says so at length. */
const quietly = <A, E, R>(body: Effect.Effect<A, E, R>) =>
  Effect.provideService(body, References.MinimumLogLevel, "None")

describe("a vote in a segment that is recycled (rule 31)", () => {
  it.live("was repeated in the next one", () =>
    Effect.gen(function* () {
      const disk = DiskMemory.make()
      const node = yield* startNode(disk)
      for (let n = 0; n < 12; n++) yield* node.store.propose(creation(`t${n}`, n, 4_000))
      yield* recycle(node)
      const [head] = node.wal.segments()
      yield* node.close
      const again = yield* startNode(disk)
      const votes = framesOf(again, FrameKind.Vote)
      expect(votes.length).toBeGreaterThan(0)
      expect(votes.every(({ term, address }) => term === 1 && address >= head!.startAddress)).toBe(true)
      yield* again.close
    })
  )

  it.live("is repeated before it goes when no entry follows it", () =>
    quietly(
      Effect.gen(function* () {
        for (let seed = 1; seed <= 8; seed++) {
          const disk = new DiskFaulty(seed)
          const node = yield* startNode(disk.service)
          yield* fillSegment(node)
          yield* recycle(node)
          const [head] = node.wal.segments()
          const survivor = disk.crash(seed)
          yield* Effect.exit(node.close)
          const again = yield* startNode(survivor.service)
          // A power cut may bring the name of the recycled segment back, never take the copy.
          const vote = framesOf(again, FrameKind.Vote).at(-1)!
          expect(vote.term).toBe(1)
          expect(vote.address).toBeGreaterThanOrEqual(head!.startAddress)
          expect(again.store.image().offset).toBe(3)
          yield* again.close
        }
      })
    )
  )
})

describe("a WAL without room", () => {
  it.live("holds proposals up, and writes them when segments were recycled, also if it is full to its end", () =>
    Effect.gen(function* () {
      const node = yield* startNode(DiskMemory.make(), { wal: { segmentsMax: 3 } })
      yield* fillLog(node)
      const results = yield* Effect.forkChild(
        Effect.forEach([1, 2, 3], (n) => node.store.propose(creation(`t${n}`, n), 60_000), {
          concurrency: "unbounded"
        }),
        { startImmediately: true }
      )
      yield* Effect.repeat(Effect.yieldNow, { times: 20 })
      expect(node.store.image().topicCount).toBe(0)
      yield* recycle(node)
      expect((yield* Fiber.join(results)).map((result) => result._tag)).toEqual(["Applied", "Applied", "Applied"])
      expect(node.store.pending()).toBe(0)
      yield* node.close
    })
  )
})

describe("who was refused", () => {
  it.live("is woken when what was before it is durable, and told when the log has failed", () =>
    Effect.gen(function* () {
      const node = yield* startNode(DiskMemory.make(), { wal: { segmentsMax: 3 } })
      yield* node.log.room
      yield* fillLog(node)
      const propose = (n: number) => node.log.propose(encodeCommand(creation(`t${n}`, n)), 1_000 + n)
      expect(["proposed", "no-room"]).toEqual([propose(1), propose(2)])
      const woken = yield* Effect.forkChild(node.log.room, { startImmediately: true })
      expect(woken.pollUnsafe()).toBe(undefined)
      yield* recycle(node)
      yield* Fiber.join(woken)
      expect(node.store.image().topicCount).toBe(1)
      expect(propose(2)).toBe("proposed")
      node.log.failed(new WalFailed({ reason: "EIO" }))
      expect(propose(3)).toBe("no-room")
      expect(yield* Effect.flip(node.log.room)).toMatchObject({ _tag: "WalFailed" })
      yield* node.close
    })
  )
})
