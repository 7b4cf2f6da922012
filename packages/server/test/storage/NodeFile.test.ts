import { isUuid } from "@chronik-effect/core/base/Uuid.ts"
import { Disk, readWhole, writeWhole } from "@chronik-effect/server/io/Disk.ts"
import { make } from "@chronik-effect/server/io/DiskMemory.ts"
import { openNodeFile } from "@chronik-effect/server/storage/NodeFile.ts"
import { expect, it } from "@effect/vitest"
import { Effect } from "effect"
import { DiskFaulty } from "../support/DiskFaulty.ts"

const on = (disk: Disk["Service"]) => Effect.provideService(Disk, disk)

it.effect("a new directory gets its ids once and counts its starts", () =>
  Effect.gen(function* () {
    const disk = make()
    const first = yield* openNodeFile("/data", { nodeId: 3 }).pipe(on(disk))
    const second = yield* openNodeFile("/data", { nodeId: 3 }).pipe(on(disk))
    expect(first).toMatchObject({ format: 2, nodeId: 3, incarnation: 1 })
    expect([isUuid(first.directoryId), isUuid(first.clusterId)]).toEqual([true, true])
    expect(second).toEqual({ ...first, incarnation: 2 })
    expect(JSON.parse(Buffer.from(readWhole(disk, "/data/node.json")).toString())).toEqual(second)
  })
)

it.effect("an incarnation that was given out is never given out again after a crash", () =>
  Effect.gen(function* () {
    let disk = new DiskFaulty(1)
    for (let incarnation = 1; incarnation <= 20; incarnation++) {
      const opened = yield* openNodeFile("/data", { nodeId: 3 }).pipe(on(disk.service))
      expect(opened.incarnation).toBe(incarnation)
      disk = disk.crash(incarnation)
    }
  })
)

it.effect("a directory of another node, cluster or format, or with a broken file, is refused with a sentence", () =>
  Effect.gen(function* () {
    const disk = make()
    const refusal = (nodeId: number, clusterId?: string) =>
      openNodeFile("/data", { nodeId, clusterId }).pipe(
        on(disk),
        Effect.flip,
        Effect.map((error) => error.message)
      )
    yield* openNodeFile("/data", { nodeId: 3, clusterId: "one" }).pipe(on(disk))
    expect(yield* refusal(4)).toContain("belongs to node 3, and this is node 4")
    expect(yield* refusal(3, "two")).toContain("belongs to cluster one")
    const put = (text: string) => writeWhole(disk, "/data", "node.json", new TextEncoder().encode(text))
    put(`{ "format": 1 }`)
    expect(yield* refusal(3)).toContain("it has format 1, and this program knows format 2")
    put(`{ "format": 2, "nodeId": 3 }`)
    expect(yield* refusal(3)).toContain("fields are missing")
    put("")
    expect(yield* refusal(3)).toContain("it is not JSON")
  })
)
