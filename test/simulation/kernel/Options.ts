/**
 * Everything about a run that is not its seed's later chances: sizes, times, thresholds and the weight of every fault. Drawn
 * from the seed, plain and flat, so that it can be printed, overridden by `--set key=value` and shrunk one key at a time.
 *
 * Every key is drawn from a stream of its own: overriding one shifts no other. Durations are virtual milliseconds, chances
 * 0 … 1, weights relative.
 */
import { assert } from "../../../packages/core/src/base/Assert.ts"
import type { Prng } from "../../../packages/core/src/base/Prng.ts"
import { uniform, weighted } from "./Draw.ts"
import { streamOf } from "./Streams.ts"

/** Faults that answer what a node just did, since chance alone hardly ever hits the bad moment. */
export const BIASES = [
  "none",
  /** Crash a node right after it became the leader of the metadata or of a partition. */
  "killNewLeader",
  /** The same, and start it again at once: before anybody has noticed (rule 19). */
  "restartNewLeader",
  /** Cut a new leader off from all, or from all but one, or in one direction only. */
  "isolateLeader",
  /** Cut the link from a new leader to the controller, which then elects without it (rules 9 and 10). */
  "muteLeader",
  /** Cut a partition's leader and one follower off when its set of counted replicas is about to change (rule 17). */
  "isolateReassigned",
  /** Crash a node that just wrote a promise (or a vote) to its disk, durable or not (rules 9-11). */
  "killPromised",
  /** Crash the controller while promises are being given (rule 12). */
  "killController",
  /** Leaders that reach one follower only and die after a few appends, in terms as short as can be (Raft, figure 8). */
  "figure8",
  /** One disk at a time is much slower than the others. */
  "slowDisk",
  /** Replace disks as often as the quorums allow. */
  "wipe"
] as const
export type Bias = (typeof BIASES)[number]

export interface Options {
  // the cluster
  readonly voters: number
  /** Nodes beside the voters: learners of the metadata log that hold partitions like any other. */
  readonly observers: number
  readonly topics: number
  readonly partitions: number
  /** At most the number of nodes. */
  readonly replicationFactor: number
  /** At most the replication factor. */
  readonly minInSync: number
  readonly uncleanElections: boolean
  // the metadata log
  readonly electionTimeoutMs: number
  readonly heartbeatMs: number
  readonly lease: boolean
  readonly appendBytesMax: number
  readonly raftInflightBytesMax: number
  readonly cacheBytesMax: number
  readonly snapshotAfterBytes: number
  readonly snapshotChunkBytes: number
  // nodes and partitions
  readonly nodeHeartbeatMs: number
  readonly nodeSessionMs: number
  readonly promiseWaitMs: number
  readonly lagTimeMaxMs: number
  readonly metadataWaitMs: number
  readonly handOverMs: number
  readonly retryMs: number
  readonly inflightBytesMax: number
  readonly inflightFramesMax: number
  readonly caughtUpOffsets: number
  readonly highWatermarkNoteOffsets: number
  /** Batches at the end of a log that are sent as a tail; what is older goes as bulk. */
  readonly tailBatches: number
  // clients
  readonly producers: number
  readonly consumers: number
  readonly metadataClients: number
  readonly produceEveryMs: number
  readonly produceTimeoutMs: number
  readonly recordsMax: number
  readonly recordBytesMax: number
  /** Share of producers that are idempotent. */
  readonly idempotentShare: number
  /** Relative to each other. */
  readonly acksAllWeight: number
  readonly acksOneWeight: number
  readonly acksNoneWeight: number
  readonly fetchEveryMs: number
  readonly metadataEveryMs: number
  /** Mean time between administrative acts; 0: never. */
  readonly topicChangeEveryMs: number
  readonly reassignEveryMs: number
  readonly membershipEveryMs: number
  readonly transferEveryMs: number
  readonly handOverEveryMs: number
  readonly deleteRecordsEveryMs: number
  readonly minInSyncChangeEveryMs: number
  // the network
  readonly delayMs: number
  readonly jitterMs: number
  readonly tailChance: number
  readonly tailMs: number
  readonly lossChance: number
  readonly duplicateChance: number
  /** Chance that a message may overtake those before it; 0: FIFO a link and lane. */
  readonly reorderChance: number
  /** What is sent into a cut is kept and comes when the cut ends, as TCP does it. */
  readonly holdCut: boolean
  /** Messages to a process that died may reach its successor. */
  readonly staleDelivery: boolean
  // disks and clocks
  readonly fsyncMs: number
  readonly fsyncJitterMs: number
  readonly fsyncTailChance: number
  readonly fsyncTailMs: number
  /** The rate of each node's clock is drawn from 1 ± this. */
  readonly clockDrift: number
  // faults
  readonly bias: Bias
  /** Chance that the bias acts when it could. */
  readonly biasChance: number
  /** What the metadata log's nodes do is not answered: it stays up to elect the partitions' next leaders. */
  readonly biasPartitionsOnly: boolean
  /** Mean time between two faults of a kind of weight 1; 0: none. */
  readonly faultEveryMs: number
  readonly faultMs: number
  readonly downMs: number
  readonly crashWeight: number
  readonly crashAllWeight: number
  readonly pauseWeight: number
  readonly wipeWeight: number
  readonly oneWayWeight: number
  readonly partitionWeight: number
  readonly isolateWeight: number
  readonly bridgeWeight: number
  readonly ringWeight: number
  readonly slowLinkWeight: number
  readonly resetWeight: number
  readonly slowDiskWeight: number
  /** Disks replaced in one run; `Faults` keeps it within what the quorums survive. */
  readonly wipesMax: number
  // how long
  readonly safetyMs: number
  readonly livenessMs: number
  readonly eventsMax: number
}

export type OptionKey = keyof Options

/** How a seed mixes faults. Some seeds have none, so that what breaks without any is seen as that. */
const MIXES = ["calm", "crashes", "partitions", "storage", "everything", "bias", "biasAndFaults"] as const

interface Sources {
  readonly of: (key: string) => Prng
  readonly between: (key: string, first: number, last: number) => number
  readonly real: (key: string, low: number, high: number) => number
  readonly pick: <A>(key: string, items: ReadonlyArray<A>) => A
  readonly chance: (key: string, probability: number) => boolean
  /** `value` with this probability, otherwise 0. */
  readonly some: (key: string, probability: number, low: number, high: number) => number
}

const sourcesOf = (seed: number): Sources => {
  const of = (key: string) => streamOf(seed, `option ${key}`)
  return {
    of,
    between: (key, first, last) => of(key).between(first, last),
    real: (key, low, high) => round(uniform(of(key), low, high)),
    pick: (key, items) => of(key).pick(items),
    chance: (key, probability) => of(key).chance(probability),
    some: (key, probability, low, high) => {
      const random = of(key)
      const seen = random.chance(probability)
      const value = round(uniform(random, low, high))
      return seen ? value : 0
    }
  }
}

const round = (value: number): number => Math.round(value * 10_000) / 10_000

export const drawOptions = (seed: number): Options => {
  const from = sourcesOf(seed)
  return {
    ...drawCluster(from),
    ...drawRaft(from),
    ...drawReplicas(from),
    ...drawClients(from),
    ...drawNetwork(from),
    ...drawFaults(from),
    safetyMs: from.pick("safetyMs", [1_000, 2_000, 2_000, 3_000, 6_000]),
    livenessMs: 20_000,
    eventsMax: 400_000
  }
}

const drawCluster = (from: Sources) => {
  const voters = weighted(from.of("voters"), [
    [1, 1],
    [2, 0.5],
    [3, 6],
    [4, 1],
    [5, 3]
  ] as const)!
  const observers = weighted(from.of("observers"), [
    [0, 6],
    [1, 2],
    [2, 1]
  ] as const)!
  const nodes = voters + observers
  const replicationFactor = Math.min(
    nodes,
    weighted(from.of("replicationFactor"), [
      [1, 0.5],
      [2, 1],
      [3, 6],
      [4, 1],
      [5, 2]
    ] as const)!
  )
  const minInSync = Math.min(
    replicationFactor,
    weighted(from.of("minInSync"), [
      [1, 3],
      [2, 4],
      [3, 2],
      [4, 0.5]
    ] as const)!
  )
  return {
    voters,
    observers,
    replicationFactor,
    minInSync,
    topics: from.between("topics", 1, 2),
    partitions: from.between("partitions", 1, 2),
    uncleanElections: from.chance("uncleanElections", 0.05)
  }
}

const drawRaft = (from: Sources) => {
  const electionTimeoutMs = from.pick("electionTimeoutMs", [60, 100, 150, 150])
  const tiny = from.chance("tinyLimits", 0.5)
  return {
    electionTimeoutMs,
    heartbeatMs: Math.round(electionTimeoutMs / from.between("heartbeatMs", 3, 5)),
    lease: from.chance("lease", 0.4),
    appendBytesMax: tiny ? from.between("appendBytesMax", 100, 800) : 65_536,
    raftInflightBytesMax: tiny ? from.between("raftInflightBytesMax", 200, 4_000) : 262_144,
    cacheBytesMax: tiny ? from.between("cacheBytesMax", 100, 2_000) : 65_536,
    snapshotAfterBytes: from.pick("snapshotAfterBytes", [300, 1_000, 3_000, 1_000_000]),
    snapshotChunkBytes: from.pick("snapshotChunkBytes", [64, 300, 2_000, 65_536])
  }
}

const drawReplicas = (from: Sources) => ({
  nodeHeartbeatMs: from.pick("nodeHeartbeatMs", [30, 50, 100]),
  nodeSessionMs: from.pick("nodeSessionMs", [200, 300, 600]),
  promiseWaitMs: from.pick("promiseWaitMs", [50, 150, 300]),
  lagTimeMaxMs: from.pick("lagTimeMaxMs", [150, 400, 1_000]),
  metadataWaitMs: from.pick("metadataWaitMs", [20, 100, 500]),
  handOverMs: from.pick("handOverMs", [50, 200, 500]),
  retryMs: from.pick("retryMs", [30, 100, 300]),
  inflightBytesMax: from.pick("inflightBytesMax", [200, 2_000, 100_000]),
  inflightFramesMax: from.pick("inflightFramesMax", [1, 2, 8]),
  caughtUpOffsets: from.pick("caughtUpOffsets", [0, 2, 50]),
  highWatermarkNoteOffsets: from.pick("highWatermarkNoteOffsets", [1, 5, 100]),
  tailBatches: from.pick("tailBatches", [2, 8, 1_000])
})

const drawClients = (from: Sources) => ({
  producers: from.between("producers", 1, 3),
  consumers: from.between("consumers", 0, 2),
  metadataClients: from.between("metadataClients", 0, 2),
  produceEveryMs: from.pick("produceEveryMs", [5, 15, 40]),
  produceTimeoutMs: from.pick("produceTimeoutMs", [100, 400, 1_500]),
  recordsMax: from.between("recordsMax", 1, 5),
  recordBytesMax: from.pick("recordBytesMax", [20, 100, 400]),
  idempotentShare: from.pick("idempotentShare", [0, 0.5, 1, 1]),
  acksAllWeight: 1,
  acksOneWeight: from.some("acksOneWeight", 0.3, 0.1, 1),
  acksNoneWeight: from.some("acksNoneWeight", 0.2, 0.1, 0.5),
  fetchEveryMs: from.pick("fetchEveryMs", [20, 60]),
  metadataEveryMs: from.pick("metadataEveryMs", [10, 40, 100]),
  topicChangeEveryMs: from.some("topicChangeEveryMs", 0.3, 200, 1_500),
  reassignEveryMs: from.some("reassignEveryMs", 0.4, 150, 1_000),
  membershipEveryMs: from.some("membershipEveryMs", 0.3, 200, 1_500),
  transferEveryMs: from.some("transferEveryMs", 0.3, 200, 1_500),
  handOverEveryMs: from.some("handOverEveryMs", 0.4, 150, 1_000),
  deleteRecordsEveryMs: from.some("deleteRecordsEveryMs", 0.3, 150, 1_000),
  minInSyncChangeEveryMs: from.some("minInSyncChangeEveryMs", 0.2, 200, 1_000)
})

const drawNetwork = (from: Sources) => ({
  delayMs: from.pick("delayMs", [0.1, 0.5, 2, 8]),
  jitterMs: from.pick("jitterMs", [0.1, 1, 5, 20]),
  tailChance: from.some("tailChance", 0.5, 0.001, 0.03),
  tailMs: from.pick("tailMs", [50, 200, 800]),
  lossChance: from.some("lossChance", 0.4, 0.001, 0.1),
  duplicateChance: from.some("duplicateChance", 0.4, 0.001, 0.1),
  reorderChance: from.some("reorderChance", 0.4, 0.01, 0.5),
  holdCut: from.chance("holdCut", 0.3),
  staleDelivery: from.chance("staleDelivery", 0.5),
  fsyncMs: from.pick("fsyncMs", [0.1, 0.5, 3, 10]),
  fsyncJitterMs: from.pick("fsyncJitterMs", [0.1, 2, 15]),
  fsyncTailChance: from.some("fsyncTailChance", 0.4, 0.001, 0.03),
  fsyncTailMs: from.pick("fsyncTailMs", [30, 150, 500]),
  clockDrift: from.some("clockDrift", 0.6, 0.001, 0.08)
})

const drawFaults = (from: Sources) => {
  const mix = weighted(from.of("mix"), [
    ["calm", 0.5],
    ["crashes", 2],
    ["partitions", 2],
    ["storage", 1],
    ["everything", 3],
    ["bias", 3],
    ["biasAndFaults", 3]
  ] as ReadonlyArray<readonly [(typeof MIXES)[number], number]>)!
  const faulty = mix !== "calm" && mix !== "bias"
  const all = mix === "everything" || mix === "biasAndFaults"
  const weight = (key: string, mixes: ReadonlyArray<string>, likely = 0.7) =>
    all || mixes.includes(mix) ? from.some(key, likely, 0.1, 1) : 0
  return {
    bias: mix === "bias" || mix === "biasAndFaults" ? from.pick("bias", BIASES.slice(1)) : ("none" as Bias),
    biasChance: from.real("biasChance", 0.2, 1),
    biasPartitionsOnly: from.chance("biasPartitionsOnly", 0.4),
    faultEveryMs: faulty ? from.real("faultEveryMs", 100, 2_000) : 0,
    faultMs: from.pick("faultMs", [30, 150, 500, 1_500]),
    downMs: from.pick("downMs", [5, 50, 300, 1_000]),
    crashWeight: mix === "crashes" ? 1 : weight("crashWeight", ["storage"]),
    crashAllWeight: weight("crashAllWeight", ["crashes"], 0.3) * 0.2,
    pauseWeight: weight("pauseWeight", ["crashes"], 0.5),
    wipeWeight: weight("wipeWeight", ["storage"], 0.5) * 0.5,
    oneWayWeight: weight("oneWayWeight", ["partitions"]),
    partitionWeight: mix === "partitions" ? 1 : weight("partitionWeight", []),
    isolateWeight: weight("isolateWeight", ["partitions"]),
    bridgeWeight: weight("bridgeWeight", ["partitions"], 0.4),
    ringWeight: weight("ringWeight", ["partitions"], 0.3),
    slowLinkWeight: weight("slowLinkWeight", ["partitions"], 0.4),
    resetWeight: weight("resetWeight", ["partitions", "crashes"], 0.4),
    slowDiskWeight: weight("slowDiskWeight", ["storage"]),
    wipesMax: from.between("wipesMax", 0, 2)
  }
}

/** Applies `key=value` texts in order. An unknown key or a value of another kind is a sentence, not a guess. */
export const overrideOptions = (
  options: Options,
  sets: ReadonlyArray<string>
): { readonly options: Options } | { readonly problem: string } => {
  const changed: Record<string, unknown> = { ...options }
  for (const text of sets) {
    const at = text.indexOf("=")
    const key = text.slice(0, at).trim()
    const value = text.slice(at + 1).trim()
    if (at < 0 || !Object.hasOwn(options, key)) return { problem: `there is no option "${at < 0 ? text : key}"` }
    const parsed = parseAs(key, options[key as OptionKey], value)
    if (parsed === undefined) return { problem: `"${value}" is no value for ${key}` }
    changed[key] = parsed
  }
  // Each value was parsed as the type of the option that it replaces.
  return { options: boundOptions(changed as unknown as Options) }
}

const parseAs = (key: string, like: number | boolean | string, text: string): number | boolean | string | undefined => {
  if (typeof like === "boolean") return text === "true" ? true : text === "false" ? false : undefined
  if (typeof like === "string")
    return key === "bias" && (BIASES as ReadonlyArray<string>).includes(text) ? text : undefined
  const number = text === "" ? Number.NaN : Number(text.replaceAll("_", ""))
  return Number.isFinite(number) && number >= 0 ? number : undefined
}

/** Keeps what depends on other keys in its bounds after an override. */
const boundOptions = (options: Options): Options => {
  assert(options.voters >= 1, "a cluster needs a voter")
  const nodes = options.voters + options.observers
  const replicationFactor = Math.max(1, Math.min(options.replicationFactor, nodes))
  return { ...options, replicationFactor, minInSync: Math.max(1, Math.min(options.minInSync, replicationFactor)) }
}

/** What differs between two, as `key=value`, in the order of keys. */
export const differences = (from: Options, to: Options): ReadonlyArray<string> =>
  (Object.keys(from) as Array<OptionKey>).filter((key) => from[key] !== to[key]).map((key) => `${key}=${to[key]}`)

/** Three columns. */
export const renderOptions = (options: Options): string => {
  const cells = Object.entries(options).map(([key, value]) => `${key}=${value}`.padEnd(36))
  const rows = Math.ceil(cells.length / 3)
  const lines: Array<string> = []
  for (let row = 0; row < rows; row++) {
    lines.push(
      `  ${[cells[row], cells[row + rows], cells[row + 2 * rows]].filter((cell) => cell !== undefined).join("")}`.trimEnd()
    )
  }
  return lines.join("\n")
}
