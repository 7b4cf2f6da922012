/**
 * How long a coordinator loads, before and after its log is compacted:
 * `npm run bench:group-restart -- [--commits 1000000] [--partitions 100]`.
 *
 * One group commits so many offsets, for few partitions, over and over: a history of which almost nothing counts. The broker is
 * stopped and started; measured is from its readiness until it answers for the group. Then the cleaner has its way, and
 * the same is measured again. The last committed offsets must be the same each time.
 */
import { readdirSync, statSync } from "node:fs"
import { join } from "node:path"
import { setTimeout as pause } from "node:timers/promises"
import { parseArgs } from "node:util"
import { ErrorCode, errorName } from "@chronik-effect/core/model/ErrorCode.ts"
import { decodeResponse } from "@chronik-effect/core/protocol/Frame.ts"
import { OffsetCommitApi } from "@chronik-effect/core/protocol/messages/08_OffsetCommit.ts"
import { OffsetFetchApi } from "@chronik-effect/core/protocol/messages/09_OffsetFetch.ts"
import { FindCoordinatorApi } from "@chronik-effect/core/protocol/messages/10_FindCoordinator.ts"
import { CreateTopicsApi } from "@chronik-effect/core/protocol/messages/19_CreateTopics.ts"
import { Peer } from "../badinput/Peer.ts"
import { BrokerProcess, freePort, temporaryDirectory } from "../support/BrokerProcess.ts"

const GROUP = "history"
const TOPIC = "t"
const PIPELINE = 16
/** Compaction is done when the log has kept its size for so long. */
const QUIET_MS = 5_000
/** How long a busy machine may let the cleaner wait; it may also have been there already. */
const FIRST_PASS_MS_MAX = 30_000
const COMPACTION_MS_MAX = 300_000

const SETTINGS = [
  "offsets.topic.segment.bytes=1048576",
  "offsets.topic.num.partitions=1",
  "log.cleaner.backoff.ms=500",
  "log.cleaner.min.cleanable.ratio=0.1"
]
const check = (what: string, errorCode: number): void => {
  if (errorCode !== ErrorCode.NONE) throw new Error(`${what}: ${errorName(errorCode)}`)
}

interface History {
  readonly broker: BrokerProcess
  readonly commits: number
  readonly partitions: number
}

const commitHistory = async ({ broker, commits, partitions }: History): Promise<void> => {
  using peer = await Peer.connect(broker.port)
  const topics = [{ name: TOPIC, numPartitions: partitions, replicationFactor: 1 }]
  check("the topic", (await peer.call(CreateTopicsApi, 7, { topics, timeoutMs: 60_000 })).topics[0]!.errorCode)
  check("the coordinator", (await peer.call(FindCoordinatorApi, 3, { key: GROUP, keyType: 0 })).errorCode)
  const rounds = commits / partitions
  const send = (round: number) =>
    peer.ask(OffsetCommitApi, 8, {
      groupId: GROUP,
      topics: [
        {
          name: TOPIC,
          partitions: Array.from({ length: partitions }, (_, partitionIndex) => ({
            partitionIndex,
            committedOffset: round,
            committedMetadata: ""
          }))
        }
      ]
    })
  for (let round = 0; round < Math.min(PIPELINE, rounds); round++) send(round)
  for (let round = 0; round < rounds; round++) {
    const frame = await peer.frame()
    const { value } = decodeResponse(OffsetCommitApi, 8, frame, 0, frame.length)
    for (const { errorCode } of value.topics[0]!.partitions) check("a commit", errorCode)
    if (round + PIPELINE < rounds) send(round + PIPELINE)
  }
}

export interface Restart {
  /** From the start of the process until it answers anything. The coordinator loads meanwhile. */
  readonly readyMs: number
  /** From there until it knows what the group has committed. */
  readonly loadMs: number
  readonly logBytes: number
}

const restart = async ({ broker, commits, partitions }: History): Promise<Restart> => {
  await broker.end("SIGTERM")
  await broker.start()
  const ready = performance.now()
  using peer = await Peer.connect(broker.port)
  for (;;) {
    const { groups } = await peer.call(OffsetFetchApi, 8, { groups: [{ groupId: GROUP, topics: null }] })
    const { errorCode, topics } = groups[0]!
    if (errorCode === ErrorCode.COORDINATOR_LOAD_IN_PROGRESS) continue
    check("the committed offsets", errorCode)
    const offsets = topics.flatMap((topic) => topic.partitions.map(({ committedOffset }) => committedOffset))
    const last = Math.ceil(commits / partitions) - 1
    const right = offsets.length === partitions && offsets.every((offset) => offset === last)
    if (!right) throw new Error(`the group has committed ${offsets.slice(0, 10)}…, and should have ${last} everywhere`)
    const loadMs = Math.round(performance.now() - ready)
    return { readyMs: Math.round(broker.readyMs), loadMs, logBytes: logBytes(broker) }
  }
}

/** Of the settled files; what the WAL still holds is not among them. */
const logBytes = (broker: BrokerProcess): number => {
  const topics = join(broker.dataDir, "topics")
  let bytes = 0
  for (const partition of readdirSync(topics).filter((name) => name.startsWith("__consumer_offsets-"))) {
    for (const file of readdirSync(join(topics, partition))) {
      if (file.endsWith(".log")) bytes += statSync(join(topics, partition, file), { throwIfNoEntry: false })?.size ?? 0
    }
  }
  return bytes
}

const compacted = async (broker: BrokerProcess): Promise<void> => {
  const began = performance.now()
  let size = logBytes(broker)
  let quietMs = FIRST_PASS_MS_MAX
  let since = began
  while (performance.now() - since < quietMs) {
    if (performance.now() - began > COMPACTION_MS_MAX) {
      throw new Error(`the log still changes its size after ${COMPACTION_MS_MAX} ms`)
    }
    await pause(250)
    const now = logBytes(broker)
    if (now === size) continue
    since = performance.now()
    quietMs = QUIET_MS
    size = now
  }
}

export interface RestartReport {
  readonly commits: number
  readonly commitMs: number
  readonly before: Restart
  readonly after: Restart
}

export const restartWithHistory = async (commits: number, partitions: number): Promise<RestartReport> => {
  const settings = SETTINGS.flatMap((setting) => ["--set", setting])
  const broker = new BrokerProcess(await freePort(), temporaryDirectory(), ["--log-level", "warn", ...settings])
  const history = { broker, commits, partitions }
  try {
    await broker.start()
    const began = performance.now()
    await commitHistory(history)
    const commitMs = Math.round(performance.now() - began)
    const before = await restart(history)
    await compacted(broker)
    return { commits, commitMs, before, after: await restart(history) }
  } finally {
    await broker.dispose()
  }
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: { commits: { type: "string", default: "1000000" }, partitions: { type: "string", default: "100" } }
  })
  const report = await restartWithHistory(Number(values.commits), Number(values.partitions))
  process.stdout.write(`${JSON.stringify(report, undefined, 2)}\n`)
}
