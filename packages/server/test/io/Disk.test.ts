import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { Disk, type DiskError, readWhole, writeWhole } from "@chronik-effect/server/io/Disk.ts"
import { make as makeMemory } from "@chronik-effect/server/io/DiskMemory.ts"
import { layer as nodeLayer } from "@chronik-effect/server/io/DiskNode.ts"
import { expect, it } from "@effect/vitest"
import { Effect } from "effect"
import { describe } from "vitest"
import { DiskFaulty } from "../support/DiskFaulty.ts"

const real = Effect.gen(function* () {
  const root = yield* Effect.acquireRelease(
    Effect.sync(() => fs.mkdtempSync(path.join(os.tmpdir(), "chronik-disk-"))),
    (made) => Effect.sync(() => fs.rmSync(made, { recursive: true, force: true }))
  )
  return { disk: yield* Disk.pipe(Effect.provide(nodeLayer)), root }
})

const bytesOf = (text: string) => new TextEncoder().encode(text)
const codeOf = (run: () => unknown): string => {
  try {
    run()
  } catch (error) {
    return (error as DiskError).code
  }
  return "none"
}

describe.each([
  ["a real disk", real],
  ["a disk in memory", Effect.sync(() => ({ disk: makeMemory(), root: "/root" }))],
  ["a faulty disk that does not fail", Effect.sync(() => ({ disk: new DiskFaulty(1).service, root: "/root" }))]
] as const)("%s", (_name, made) => {
  it.live("lists nothing in a file and nothing in what is not there", () =>
    Effect.gen(function* () {
      const { disk, root } = yield* made
      disk.open(disk.join(root, "file"), "create").close()
      expect(disk.list(disk.join(root, "file"))).toEqual([])
      expect(disk.list(disk.join(root, "nowhere"))).toEqual([])
    })
  )

  it.live("keeps bytes at their place, zeroes where none were written, and ends where it ends", () =>
    Effect.gen(function* () {
      const { disk, root } = yield* made
      const file = disk.open(disk.join(root, "a"), "create")
      file.allocate(0, 100_000)
      file.write(bytesOf("xhellox"), 1, 5, 65_534)
      const into = new Uint8Array(20).fill(9)
      expect(file.read(into, 2, 9, 65_532)).toBe(9)
      expect([...into.subarray(0, 12)]).toEqual([9, 9, 0, 0, ...bytesOf("hello"), 0, 0, 9])
      expect(file.size()).toBe(100_000)
      expect(file.read(into, 0, 20, 99_995)).toBe(5)
      file.truncate(65_536)
      expect(file.size()).toBe(65_536)
      const got = yield* Effect.callback<number>((resume) =>
        file.readLater(into, 0, 20, 65_530, (error, n) =>
          resume(error === undefined ? Effect.succeed(n) : Effect.die(error))
        )
      )
      expect([got, ...into.subarray(0, 6)]).toEqual([6, 0, 0, 0, 0, ...bytesOf("he")])
      yield* Effect.callback<void, DiskError>((resume) =>
        file.datasync((error) => resume(error === undefined ? Effect.void : Effect.fail(error)))
      )
      file.close()
      file.close()
    })
  )

  it.live("names, lists, renames, replaces and removes", () =>
    Effect.gen(function* () {
      const { disk, root } = yield* made
      const folder = disk.join(root, "b", "c")
      disk.makeDirectory(folder)
      expect(disk.list(disk.join(root, "none"))).toEqual([])
      writeWhole(disk, folder, "small", bytesOf("one"))
      writeWhole(disk, folder, "small", bytesOf("two"))
      expect(Buffer.from(readWhole(disk, disk.join(folder, "small"))).toString()).toBe("two")
      disk.rename(disk.join(folder, "small"), disk.join(folder, "other"))
      expect(disk.list(folder)).toEqual(["other"])
      expect([disk.exists(disk.join(folder, "other")), disk.exists(disk.join(folder, "small"))]).toEqual([true, false])
      disk.remove(disk.join(folder, "other"))
      disk.remove(disk.join(folder, "other"))
      expect(disk.list(folder)).toEqual([])
      writeWhole(disk, folder, "later", bytesOf("three"))
      for (const path of [disk.join(folder, "later"), disk.join(folder, "later"), disk.join(root, "none")]) {
        yield* Effect.callback<void, DiskError>((resume) =>
          disk.removeLater(path, (error) => resume(error === undefined ? Effect.void : Effect.fail(error)))
        )
      }
      expect(disk.list(folder)).toEqual([])
      expect(codeOf(() => disk.open(disk.join(folder, "other"), "read"))).toBe("ENOENT")
      expect(codeOf(() => disk.rename(disk.join(folder, "other"), disk.join(folder, "x")))).toBe("ENOENT")
      yield* Effect.callback<void, DiskError>((resume) =>
        disk.syncDirectoryLater(folder, (error) => resume(error === undefined ? Effect.void : Effect.fail(error)))
      )
    })
  )

  it.live("has a clock that moves on and zlib's CRC-32", () =>
    Effect.gen(function* () {
      const { disk } = yield* made
      const before = disk.nowMicros()
      expect(disk.crc32(bytesOf("123456789"))).toBe(0xcbf43926)
      expect(disk.crc32(bytesOf("6789"), disk.crc32(bytesOf("12345")))).toBe(0xcbf43926)
      expect(disk.nowMicros()).toBeGreaterThanOrEqual(before)
    })
  )
})
