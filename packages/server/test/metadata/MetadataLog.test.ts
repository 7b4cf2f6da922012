import { Prng } from "@chronik-effect/core/base/Prng.ts"
import type { Command } from "@chronik-effect/core/metadata/Command.ts"
import { emptyImage, type MetadataImage } from "@chronik-effect/core/metadata/MetadataImage.ts"
import { replay } from "@chronik-effect/core/metadata/Replay.ts"
import { encodeSnapshot } from "@chronik-effect/core/metadata/Snapshot.ts"
import { FrameKind } from "@chronik-effect/core/wal/Block.ts"
import type { Disk } from "@chronik-effect/server/io/Disk.ts"
import * as DiskMemory from "@chronik-effect/server/io/DiskMemory.ts"
import { START_BLOCKS } from "@chronik-effect/server/metadata/MetadataLog.ts"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Exit, Fiber, References } from "effect"
import { DiskFaulty } from "../support/DiskFaulty.ts"
import { CLUSTER, creation, type MetadataNode, registration, startNode, topicId } from "./MetadataHarness.ts"
import { framesOf, recycle } from "./MetadataWal.ts"

const SNAPSHOTS = "/data/metadata"

/** One of each kind of change, so that a restart has something of everything to bring back. */
const HISTORY: ReadonlyArray<Command> = [
  registration(1, 1),
  creation("a", 1, 3),
  creation("b", 2),
  {
    _tag: "AlterConfigs",
    resourceType: 2,
    resource: topicId(1),
    changes: [{ name: "retention.ms", op: 0, value: "7" }]
  },
  { _tag: "DeleteTopic", topicId: topicId(2) },
  { _tag: "CreatePartitions", topicId: topicId(1), from: 3, partitions: [{ replicas: [1], isr: [1], leader: 1 }] },
  { _tag: "AllocateProducerIds", commandId: "n1-1-1", nodeId: 1, count: 1000 },
  { _tag: "AlterConfigs", resourceType: 4, resource: "", changes: [{ name: "log.retention.ms", op: 0, value: "5" }] },
  { _tag: "SetFeature", name: "metadata.version", level: 30 },
  registration(1, 2)
]

const hex = (image: MetadataImage) => Buffer.from(encodeSnapshot(image)).toString("hex")
/** Without the offset: each start adds an entry of the log's own. */
const bytesOf = (node: MetadataNode) => hex(node.store.image().with({ offset: 0 }))
/** The log's own first entry has index 1. */
const FIRST_COMMAND = 2
const replayAll = (commands: ReadonlyArray<Command>) =>
  commands
    .reduce((image, command, n) => replay(image, command, FIRST_COMMAND + n).image, emptyImage(CLUSTER))
    .with({ offset: 0 })
const proposeAll = (node: MetadataNode, commands: ReadonlyArray<Command>) =>
  Effect.forEach(commands, (command) => node.store.propose(command), { discard: true })
/** The log of a node whose disk dies says so at length. */
const quietly = <A, E, R>(body: Effect.Effect<A, E, R>) =>
  Effect.provideService(body, References.MinimumLogLevel, "None")
const snapshotNames = (disk: Disk["Service"]) => disk.list(SNAPSHOTS)
/** As the settler calls it for a segment whose frames all lie below the log's end. */
const settleAll = (node: MetadataNode) => node.store.settle({ endAddress: node.wal.segments().at(-1)!.endAddress })

describe("a restart", () => {
  it.live("brings back exactly the state of before, after a clean stop (R19)", () =>
    Effect.gen(function* () {
      const disk = DiskMemory.make()
      const first = yield* startNode(disk)
      yield* proposeAll(first, HISTORY)
      const before = bytesOf(first)
      yield* first.close
      const second = yield* startNode(disk)
      expect(bytesOf(second)).toBe(before)
      // And goes on where it stopped.
      expect(yield* second.store.propose({ _tag: "AllocateProducerIds", nodeId: 1, count: 1 })).toMatchObject({
        first: 1000
      })
      yield* second.close
    })
  )

  it.live("after a crash at any moment brings back every answered change, and of the others a prefix", () =>
    quietly(
      Effect.gen(function* () {
        const prefixes = HISTORY.map((_, n) => hex(replayAll(HISTORY.slice(0, n))))
        prefixes.push(hex(replayAll(HISTORY)))
        const ends = new Set<string>()
        for (let seed = 1; seed <= 60; seed++) {
          const random = new Prng(seed)
          const disk = new DiskFaulty(seed)
          const first = yield* startNode(disk.service)
          const snapshotAfter = random.between(0, HISTORY.length)
          const crashAt = disk.operations + random.between(1, 40)
          let answered = 0
          let survivor: DiskFaulty | undefined
          disk.onOperation = () => {
            if (disk.operations === crashAt) survivor = disk.crash(seed)
          }
          const proposing = yield* Effect.forkChild(
            Effect.forEach(
              HISTORY,
              (command, n) =>
                Effect.gen(function* () {
                  yield* first.store.propose(command, 60_000)
                  if (survivor === undefined) answered++
                  if (n === snapshotAfter) yield* settleAll(first)
                }),
              { concurrency: random.between(1, 4), discard: true }
            ),
            { startImmediately: true }
          )
          yield* Effect.exit(Fiber.join(proposing))
          survivor ??= disk.crash(seed)
          yield* Effect.exit(first.close)
          const second = yield* startNode(survivor.service)
          // Behind the commands lies the first entry of the second term.
          const count = second.store.image().offset - FIRST_COMMAND - 1
          expect(count, `seed ${seed}`).toBeGreaterThanOrEqual(answered)
          expect(bytesOf(second), `seed ${seed}`).toBe(prefixes[count])
          ends.add(`${answered} ${count}`)
          yield* second.close
        }
        // The crashes fell on different places, also between the write and its answer.
        expect(ends.size).toBeGreaterThan(6)
      })
    )
  )

  it.live("starts from a snapshot and the entries after it, several times over", () =>
    Effect.gen(function* () {
      const disk = DiskMemory.make()
      for (let life = 0; life < 4; life++) {
        const node = yield* startNode(disk)
        yield* proposeAll(node, [creation(`x${life}`, 10 + 2 * life), creation(`y${life}`, 11 + 2 * life)])
        if (life % 2 === 0) yield* settleAll(node)
        yield* node.store.propose(registration(1, life + 1))
        yield* node.close
      }
      const last = yield* startNode(disk)
      expect(last.store.image().topicCount).toBe(8)
      // Four lives of four entries, and the first entry of the fifth.
      expect(last.store.image().offset).toBe(4 * 4 + 2)
      expect(last.log.snapshotOffset()).toBe(12)
      yield* last.close
    })
  )
})

describe("snapshots", () => {
  it.live("are saved when the settler needs them, not again while they cover the segment, and only two are kept", () =>
    Effect.gen(function* () {
      const disk = DiskMemory.make()
      const node = yield* startNode(disk)
      yield* settleAll(node)
      expect(snapshotNames(disk)).toEqual(["00000000000000000002.snapshot"])
      for (let n = 1; n <= 3; n++) {
        yield* node.store.propose(creation(`t${n}`, n))
        yield* settleAll(node)
        yield* settleAll(node)
      }
      expect(snapshotNames(disk)).toEqual(["00000000000000000004.snapshot", "00000000000000000005.snapshot"])
      expect(node.log.bytesSinceSnapshot()).toBe(0)
      yield* node.close
    })
  )

  it.live("stand in for recycled segments of the WAL", () =>
    Effect.gen(function* () {
      const disk = DiskMemory.make()
      const node = yield* startNode(disk)
      // Enough to seal segments of 128 KiB.
      for (let n = 0; n < 12; n++) yield* node.store.propose(creation(`t${n}`, n, 4_000))
      yield* recycle(node)
      const before = bytesOf(node)
      yield* node.close
      const again = yield* startNode(disk)
      expect(framesOf(again, FrameKind.Metadata).length).toBeLessThan(12)
      expect(bytesOf(again)).toBe(before)
      yield* again.close
    })
  )

  it.live("are durable by name before the log lets go of what they hold", () =>
    quietly(
      Effect.gen(function* () {
        for (let seed = 1; seed <= 8; seed++) {
          const disk = new DiskFaulty(seed)
          const node = yield* startNode(disk.service)
          for (let n = 0; n < 8; n++) yield* node.store.propose(creation(`t${n}`, n, 4_000), 60_000)
          yield* recycle(node)
          const before = bytesOf(node)
          const survivor = disk.crash(seed)
          yield* Effect.exit(node.close)
          const again = yield* startNode(survivor.service)
          expect(bytesOf(again), `seed ${seed}`).toBe(before)
          yield* again.close
        }
      })
    )
  )

  it.live("are on the disk, under their name, when saving them completes", () =>
    quietly(
      Effect.gen(function* () {
        for (let seed = 1; seed <= 20; seed++) {
          const disk = new DiskFaulty(seed)
          const node = yield* startNode(disk.service)
          yield* node.store.propose(creation("t", 1))
          yield* settleAll(node)
          const survivor = disk.crash(seed)
          yield* Effect.exit(node.close)
          const again = yield* startNode(survivor.service)
          expect(again.log.snapshotOffset(), `seed ${seed}`).toBe(3)
          yield* again.close
        }
      })
    )
  )

  it.live("that are damaged and have no entry of the log after them are missed as well", () =>
    quietly(
      Effect.gen(function* () {
        const disk = DiskMemory.make()
        const node = yield* startNode(disk)
        yield* proposeAll(node, HISTORY)
        yield* settleAll(node)
        yield* node.close
        for (const name of disk.list("/data/wal")) disk.remove(`/data/wal/${name}`)
        flipByte(disk, `${SNAPSHOTS}/${snapshotNames(disk).at(-1)}`, 40)
        const refused = yield* Effect.flip(startNode(disk))
        expect((refused as { message: string }).message).toContain(`entries 1 to ${HISTORY.length + 1} are in no whole`)
      })
    )
  )

  it.live("that are damaged are passed over while the log still has what they held", () =>
    quietly(
      Effect.gen(function* () {
        const disk = DiskMemory.make()
        const node = yield* startNode(disk)
        yield* proposeAll(node, HISTORY)
        const before = bytesOf(node)
        yield* settleAll(node)
        yield* node.close
        flipByte(disk, `${SNAPSHOTS}/${snapshotNames(disk).at(-1)}`, 40)
        const again = yield* startNode(disk)
        expect(again.log.snapshotOffset()).toBe(0)
        expect(bytesOf(again)).toBe(before)
        yield* again.close
      })
    )
  )

  it.live("that are damaged, with the log recycled, keep the node from starting: nothing is lost silently", () =>
    quietly(
      Effect.gen(function* () {
        const disk = DiskMemory.make()
        const node = yield* startNode(disk)
        for (let n = 0; n < 12; n++) yield* node.store.propose(creation(`t${n}`, n, 4_000))
        yield* recycle(node)
        yield* node.close
        for (const name of snapshotNames(disk)) flipByte(disk, `${SNAPSHOTS}/${name}`, 40)
        const refused = yield* Effect.flip(startNode(disk))
        expect(refused).toMatchObject({ _tag: "MetadataUnreadable" })
        expect(String((refused as { message: string }).message)).toMatch(/entries 1 to \d+ are in no whole snapshot/)
      })
    )
  )

  it.live("of another cluster are refused", () =>
    Effect.gen(function* () {
      const disk = DiskMemory.make()
      const node = yield* startNode(disk)
      yield* node.store.propose(creation("t", 1))
      yield* settleAll(node)
      yield* node.close
      const refused = yield* Effect.flip(startNode(disk, { clusterId: "other" }))
      expect((refused as { message: string }).message).toContain("belongs to the cluster test-cluster")
    })
  )

  it.live("that the disk refuses fail the settler's call and keep the older one", () =>
    Effect.gen(function* () {
      const disk = new DiskFaulty(7)
      const node = yield* startNode(disk.service)
      yield* node.store.propose(creation("a", 1))
      yield* settleAll(node)
      yield* node.store.propose(creation("b", 2))
      disk.refuse = (operation, path) => (operation === "datasync" && path.includes("metadata") ? "EIO" : undefined)
      const refused = yield* Effect.exit(settleAll(node))
      expect(Exit.isFailure(refused)).toBe(true)
      expect(snapshotNames(disk.service).filter((name) => name.endsWith(".snapshot"))).toEqual([
        "00000000000000000003.snapshot"
      ])
      expect(node.log.snapshotOffset()).toBe(3)
      disk.refuse = () => undefined
      yield* settleAll(node)
      expect(node.log.snapshotOffset()).toBe(4)
      yield* node.close
    })
  )
})

describe("the quorum of one", () => {
  it.live("takes two commits of the WAL to lead, at the first start and at every other", () =>
    Effect.gen(function* () {
      const disk = DiskMemory.make()
      for (let life = 1; life <= 3; life++) {
        const node = yield* startNode(disk)
        expect(node.blocks()).toBe(START_BLOCKS)
        expect(node.store.image().offset).toBe(life + 1)
        yield* node.close
      }
    })
  )

  it.live("begins a term at each start, with a vote of its own before the first entry", () =>
    Effect.gen(function* () {
      const disk = DiskMemory.make()
      for (let life = 1; life <= 3; life++) yield* Effect.flatMap(startNode(disk), (node) => node.close)
      const node = yield* startNode(disk)
      const found = framesOf(node, FrameKind.Vote, FrameKind.Metadata)
      expect(found.map(({ kind, term }) => `${kind} ${term}`)).toEqual(["3 1", "2 1", "3 2", "2 2", "3 3", "2 3"])
      yield* node.close
    })
  )

  it.live("of another directory is not taken over: the id of the directory is part of who votes (rule 18)", () =>
    Effect.gen(function* () {
      const disk = DiskMemory.make()
      const node = yield* startNode(disk)
      yield* settleAll(node)
      yield* node.close
      const refused = yield* Effect.flip(startNode(disk, { self: { node: 1, directoryId: "directory-2" } }))
      expect(refused).toMatchObject({ _tag: "MetadataUnreadable" })
      expect((refused as { message: string }).message).toContain("belongs to 1 (directory-1)")
    })
  )

  it.live("that has lost its vote goes on in a later term, with what its snapshot holds", () =>
    quietly(
      Effect.gen(function* () {
        const disk = DiskMemory.make()
        const node = yield* startNode(disk)
        yield* proposeAll(node, HISTORY)
        const before = bytesOf(node)
        yield* settleAll(node)
        yield* node.close
        for (const name of disk.list("/data/wal")) disk.remove(`/data/wal/${name}`)
        const again = yield* startNode(disk)
        expect(bytesOf(again)).toBe(before)
        yield* again.close
        const third = yield* startNode(disk)
        expect(framesOf(third, FrameKind.Vote).map(({ term }) => term)).toEqual([2])
        yield* third.close
      })
    )
  )
})

const flipByte = (disk: Disk["Service"], path: string, at: number) => {
  const file = disk.open(path, "write")
  const byte = new Uint8Array(1)
  file.read(byte, 0, 1, at)
  byte[0]! ^= 0xff
  file.write(byte, 0, 1, at)
  file.close()
}
