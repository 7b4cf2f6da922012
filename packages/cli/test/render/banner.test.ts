import type { StartReport } from "@chronik-effect/server/observe/StartReport.ts"
import { describe, expect, it } from "vitest"
import { renderBanner } from "../../src/render/banner.ts"
import { renderTable } from "../../src/render/table.ts"

const report: StartReport = {
  version: "0.1.0",
  nodeId: 1,
  clusterId: "abc",
  host: "127.0.0.1",
  port: 9_092,
  advertisedHost: "127.0.0.1",
  advertisedPort: 9_092,
  durability: "durable",
  dataDir: "/data",
  fsyncMicros: 112.4,
  fresh: false,
  recovery: { cleanStop: true, topics: 2, partitions: 1, walFrames: 0, tornBytes: 0, elapsedMs: 3.21 },
  readyMs: 84.6
}

describe("renderBanner", () => {
  it("says when, where, what an acknowledgement means and what was recovered", () => {
    expect(renderBanner(report).split("\n")).toEqual([
      "chronik-effect 0.1.0 ready in 85 ms",
      "  kafka       127.0.0.1:9092",
      "  data        /data",
      "  durability  an acknowledgement means on disk; one fsync takes 112 µs here",
      "  recovered   2 topics, 1 partition in 3.2 ms after a clean stop",
      "  node        1 of cluster abc"
    ])
  })

  it("names the advertised address where it differs", () => {
    const page = renderBanner({ ...report, host: "0.0.0.0", advertisedHost: "::1", advertisedPort: 19_092 })
    expect(page).toContain("0.0.0.0:9092, clients are told [::1]:19092")
  })

  it("says what a crash left", () => {
    const recovery = { ...report.recovery, cleanStop: false, walFrames: 1_234, tornBytes: 4_096 }
    expect(renderBanner({ ...report, recovery })).toContain(
      "after a crash: 1,234 batches from the WAL, an unfinished write of 4,096 bytes cut off"
    )
  })

  it("warns where an acknowledgement is worth less", () => {
    expect(renderBanner({ ...report, durability: "unsafe-no-fsync", fsyncMicros: undefined })).toContain("UNSAFE")
    expect(renderBanner({ ...report, durability: "ephemeral", dataDir: undefined })).toContain("in memory only")
  })
})

describe("renderTable", () => {
  it("aligns numbers right and words left", () => {
    const page = renderTable(
      [{ title: "NAME" }, { title: "N", align: "right" }],
      [
        ["a", "10"],
        ["longer", "9"]
      ]
    )
    expect(page).toBe("NAME     N\na       10\nlonger   9")
  })
})
