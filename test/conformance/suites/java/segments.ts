/**
 * DumpLogSegments on our files: batches, indexes, and the records of __consumer_offsets.
 *
 * Batches reach a partition's files when a segment of the write-ahead log is full, so enough is written to fill one.
 */
import { equal, match } from "node:assert/strict"
import { readdirSync, statSync } from "node:fs"
import { join } from "node:path"
import { OffsetCommitApi } from "@chronik-effect/core/protocol/messages/08_OffsetCommit.ts"
import { FindCoordinatorApi } from "@chronik-effect/core/protocol/messages/10_FindCoordinator.ts"
import { Peer } from "../../../badinput/Peer.ts"
import type { BrokerAddress, Cases } from "../Suite.ts"
import type { JavaTools } from "./JavaTools.ts"

const DUMP = "org.apache.kafka.tools.DumpLogSegments"
const PARTITIONS = 100
const COMMITS = 100
const SETTLED_MS_MAX = 60_000

/** Commits of a group without members, enough for its partition to be worth files of its own. */
const commitOffsets = async (bootstrap: string): Promise<void> => {
  using peer = await Peer.connect(Number(bootstrap.split(":")[1]))
  await peer.call(FindCoordinatorApi, 4, { keyType: 0, coordinatorKeys: ["dumped"] })
  for (let round = 1; round <= COMMITS; round++) {
    const partitions = Array.from({ length: PARTITIONS }, (_, partitionIndex) => ({
      partitionIndex,
      committedOffset: round,
      committedMetadata: `round ${round}`
    }))
    const request = { groupId: "dumped", generationIdOrMemberEpoch: -1, topics: [{ name: "offsets", partitions }] }
    const answer = await peer.call(OffsetCommitApi, 8, request)
    const codes = new Set(answer.topics.flatMap((topic) => topic.partitions.map((partition) => partition.errorCode)))
    equal([...codes].join(), "0", "the codes of a commit")
  }
}

/** The log files of a topic that hold data. */
const logFiles = (dataDir: string, topic: string): ReadonlyArray<string> =>
  readdirSync(join(dataDir, "topics"))
    .filter((name) => name.startsWith(`${topic}-`))
    .flatMap((name) => readdirSync(join(dataDir, "topics", name)).map((file) => join(dataDir, "topics", name, file)))
    .filter((path) => path.endsWith(".log") && statSync(path).size > 0)

const settled = async (dataDir: string, topic: string): Promise<string> => {
  const deadline = performance.now() + SETTLED_MS_MAX
  for (;;) {
    const file = logFiles(dataDir, topic)[0]
    if (file !== undefined) return file
    if (performance.now() > deadline) throw new Error(`no file of ${topic} within ${SETTLED_MS_MAX} ms`)
    await new Promise((next) => setTimeout(next, 50))
  }
}

export const segmentCases = async (cases: Cases, tools: JavaTools, broker: BrokerAddress): Promise<void> => {
  const { dataDir } = broker
  if (dataDir === undefined) return
  await tools.admin("org.apache.kafka.tools.TopicCommand", "--create", "--topic", "dumped", "--partitions", "1")
  await tools.admin("org.apache.kafka.tools.TopicCommand", "--create", "--topic", "offsets", "--partitions", "100")
  await commitOffsets(broker.bootstrap)
  const records = 80_000
  await tools.run("org.apache.kafka.tools.ProducerPerformance", [
    ...["--topic", "dumped", "--num-records", String(records), "--record-size", "1000", "--throughput", "-1"],
    ...["--producer-props", `bootstrap.servers=${tools.bootstrap}`, "acks=all", "compression.type=none"]
  ])

  await cases.add("DumpLogSegments reads our segment files, batch by batch", async () => {
    const told = await tools.run(DUMP, ["--files", await settled(dataDir, "dumped")])
    match(told, /Log starting offset: 0/)
    const batches = [...told.matchAll(/baseOffset: (\d+) lastOffset: (\d+) count: (\d+) .*isvalid: (\w+)/g)]
    equal(batches.length > 100, true, told.slice(0, 2000))
    let next = 0
    for (const [line, base, last, count, valid] of batches) {
      equal(Number(base), next, line)
      equal(Number(last) - Number(base) + 1, Number(count), line)
      equal(valid, "true", line)
      next = Number(last) + 1
    }
  })

  await cases.add("DumpLogSegments finds our indexes sane", async () => {
    const log = await settled(dataDir, "dumped")
    for (const kind of ["index", "timeindex"]) {
      const file = log.replace(/log$/, kind)
      const told = await tools.run(DUMP, ["--index-sanity-check", "--files", file])
      match(told, /passed sanity check/)
      const entries = await tools.run(DUMP, ["--files", file])
      match(entries, kind === "index" ? /offset: \d+ position: \d+/ : /timestamp: \d+ offset: \d+/)
      equal(/mismatch|Found|out of order/i.test(entries), false, entries.slice(-2000))
    }
  })

  await cases.add("DumpLogSegments decodes our __consumer_offsets", async () => {
    const told = await tools.run(DUMP, ["--offsets-decoder", "--files", await settled(dataDir, "__consumer_offsets")])
    match(told, /"group":"dumped","topic":"offsets","partition":99/)
    match(told, new RegExp(`"offset":${COMMITS},.*"metadata":"round ${COMMITS}"`))
  })
}
