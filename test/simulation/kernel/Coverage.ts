/**
 * Which states runs have seen, and how often: a simulator that never truncates a log proves nothing about truncation. A name
 * is a short phrase; every observation counts itself as `observed.<tag>`, every fault as `fault.<name>`, and what the network
 * and the disks do as `network.<what>` and `disk.<what>`.
 */
import { assert } from "../../../packages/core/src/base/Assert.ts"

export type CoverageCounts = Readonly<Record<string, number>>

const prefixed = (prefix: string, names: string): ReadonlyArray<string> => names.split(" ").map((name) => prefix + name)

/** A hunt warns about each of these that it never saw. */
export const EXPECTED_STATES: ReadonlyArray<string> = [
  ...prefixed("observed.", "Started Crashed RaftRole RaftAppended RaftSnapshot RaftApplied RaftCommit RaftVoteDurable"),
  ...prefixed("observed.", "Leads LeftEpoch Appended MarkerAppended Truncated Reset HighWatermark Confirmed Elected"),
  ...prefixed("observed.", "ProduceAcked ProduceFailed Fetched MetadataReturn"),
  // The metadata log.
  ...prefixed("raft ", "leader PreVote PreVoteResponse Vote VoteResponse Append AppendResponse SnapshotChunk"),
  ...prefixed("raft ", "SnapshotResponse TimeoutNow ReadIndex ReadIndexResponse follower preCandidate candidate"),
  ...prefixed("proposal ", "Lost Superseded"),
  ...prefixed("raft ", "PreVoteResponse VoteResponse").map((answer) => `${answer} denied`),
  "snapshot taken",
  "snapshot installed",
  "read index",
  "read refused",
  "lease read",
  "image restored",
  "command rejected",
  "write forwarded",
  // Partitions.
  ...prefixed("replica ", "Frame Acknowledgement Mismatch Refusal NotYet"),
  "partition leader",
  "partition election",
  "partition offline",
  "unclean election",
  "promise written",
  "promise refused",
  "promise waits for metadata",
  "truncation",
  "unclean truncation",
  "reset",
  "bulk",
  "replica dropped",
  "message for a replica that is not here",
  "log start moved",
  "hand-over ready",
  "hand-over given up",
  "quorum lacking",
  "duplicate retry",
  // The controller and the operator.
  "controller activated",
  ...prefixed("controller ", "PartitionOps FenceNode"),
  ...prefixed("operator ", "Reassign CancelReassignment ElectPreferred AddLearner PromoteLearner RemoveMember"),
  "operator TransferLeadership",
  "exits on a refused registration",
  "produce refused without controller",
  // Clients.
  ...prefixed("client.acked ", "-1 1"),
  ...["read", "create", "set", "delete", "allocate"].map((kind) => `client.${kind} ok`),
  "client.retry",
  "client.propose again",
  // What checkers had to judge.
  "check.confirmed",
  "check.set change confirmed",
  "check.truncation compared",
  "check.late leader",
  "check.unclean leader",
  "check.history linearizable",
  // Faults.
  ...prefixed(
    "fault.",
    "crash crashAll restart pause wipe oneWay partition isolate bridge ring slowLink reset slowDisk figure8 " +
      "isolateReassigned muteLeader"
  ),
  ...prefixed("network.", "lost doubled overtaken held cutOff toTheDead stale"),
  "disk wiped",
  "disk.torn"
]

/** A name that is made up at run time would otherwise grow the table without end. */
const STATES_MAX = 1_000

export class Coverage {
  /** Boxed: counting is a look-up and no store. */
  readonly #counts = new Map<string, { times: number }>()

  count(state: string, times = 1): void {
    const seen = this.#counts.get(state)
    if (seen !== undefined) {
      seen.times += times
      return
    }
    assert(this.#counts.size < STATES_MAX, "coverage must not grow without end")
    this.#counts.set(state, { times })
  }

  add(counts: CoverageCounts): void {
    for (const [state, times] of Object.entries(counts)) this.count(state, times)
  }

  of(state: string): number {
    return this.#counts.get(state)?.times ?? 0
  }

  /** In the order of names. */
  get counts(): CoverageCounts {
    const names = [...this.#counts.keys()].sort()
    return Object.fromEntries(names.map((state) => [state, this.of(state)]))
  }

  missing(expected: ReadonlyArray<string> = EXPECTED_STATES): ReadonlyArray<string> {
    return expected.filter((state) => this.of(state) === 0)
  }
}

/** Three columns of name and count. */
export const renderCoverage = (counts: CoverageCounts): string => {
  const cells = Object.entries(counts).map(([state, times]) => `${state.padEnd(28)}${String(times).padStart(11)}`)
  const rows = Math.ceil(cells.length / 3)
  const lines: Array<string> = []
  for (let row = 0; row < rows; row++) {
    lines.push([cells[row], cells[row + rows], cells[row + 2 * rows]].filter((cell) => cell !== undefined).join("   "))
  }
  return lines.join("\n")
}
