/**
 * Administered logs in a real process that is killed: deleted records stay deleted, the newest value of each key and the
 * newest commit of a group stay, and the offsets topic does not grow with what was committed.
 */
import { readdirSync, statSync } from "node:fs"
import { join } from "node:path"
import { ErrorCode } from "@chronik-effect/core/model/ErrorCode.ts"
import { ListOffsetsApi } from "@chronik-effect/core/protocol/messages/02_ListOffsets.ts"
import { OffsetCommitApi } from "@chronik-effect/core/protocol/messages/08_OffsetCommit.ts"
import { OffsetFetchApi } from "@chronik-effect/core/protocol/messages/09_OffsetFetch.ts"
import { FindCoordinatorApi } from "@chronik-effect/core/protocol/messages/10_FindCoordinator.ts"
import { DeleteRecordsApi } from "@chronik-effect/core/protocol/messages/21_DeleteRecords.ts"
import { buildBatch } from "@chronik-effect/core/record/BatchBuilder.ts"
import { afterEach, expect, it, vi } from "vitest"
import { Peer } from "../badinput/Peer.ts"
import { batchOf, createTopic, fetchOne, produce, utf8 } from "../badinput/Requests.ts"
import { BrokerProcess, freePort, temporaryDirectory } from "../support/BrokerProcess.ts"
import { readPartition } from "./readPartition.ts"

/** Compaction at once, also of what is little. */
const EAGER = ["--set", "log.cleaner.backoff.ms=20", "--set", "log.cleaner.max.compaction.lag.ms=1"]

let broker: BrokerProcess | undefined

afterEach(async () => {
  await broker?.dispose()
  broker = undefined
})

const begin = async (args: ReadonlyArray<string> = []): Promise<BrokerProcess> => {
  broker = new BrokerProcess(await freePort(), temporaryDirectory(), args)
  await broker.start()
  return broker
}

/** Of the logs of a topic's partitions. */
const logBytes = (dataDir: string, topic: string): number => {
  const folder = join(dataDir, "topics")
  const directories = readdirSync(folder).filter((name) => name.startsWith(`${topic}-`))
  return directories
    .flatMap((name) => readdirSync(join(folder, name)).map((file) => join(folder, name, file)))
    .filter((file) => file.endsWith(".log"))
    .reduce((sum, file) => sum + statSync(file, { throwIfNoEntry: false })!.size, 0)
}

const waited = { timeout: 30_000, interval: 20 }

it("deleted records stay deleted", async () => {
  const node = await begin()
  let peer = await Peer.connect(node.port)
  const topic = await createTopic(peer, "cut")
  for (let round = 0; round < 4; round++) {
    for (let i = 0; i < 3; i++) await produce(peer, topic, batchOf([`${round}.${i}`]))
    const offset = round * 3 + 2
    const topics = [{ name: "cut", partitions: [{ partitionIndex: 0, offset }] }]
    const answer = await peer.call(DeleteRecordsApi, 2, { topics, timeoutMs: 10_000 })
    expect(answer.topics[0]!.partitions[0]).toMatchObject({ errorCode: 0, lowWatermark: offset })
    await node.end("SIGKILL")
    peer[Symbol.dispose]()
    await node.start()
    peer = await Peer.connect(node.port)
    const asked = [{ name: "cut", partitions: [{ partitionIndex: 0, timestamp: -2 }] }]
    const listed = await peer.call(ListOffsetsApi, 8, { replicaId: -1, topics: asked })
    expect(listed.topics[0]!.partitions[0]!.offset).toBe(offset)
    expect((await fetchOne(peer, topic, { offset: offset - 1 })).errorCode).toBe(ErrorCode.OFFSET_OUT_OF_RANGE)
    expect((await fetchOne(peer, topic, { offset })).highWatermark).toBe(round * 3 + 3)
  }
  peer[Symbol.dispose]()
}, 120_000)

it("the newest value of each key stays, while the log is compacted and the process is killed", async () => {
  const node = await begin(EAGER)
  const newest = new Map<string, string>()
  let peer = await Peer.connect(node.port)
  const topic = await createTopic(peer, "kv", { "cleanup.policy": "compact" })
  for (let round = 0; round < 4; round++) {
    for (let i = 0; i < 150; i++) {
      const records = Array.from({ length: 10 }, (_, j) => {
        const key = `key-${(i * 7 + j) % 40}`
        newest.set(key, `${key}/${round}.${i}.${j}`)
        return { key: utf8(key), value: utf8(`${key}/${round}.${i}.${j}`), timestamp: Date.now() }
      })
      expect((await produce(peer, topic, buildBatch(records))).errorCode).toBe(0)
    }
    await node.end("SIGKILL")
    peer[Symbol.dispose]()
    await node.start()
    peer = await Peer.connect(node.port)
    const values = (await readPartition(node.bootstrap, "kv", 0)).filter((value) => value !== undefined)
    const found = new Map(values.map((value) => [value.split("/")[0]!, value]))
    expect(found).toEqual(newest)
  }
  peer[Symbol.dispose]()
  await vi.waitFor(() => expect(logBytes(node.dataDir, "kv")).toBeLessThan(20_000), waited)
  const left = (await readPartition(node.bootstrap, "kv", 0)).filter((value) => value !== undefined)
  expect(left.length).toBeLessThan(200)
}, 120_000)

it("the offsets topic holds a group's newest commit, not its history", async () => {
  const node = await begin(EAGER)
  let peer = await Peer.connect(node.port)
  await createTopic(peer, "orders")
  const commit = (committedOffset: number) =>
    peer.call(OffsetCommitApi, 8, {
      groupId: "g",
      generationIdOrMemberEpoch: -1,
      memberId: "",
      topics: [{ name: "orders", partitions: [{ partitionIndex: 0, committedOffset, committedMetadata: "" }] }]
    })
  await vi.waitFor(async () => {
    await peer.call(FindCoordinatorApi, 3, { key: "g", keyType: 0 })
    expect((await commit(0)).topics[0]!.partitions[0]!.errorCode).toBe(0)
  }, waited)
  for (let i = 1; i <= 1_500; i++) await commit(i)
  await vi.waitFor(() => {
    const bytes = logBytes(node.dataDir, "__consumer_offsets")
    expect(bytes).toBeGreaterThan(0)
    expect(bytes).toBeLessThan(2_000)
  }, waited)
  await node.end("SIGKILL")
  peer[Symbol.dispose]()
  await node.start()
  peer = await Peer.connect(node.port)
  await vi.waitFor(async () => {
    const groups = [{ groupId: "g", topics: [{ name: "orders", partitionIndexes: [0] }] }]
    const { errorCode, topics } = (await peer.call(OffsetFetchApi, 8, { groups, requireStable: false })).groups[0]!
    expect([errorCode, topics[0]?.partitions[0]?.committedOffset]).toEqual([0, 1_500])
  }, waited)
  peer[Symbol.dispose]()
}, 120_000)
