import { FrameKind } from "@chronik-effect/core/wal/Block.ts"
import { make as makeMemory } from "@chronik-effect/server/io/DiskMemory.ts"
import { DETACHED_CHUNKS_MAX } from "@chronik-effect/server/storage/CommitRing.ts"
import { expect, it } from "@effect/vitest"
import { Effect, Exit, Fiber } from "effect"
import { TestClock } from "effect/testing"
import { describe } from "vitest"
import { DiskFaulty } from "../support/DiskFaulty.ts"
import { DIRECTORY, payloadOf, recoveredOf, startNode, turns, until, type WalNode, write } from "./WalHarness.ts"

const manual = (seed = 1) => {
  const disk = new DiskFaulty(seed)
  disk.manualSyncs = true
  return disk
}

/** Lets every sync of the spare's zeroes through and keeps those of blocks. */
const settleSegments = Effect.fnUntraced(function* (disk: DiskFaulty) {
  for (let i = 0; i < 20; i++) {
    yield* turns(2)
    while (disk.pendingSyncs.length > 0) disk.finishSync()
  }
})

const startManual = Effect.fnUntraced(function* (disk: DiskFaulty) {
  const node = yield* startNode(disk.service)
  yield* settleSegments(disk)
  return node
})

const finishAll = Effect.fnUntraced(function* (disk: DiskFaulty, node: WalNode) {
  disk.manualSyncs = false
  while (disk.pendingSyncs.length > 0) disk.finishSync()
  yield* node.close
})

/** Writes until the number is reached, waiting for room. */
const writeAll = Effect.fnUntraced(function* (node: WalNode, from: number, to: number, length: number) {
  for (let number = from; number <= to; number++) {
    while (!write(node, number, length)) yield* node.wal.room
  }
  yield* node.wal.flushed
})

const range = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, i) => from + i)

describe("group commit", () => {
  it.effect("one block takes all that one turn of the event loop reserves", () =>
    Effect.gen(function* () {
      const disk = manual()
      const node = yield* startManual(disk)
      for (const number of range(1, 9)) write(node, number, 50)
      yield* until("the block is in flight", () => disk.pendingSyncs.length === 1)
      for (const number of range(10, 12)) write(node, number, 50)
      yield* until("a second one is", () => disk.pendingSyncs.length === 2)
      for (const number of range(13, 20)) write(node, number, 50)
      yield* turns(5)
      expect(disk.pendingSyncs.length).toBe(2)
      expect(node.notified).toEqual([])
      disk.finishSync()
      expect(node.notified).toEqual(range(1, 9))
      yield* until("the rest left together", () => disk.pendingSyncs.length === 2)
      disk.finishSync()
      disk.finishSync()
      expect(node.blocks.map((block) => block.count)).toEqual([9, 3, 8])
      expect(node.blocks.map((block) => block.sequence)).toEqual([1, 2, 3])
      expect(node.wal.durableAddress()).toBe(node.blocks[2]!.endAddress)
      yield* finishAll(disk, node)
    })
  )

  it.effect("a flight completes only after all earlier ones", () =>
    Effect.gen(function* () {
      const disk = manual()
      const node = yield* startManual(disk)
      write(node, 1, 50)
      yield* until("one flies", () => disk.pendingSyncs.length === 1)
      const first = yield* Effect.forkChild(node.wal.flushed, { startImmediately: true })
      write(node, 2, 50)
      yield* until("two fly", () => disk.pendingSyncs.length === 2)
      const second = yield* Effect.forkChild(node.wal.flushed, { startImmediately: true })
      disk.finishSync(1)
      expect(node.notified).toEqual([])
      expect([first.pollUnsafe(), second.pollUnsafe()]).toEqual([undefined, undefined])
      disk.finishSync(0)
      expect(node.notified).toEqual([1, 2])
      yield* Fiber.join(first)
      yield* Fiber.join(second)
      yield* finishAll(disk, node)
    })
  )

  it.effect("blocks of two segments are never in flight together", () =>
    Effect.gen(function* () {
      const disk = manual()
      const node = yield* startManual(disk)
      const files = new Set<string>()
      for (let number = 1; number <= 60; number++) {
        while (!write(node, number, 900)) {
          if (disk.pendingSyncs.length > 0) disk.finishSync()
          yield* Effect.yieldNow
        }
        yield* Effect.yieldNow
        const blocks = disk.pendingSyncs.filter((sync) => sync.operation === "write").map((sync) => sync.path)
        expect(new Set(blocks).size).toBeLessThanOrEqual(1)
        for (const path of blocks) files.add(path)
      }
      expect(files.size).toBeGreaterThan(3)
      yield* finishAll(disk, node)
    })
  )

  it.effect("without syncs it asks the disk for none, and still completes in order", () =>
    Effect.gen(function* () {
      for (const durability of ["ephemeral", "unsafe-no-fsync"] as const) {
        const disk = manual()
        const node = yield* startNode(disk.service, { durability })
        yield* writeAll(node, 1, 40, 700)
        expect(node.notified).toEqual(range(1, 40))
        expect(disk.pendingSyncs).toEqual([])
        yield* node.close
      }
    })
  )

  it.effect("stamps each block with the disk's clock", () =>
    Effect.gen(function* () {
      const node = yield* startNode(makeMemory())
      yield* writeAll(node, 1, 3, 100)
      expect(node.wal.stats()).toMatchObject({ frames: 3, pendingBytes: 0, flights: 0, full: false })
      expect(node.wal.stats().lastSyncMicros).toBeGreaterThan(0)
      yield* node.close
    })
  )
})

describe("failure", () => {
  const expectFailed = Effect.fnUntraced(function* (node: WalNode, reason: string) {
    yield* until("the failure is told", () => node.events.length > 0)
    expect(node.events).toEqual([expect.stringContaining(reason)])
    expect(write(node, 99, 50)).toBe(false)
    expect(Exit.isFailure(yield* Effect.exit(node.wal.flushed))).toBe(true)
    expect(Exit.isFailure(yield* Effect.exit(node.wal.room))).toBe(true)
    yield* turns(10)
    expect(node.events.length).toBe(1)
    yield* node.close
  })

  it.effect("of the first flight fails the second, although its own sync says 0 (rule 34)", () =>
    Effect.gen(function* () {
      for (const order of [
        [0, 0],
        [1, 0]
      ]) {
        const disk = manual()
        const node = yield* startManual(disk)
        write(node, 1, 50)
        yield* until("one flies", () => disk.pendingSyncs.length === 1)
        write(node, 2, 50)
        yield* until("two fly", () => disk.pendingSyncs.length === 2)
        const waiter = yield* Effect.forkChild(Effect.exit(node.wal.flushed), { startImmediately: true })
        const first = disk.pendingSyncs[0]
        for (const index of order) disk.finishSync(index, disk.pendingSyncs[index] === first ? "EIO" : undefined)
        expect(node.notified).toEqual([])
        expect(Exit.isFailure(yield* Fiber.join(waiter))).toBe(true)
        yield* expectFailed(node, "refused to datasync")
        expect(node.notified).toEqual([])
      }
    })
  )

  it.effect("of a write is final, also when only the second half of it was refused", () =>
    Effect.gen(function* () {
      for (const code of ["EIO", "ESHORT", "ENOSPC"]) {
        const disk = new DiskFaulty(1)
        const node = yield* startNode(disk.service)
        yield* writeAll(node, 1, 3, 100)
        disk.refuse = (operation) => (operation === "write" ? code : undefined)
        write(node, 4, 600)
        yield* until("it was tried", () => node.events.length > 0)
        disk.refuse = () => undefined
        yield* expectFailed(node, code)
        const next = yield* startNode(disk.crash(1).service)
        expect(recoveredOf(next)).toEqual([1, 2, 3])
        yield* next.close
      }
    })
  )

  it.effect("of a sync loses nothing that was notified, though the kernel calls the pages clean", () =>
    Effect.gen(function* () {
      const disk = new DiskFaulty(1)
      const node = yield* startNode(disk.service)
      yield* writeAll(node, 1, 3, 100)
      disk.refuse = (operation) => (operation === "datasync" ? "EIO" : undefined)
      write(node, 4, 600)
      yield* expectFailed(node, "EIO")
      // The process starts again and finds frame 4 in the page cache; then the machine dies.
      disk.refuse = () => undefined
      const again = disk.kill(1)
      const second = yield* startNode(again.service)
      expect(recoveredOf(second)).toEqual([1, 2, 3, 4])
      const third = yield* startNode(again.crash(1).service)
      expect(recoveredOf(third)).toEqual([1, 2, 3, 4])
      yield* second.close
      yield* third.close
    })
  )
})

describe("room", () => {
  it.effect("is refused beyond the pending bytes and given back by the next commit", () =>
    Effect.gen(function* () {
      const disk = manual()
      const node = yield* startManual(disk)
      let reserved = 0
      while (write(node, reserved + 1, 1000)) reserved++
      expect(reserved).toBeGreaterThan(10)
      expect(node.wal.stats().pendingBytes).toBeLessThanOrEqual(16384)
      expect(node.wal.full()).toBe(false)
      const room = yield* Effect.forkChild(node.wal.room, { startImmediately: true })
      yield* until("a block flies", () => disk.pendingSyncs.length > 0)
      expect(room.pollUnsafe()).toBeUndefined()
      disk.finishSync()
      yield* Fiber.join(room)
      // Without a spare segment the end of this one is kept for metadata, and the spare is made after the first commit.
      yield* until("there is room", () => {
        if (disk.pendingSyncs.length > 0) disk.finishSync()
        return write(node, reserved + 1, 1000)
      })
      yield* finishAll(disk, node)
    })
  )

  it.effect("ends when the settler lags, and comes back with a release, lowest first", () =>
    Effect.gen(function* () {
      const disk = new DiskFaulty(1)
      const node = yield* startNode(disk.service, { segmentsMax: 3 })
      let next = 1
      const fill = Effect.gen(function* () {
        for (let idle = 0; idle < 40; idle++) {
          if (write(node, next, 1500)) {
            next++
            idle = 0
          }
          yield* Effect.yieldNow
        }
      })
      yield* fill
      expect(node.wal.segments().map((segment) => [segment.sequence, segment.sealed])).toEqual([
        [0, true],
        [1, true],
        [2, false]
      ])
      expect(node.wal.full()).toBe(false)
      expect(node.events).toEqual(["sealed 0", "sealed 1"])
      expect(write(node, 9000, 30, FrameKind.Metadata)).toBe(true)
      const room = yield* Effect.forkChild(node.wal.room, { startImmediately: true })
      node.wal.release(1)
      yield* turns(30)
      expect(node.wal.segments()[0]!.sequence).toBe(0)
      node.wal.release(0)
      yield* Fiber.join(room)
      yield* until("both are gone", () => node.wal.segments()[0]!.sequence === 2)
      yield* fill
      expect(node.wal.segments().map((segment) => segment.sequence)).toEqual([2, 3, 4])
      yield* node.close
    })
  )

  it.effect("ends on a full disk with full(), leaves some to metadata, and comes back by itself", () =>
    Effect.gen(function* () {
      const disk = new DiskFaulty(1)
      disk.capacityBytes = 16384 + 100
      const node = yield* startNode(disk.service, { metadataReserveBytes: 4096 })
      let next = 1
      while (!node.wal.full()) {
        if (write(node, next, 1000)) next++
        yield* Effect.yieldNow
      }
      expect(next).toBeGreaterThan(5)
      for (const number of range(5000, 5003)) expect(write(node, number, 500, FrameKind.Metadata)).toBe(true)
      expect(write(node, 5004, 1000, FrameKind.Batch)).toBe(false)
      yield* node.wal.flushed
      expect(node.notified).toEqual([...range(1, next - 1), ...range(5000, 5003)])
      const room = yield* Effect.forkChild(node.wal.room, { startImmediately: true })
      yield* TestClock.adjust("3 seconds")
      expect(node.wal.full()).toBe(true)
      disk.capacityBytes = 1 << 20
      yield* TestClock.adjust("1 second")
      yield* until("a segment could be made", () => !node.wal.full())
      yield* Fiber.join(room)
      yield* writeAll(node, next, next + 9, 1000)
      expect(node.events).toEqual(["sealed 0"])
      yield* node.close
    })
  )

  it.effect("takes a frame as large as a chunk but for its overhead, and no larger one", () =>
    Effect.gen(function* () {
      const node = yield* startNode(makeMemory())
      expect(node.wal.frameBytesMax).toBe(8192 - 4096)
      yield* writeAll(node, 1, 9, node.wal.frameBytesMax)
      expect(node.notified).toEqual(range(1, 9))
      expect(() => node.wal.reserve(FrameKind.Batch, 1, node.wal.frameBytesMax + 1, 0)).toThrow("at most 4096 bytes")
      yield* node.close
    })
  )
})

describe("reading", () => {
  it.effect("gives the same bytes from the ring and from the file, and from the file alone later", () =>
    Effect.gen(function* () {
      const node = yield* startNode(makeMemory(), { segmentsMax: 100 })
      const addresses = new Map<number, number>()
      for (const number of range(1, 60)) {
        const payload = payloadOf(number, 900)
        let address = -1
        while (address < 0) {
          address = node.wal.reserve(FrameKind.Batch, number % 7, payload.length, number + 1)
          if (address < 0) yield* node.wal.room
        }
        node.wal.chunkAt(address).set(payload, node.wal.placeAt(address))
        addresses.set(number, address)
      }
      yield* node.wal.flushed
      const into = new Uint8Array(1000)
      let viewed = 0
      for (const [number, address] of addresses) {
        node.wal.read(address, 900, into, 50)
        expect(into.subarray(50, 950)).toEqual(payloadOf(number, 900))
        const view = node.wal.view(address, 900)
        if (view !== undefined) expect(view).toEqual(payloadOf(number, 900))
        viewed += view === undefined ? 0 : 1
        expect(view === undefined).toBe(address < node.wal.durableAddress() - 4 * 8192)
      }
      expect(viewed).toBeGreaterThan(20)
      expect(node.wal.view(node.wal.durableAddress(), 1)).toBeUndefined()
      expect(() => node.wal.read(77 * node.wal.segmentBytes, 1, into, 0)).toThrow("WAL address")
      yield* node.close
    })
  )

  it.effect("under a lease stays unchanged while the ring goes round, for a bounded number of chunks", () =>
    Effect.gen(function* () {
      const node = yield* startNode(makeMemory(), { segmentsMax: 100 })
      const held: Array<{ view: Uint8Array; copy: Uint8Array; release: () => void }> = []
      for (let number = 1; node.wal.stats().detachedChunks < DETACHED_CHUNKS_MAX; number++) {
        const address = node.wal.reserve(FrameKind.Batch, 1, 3000, number)
        node.wal.chunkAt(address).set(payloadOf(number, 3000), node.wal.placeAt(address))
        yield* node.wal.flushed
        const view = node.wal.view(address, 3000)!
        const lease = node.wal.lease(address)
        if (lease !== undefined) held.push({ view, copy: view.slice(), release: lease.release })
        expect(number).toBeLessThan(200)
      }
      const address = node.wal.reserve(FrameKind.Batch, 1, 100, 0)
      expect(node.wal.lease(address)).toBeUndefined()
      for (const { view, copy } of held) expect(view).toEqual(copy)
      for (const { release } of held) {
        release()
        release()
      }
      expect(node.wal.stats().detachedChunks).toBe(0)
      expect(node.wal.lease(address)).toBeDefined()
      expect(node.wal.lease(0)).toBeUndefined()
      yield* node.close
    })
  )
})

describe("the next start", () => {
  it.effect("finds every frame and knows a clean stop from a crash", () =>
    Effect.gen(function* () {
      const disk = new DiskFaulty(1)
      const first = yield* startNode(disk.service)
      expect(first.wal.recovered.cleanStop).toBe(false)
      yield* writeAll(first, 1, 50, 600)
      write(first, 51, 10, FrameKind.Vote)
      yield* first.close
      const second = yield* startNode(disk.service)
      expect(second.wal.recovered).toMatchObject({ cleanStop: true, tornBytes: 0 })
      expect(recoveredOf(second)).toEqual(range(1, 51))
      expect(recoveredOf(second)).toEqual(range(1, 51))
      yield* writeAll(second, 52, 60, 600)
      const third = yield* startNode(disk.crash(5).service)
      expect(third.wal.recovered.cleanStop).toBe(false)
      expect(recoveredOf(third)).toEqual(range(1, 60))
      const sealed = third.wal.segments().map((segment) => segment.sealed)
      expect(sealed.pop()).toBe(false)
      expect(sealed.every(Boolean)).toBe(true)
      expect(third.events).toEqual([])
      yield* second.close
      yield* third.close
    })
  )

  it.effect("refuses a log with a flipped bit in what was acknowledged, by name", () =>
    Effect.gen(function* () {
      const disk = new DiskFaulty(1)
      const node = yield* startNode(disk.service)
      for (const number of range(1, 5)) yield* writeAll(node, number, number, 100)
      yield* node.close
      disk.damage(`${DIRECTORY}/${"0".repeat(20)}.wal`, 512 + 100, 4)
      const error = yield* Effect.flip(startNode(disk.service))
      expect(error._tag).toBe("WalCorrupt")
      expect(error.message).toContain("00000000000000000000.wal, byte 512")
      expect(error.message).toContain("Block 2 cannot be read, but block 3, written later, says that it was on disk.")
      disk.damage(`${DIRECTORY}/${"0".repeat(20)}.wal`, 512 + 100, 4)
      const repaired = yield* startNode(disk.service)
      expect(recoveredOf(repaired)).toEqual(range(1, 5))
      yield* repaired.close
    })
  )

  it.effect("writes no block before the name of its file is durable", () =>
    Effect.gen(function* () {
      const disk = new DiskFaulty(1)
      let held: Array<() => void> | undefined = []
      const service: typeof disk.service = {
        ...disk.service,
        syncDirectoryLater: (path, done) => {
          const run = () => disk.service.syncDirectoryLater(path, done)
          if (held === undefined) run()
          else held.push(run)
        }
      }
      for (let life = 1; life <= 3; life++) {
        held = []
        const node = yield* startNode(service)
        write(node, life, 100)
        yield* until("it is committed, whatever the maintainer waits for", () => node.notified.length === 1)
        const survivor = disk.image(life)
        const found = yield* startNode(survivor.service)
        expect(recoveredOf(found)).toEqual(range(1, life))
        yield* found.close
        for (const run of held.splice(0)) run()
        held = undefined
        yield* node.close
      }
    })
  )

  it.effect("recycles files: their number and size stay bounded, old blocks are never read", () =>
    Effect.gen(function* () {
      let disk = new DiskFaulty(1)
      let next = 1
      for (let life = 1; life <= 4; life++) {
        const node = yield* startNode(disk.service)
        const kept = recoveredOf(node)
        expect(kept).toEqual(range(next - kept.length, next - 1))
        for (const segment of node.wal.segments()) if (segment.sealed) node.wal.release(segment.sequence)
        node.onSealed = (sequence) => node.wal.release(sequence)
        yield* writeAll(node, next, next + 99, 700)
        next += 100
        yield* turns(30)
        expect(disk.service.list(DIRECTORY).length).toBeLessThanOrEqual(2 + 3 + 2)
        expect(node.wal.segments().length).toBeLessThanOrEqual(2)
        const crashed = disk.crash(life)
        yield* node.close
        disk = crashed
      }
    })
  )
})
