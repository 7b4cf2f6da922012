/**
 * A failing run made simpler, one option at a time: what still breaks the same rule is kept. Options are drawn from streams of
 * their own, so most changes leave the rest of the run as it was. Not here: shrinking the history itself, or other seeds.
 */
import type { Job } from "../hunt/Jobs.ts"
import { drawOptions, type OptionKey, type Options, overrideOptions } from "../kernel/Options.ts"
import type { RunResult } from "../kernel/RunResult.ts"

/** The same key again replaces what was set before. */
const withSet = (sets: ReadonlyArray<string>, set: string): ReadonlyArray<string> => {
  const key = set.slice(0, set.indexOf("=") + 1)
  return [...sets.filter((other) => !other.startsWith(key)), set]
}

const OFF: ReadonlyArray<OptionKey> = [
  "crashAllWeight",
  "wipeWeight",
  "pauseWeight",
  "oneWayWeight",
  "partitionWeight",
  "isolateWeight",
  "bridgeWeight",
  "ringWeight",
  "slowLinkWeight",
  "resetWeight",
  "slowDiskWeight",
  "crashWeight",
  "wipesMax",
  "lossChance",
  "duplicateChance",
  "reorderChance",
  "tailChance",
  "fsyncTailChance",
  "clockDrift",
  "topicChangeEveryMs",
  "reassignEveryMs",
  "membershipEveryMs",
  "transferEveryMs",
  "handOverEveryMs",
  "deleteRecordsEveryMs",
  "minInSyncChangeEveryMs",
  "metadataClients",
  "consumers",
  "acksOneWeight",
  "acksNoneWeight",
  "idempotentShare",
  "observers"
]

/** Simplest first. */
const SMALLER: ReadonlyArray<readonly [OptionKey, ReadonlyArray<number>]> = [
  ["voters", [1, 2, 3, 4]],
  ["replicationFactor", [1, 2, 3, 4]],
  ["minInSync", [1, 2, 3]],
  ["topics", [1]],
  ["partitions", [1]],
  ["producers", [0, 1]],
  ["recordsMax", [1]]
]

const PLAIN: ReadonlyArray<string> = [
  "bias=none",
  "biasPartitionsOnly=false",
  "lease=false",
  "holdCut=false",
  "staleDelivery=false",
  "uncleanElections=false"
]

/** Limits that are in nobody's way. */
const ROOMY: ReadonlyArray<string> = [
  "snapshotAfterBytes=1000000",
  "snapshotChunkBytes=65536",
  "appendBytesMax=65536",
  "raftInflightBytesMax=262144",
  "cacheBytesMax=65536",
  "inflightBytesMax=100000",
  "inflightFramesMax=8",
  "tailBatches=1000"
]

/** Without faults their weights are of no consequence: the command is shorter without them. */
const isMoot = (options: Options, key: OptionKey): boolean =>
  options.faultEveryMs === 0 &&
  (key === "wipesMax" ? options.bias !== "wipe" : key.endsWith("Weight") && !key.startsWith("acks"))

/** Every simplification of `options` that is worth a try, the greatest first. */
const candidates = (options: Options): ReadonlyArray<ReadonlyArray<string>> => {
  const off = OFF.filter((key) => options[key] !== 0 && !isMoot(options, key)).map((key) => `${key}=0`)
  const plain = PLAIN.filter(
    (set) => set !== `${set.slice(0, set.indexOf("="))}=${options[set.slice(0, set.indexOf("=")) as OptionKey]}`
  )
  const faultless = options.faultEveryMs === 0 ? [] : [["faultEveryMs=0"]]
  const smaller = SMALLER.flatMap(([key, values]) =>
    values.filter((value) => value < (options[key] as number)).map((value) => [`${key}=${value}`])
  )
  const roomy = ROOMY.filter((set) => !set.endsWith(`=${options[set.slice(0, set.indexOf("=")) as OptionKey]}`))
  return [
    ...faultless,
    ...(off.length > 1 ? [off, off.slice(0, off.length >> 1), off.slice(off.length >> 1)] : []),
    ...off.map((set) => [set]),
    ...plain.map((set) => [set]),
    ...smaller,
    ...(roomy.length > 1 ? [roomy] : []),
    ...roomy.map((set) => [set])
  ]
}

/** A shorter safety phase: just what the violation needs, or half of what is left. */
const shorter = (options: Options, result: RunResult): ReadonlyArray<ReadonlyArray<string>> => {
  const atMs = Math.ceil(result.violation?.atMs ?? Number.NaN) + 1
  const lengths = [options.safetyMs / 8, options.safetyMs / 2, atMs].map((ms) => Math.ceil(ms))
  return lengths.filter((ms) => ms > 0 && ms < options.safetyMs).map((ms) => [`safetyMs=${ms}`])
}

export interface ShrinkLimits {
  readonly runsMax: number
  readonly forMs: number
  /** Real time. */
  readonly nowMs: () => number
}

export interface Shrunk {
  readonly job: Job
  readonly result: RunResult
  readonly runs: number
}

const optionsOf = (job: Job): Options | undefined => {
  const found = overrideOptions(drawOptions(job.seed), job.sets)
  return "problem" in found ? undefined : found.options
}

/** Undefined when the job does not fail at all. */
export const shrink = (
  run: (job: Job) => RunResult,
  job: Job,
  limits: ShrinkLimits,
  onStep: (sets: ReadonlyArray<string>) => void
): Shrunk | undefined => {
  const first = run(job)
  if (first.ok) return undefined
  const endMs = limits.nowMs() + limits.forMs
  let best = job
  let result = first
  let runs = 1
  const attempt = (change: ReadonlyArray<string>): boolean => {
    const next = { seed: job.seed, sets: change.reduce(withSet, best.sets) }
    runs++
    const tried = run(next)
    if (tried.ok || tried.violation?.rule !== first.violation?.rule) return false
    best = next
    result = tried
    onStep(change)
    return true
  }
  for (let improved = true; improved; ) {
    improved = false
    const options = optionsOf(best)
    if (options === undefined) break
    for (const change of [...candidates(options), ...shorter(options, result)]) {
      if (runs >= limits.runsMax || limits.nowMs() >= endMs) return { job: best, result, runs }
      // What an earlier change of this round made moot is not tried again.
      if (!changes(best, change)) continue
      if (attempt(change)) improved = true
    }
  }
  return { job: best, result, runs }
}

const changes = (job: Job, change: ReadonlyArray<string>): boolean => {
  const before = optionsOf(job)
  const after = optionsOf({ seed: job.seed, sets: change.reduce(withSet, job.sets) })
  if (before === undefined || after === undefined) return false
  return (Object.keys(before) as Array<OptionKey>).some(
    (key) => before[key] !== after[key] && !(key === "safetyMs" && after[key] > before[key])
  )
}
