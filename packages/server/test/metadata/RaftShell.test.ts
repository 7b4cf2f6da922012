import { Prng } from "@chronik-effect/core/base/Prng.ts"
import { type Configuration, EntryKind } from "@chronik-effect/core/raft/Entry.ts"
import { Raft } from "@chronik-effect/core/raft/Raft.ts"
import { defaultRaftOptions } from "@chronik-effect/core/raft/RaftOptions.ts"
import { FrameKind } from "@chronik-effect/core/wal/Block.ts"
import { EntryPlaces } from "@chronik-effect/server/metadata/EntryPlaces.ts"
import { METADATA_STREAM, readEntryFrame, readVoteFrame } from "@chronik-effect/server/metadata/RaftFrames.ts"
import type { RecoveredLog } from "@chronik-effect/server/metadata/RaftRecovery.ts"
import { type CommittedEntry, RaftShell, type ShellPorts } from "@chronik-effect/server/metadata/RaftShell.ts"
import { describe, expect, it } from "vitest"

const SELF = { node: 1, directoryId: "directory-1" }
const BOOTSTRAP: Configuration = { voters: [SELF], learners: [] }
const SEGMENT_BYTES = 1_000

/** A WAL whose durability and room the test decides. Frames lie one behind the other, without blocks. */
class WalByHand {
  readonly segmentBytes = SEGMENT_BYTES
  /** Frames that still find room. */
  room = Number.POSITIVE_INFINITY
  readonly #bytes = new Uint8Array(64 * 1024)
  readonly #reserved: Array<{ readonly kind: number; readonly address: number; readonly length: number }> = []
  #end = 0
  #durable = 0

  reserve(kind: number, stream: number, length: number, _endOffset: number): number {
    expect(stream).toBe(METADATA_STREAM)
    if (this.room === 0) return -1
    this.room--
    const address = this.#end
    this.#reserved.push({ kind, address, length })
    this.#end += length
    return address
  }
  chunkAt(): Uint8Array {
    return this.#bytes
  }
  placeAt(address: number): number {
    return address
  }
  durableAddress(): number {
    return this.#durable
  }

  /** Another stream takes the rest of the segment. */
  fillSegment(): void {
    this.#end = (Math.floor(this.#end / SEGMENT_BYTES) + 1) * SEGMENT_BYTES
  }

  /** The first `count` frames are on disk; all of them without a count. */
  sync(count = this.#reserved.length): void {
    const last = this.#reserved[count - 1]!
    this.#durable = last.address + last.length
  }

  /** What each frame is, as the recovery would read it: `vote 1`, `noop 1@1`, `command 2@1`. */
  get found(): ReadonlyArray<string> {
    return this.#reserved.map(({ kind, address, length }) => {
      if (kind === FrameKind.Vote) return `vote ${readVoteFrame(this.#bytes, address, length).term}`
      const { index, term, kind: entryKind } = readEntryFrame(this.#bytes, address, length)
      return `${entryKind === EntryKind.Noop ? "noop" : "command"} ${index}@${term}`
    })
  }
  addressOf(frame: number): number {
    return this.#reserved[frame]!.address
  }
}

interface Shell {
  readonly shell: RaftShell
  readonly wal: WalByHand
  readonly raft: Raft
  /** What the applier got, a call a list. */
  readonly handed: Array<ReadonlyArray<string>>
  readonly told: Array<string>
}

const nothing: RecoveredLog = {
  recovered: { hardState: { term: 0, vote: null }, snapshot: undefined, entries: [], bootstrap: BOOTSTRAP },
  snapshot: undefined,
  places: new EntryPlaces(),
  voteAddress: -1
}

const describeEntry = ({ index, payload, ticket }: CommittedEntry) =>
  payload === undefined ? `${index}` : `${index} ticket ${ticket}`

const makeShell = (onCommitted: (entries: ReadonlyArray<CommittedEntry>) => void = () => {}): Shell => {
  const wal = new WalByHand()
  const raft = new Raft(defaultRaftOptions(SELF), nothing.recovered, { read: () => undefined }, new Prng(1), 0)
  const handed: Array<ReadonlyArray<string>> = []
  const told: Array<string> = []
  const ports: ShellPorts = {
    committed: (entries) => {
      handed.push(entries.map(describeEntry))
      onCommitted(entries)
    },
    send: (messages) => void told.push(`${messages.length} messages`),
    fates: (fates) => void told.push(`${fates.length} fates`),
    reads: (reads) => void told.push(`${reads.length} reads`),
    stalled: () => void told.push("stalled"),
    broken: (reason) => void told.push(`broken: ${reason.split("\n")[0]}`)
  }
  const shell = new RaftShell(raft, wal, { ...nothing, places: new EntryPlaces() }, ports, () => 0)
  return { shell, wal, raft, handed, told }
}

const makeLeader = (onCommitted?: (entries: ReadonlyArray<CommittedEntry>) => void): Shell => {
  const made = makeShell(onCommitted)
  made.shell.campaign()
  for (let write = 0; write < 2; write++) {
    made.wal.sync()
    made.shell.durable()
  }
  expect(made.shell.isReady).toBe(true)
  return made
}

const payload = (byte: number) => new Uint8Array([byte])

describe("a start", () => {
  it("takes two writes, the second when the first is durable, and then leads without a clock", () => {
    const { shell, wal, raft, handed } = makeShell()
    shell.campaign()
    expect(wal.found).toEqual(["vote 1"])
    shell.durable()
    expect(wal.found).toEqual(["vote 1"])
    wal.sync()
    shell.durable()
    expect(wal.found).toEqual(["vote 1", "noop 1@1"])
    expect([shell.isReady, shell.writesUnderWay]).toEqual([false, 1])
    wal.sync()
    shell.durable()
    expect([shell.isReady, shell.writesUnderWay]).toEqual([true, 0])
    expect(handed).toEqual([["1"]])
    expect(raft.nextDeadline()).toBe(Number.POSITIVE_INFINITY)
  })

  it("goes on when the WAL had no room for its first entry", () => {
    const { shell, wal, told } = makeShell()
    wal.room = 1
    shell.campaign()
    wal.sync()
    shell.durable()
    expect([told, shell.isStalled, shell.writesUnderWay]).toEqual([["stalled"], true, 1])
    wal.room = 1
    shell.resume()
    expect([wal.found, shell.isStalled]).toEqual([["vote 1", "noop 1@1"], false])
    expect(shell.isReady).toBe(false)
  })
})

describe("a proposal", () => {
  it("is handed out when its frame is durable, not before, and with what else is", () => {
    const { shell, wal, handed, told } = makeLeader()
    for (const ticket of [10, 11, 12]) expect(shell.propose(payload(ticket), ticket)).toBe("proposed")
    expect(wal.found.slice(2)).toEqual(["command 2@1", "command 3@1", "command 4@1"])
    shell.durable()
    expect(handed).toHaveLength(1)
    wal.sync(3)
    shell.durable()
    expect(handed.slice(1)).toEqual([["2 ticket 10"]])
    wal.sync()
    shell.durable()
    expect(handed.slice(2)).toEqual([["3 ticket 11", "4 ticket 12"]])
    expect(told).toEqual([])
  })

  it("is refused while an earlier one waits for room, which is then written where it stopped", () => {
    const { shell, wal, handed, told } = makeLeader()
    wal.room = 1
    expect(shell.propose(payload(1), 1)).toBe("proposed")
    expect(shell.propose(payload(2), 2)).toBe("proposed")
    expect(shell.propose(payload(3), 3)).toBe("busy")
    expect(told).toEqual(["stalled"])
    shell.resume()
    expect(told).toEqual(["stalled", "stalled"])
    wal.room = 5
    shell.resume()
    expect(shell.propose(payload(4), 4)).toBe("proposed")
    wal.sync()
    shell.durable()
    expect(handed.slice(1)).toEqual([["2 ticket 1", "3 ticket 2", "4 ticket 4"]])
  })

  it("of the applier, made while it applies, is written by the loop that runs", () => {
    let again = 0
    const { shell, wal, handed } = makeLeader((entries) => {
      if (entries[0]!.payload !== undefined && again++ === 0) {
        expect(shell.propose(payload(9), 9)).toBe("proposed")
      }
    })
    shell.propose(payload(1), 1)
    wal.sync()
    shell.durable()
    expect(wal.found.at(-1)).toBe("command 3@1")
    wal.sync()
    shell.durable()
    expect(handed.slice(1)).toEqual([["2 ticket 1"], ["3 ticket 9"]])
  })

  it("is not handed out inside of the call that hands out others", () => {
    let depth = 0
    const { shell, wal, handed } = makeLeader((entries) => {
      expect(depth++).toBe(0)
      if (entries[0]!.index === 2) {
        wal.sync()
        shell.durable()
      }
      depth--
    })
    shell.propose(payload(1), 1)
    shell.propose(payload(2), 2)
    wal.sync(3)
    shell.durable()
    expect(handed.slice(1)).toEqual([["2 ticket 1"], ["3 ticket 2"]])
  })

  it("leaves no payload behind once it is applied", () => {
    const { shell, wal, raft } = makeLeader()
    for (let n = 0; n < 100; n++) shell.propose(new Uint8Array(100), n)
    wal.sync()
    shell.durable()
    expect(raft.appliedIndex).toBe(101)
    expect(raft.memory.cacheBytes).toBe(0)
    expect(raft.memory.pendingProposals).toBe(0)
    expect(shell.writesUnderWay).toBe(0)
  })
})

describe("the end", () => {
  it("of the WAL: nothing that was under way is ever committed", () => {
    const { shell, wal, raft, handed } = makeLeader()
    shell.propose(payload(1), 1)
    shell.end()
    wal.sync()
    shell.durable()
    expect(handed).toHaveLength(1)
    expect(raft.commitIndex).toBe(1)
    expect(shell.propose(payload(2), 2)).toBe("busy")
    expect(wal.found.at(-1)).toBe("command 2@1")
  })

  it("by a defect in the loop: it is told, and nothing more is committed", () => {
    const { shell, wal, handed, told } = makeLeader((entries) => {
      if (entries[0]!.index === 2) throw new Error("planted")
    })
    shell.propose(payload(1), 1)
    shell.propose(payload(2), 2)
    wal.sync(3)
    expect(() => shell.durable()).toThrow("planted")
    expect(told).toEqual(["broken: Error: planted"])
    wal.sync()
    shell.durable()
    expect(handed).toHaveLength(2)
  })
})

describe("the vote (rule 31)", () => {
  it("is repeated at the head, once a segment, and counts when it is durable", () => {
    const { shell, wal } = makeLeader()
    wal.fillSegment()
    expect(shell.keepVote(SEGMENT_BYTES)).toBe("written")
    expect(shell.keepVote(SEGMENT_BYTES)).toBe("written")
    expect(wal.found.slice(2)).toEqual(["vote 1"])
    wal.sync()
    expect(shell.keepVote(SEGMENT_BYTES)).toBe("durable")
    expect(wal.found).toHaveLength(3)
    wal.fillSegment()
    expect(shell.keepVote(2 * SEGMENT_BYTES)).toBe("written")
    expect(wal.found.slice(3)).toEqual(["vote 1"])
  })

  it("is tried again when there was no room for it; nobody else waits for a copy", () => {
    const { shell, wal, told } = makeLeader()
    wal.fillSegment()
    wal.room = 0
    expect(shell.keepVote(SEGMENT_BYTES)).toBe("no-room")
    expect([told, shell.isStalled, shell.writesUnderWay]).toEqual([[], false, 0])
    wal.room = 1
    expect(shell.keepVote(SEGMENT_BYTES)).toBe("written")
  })

  it("needs no copy where it lies above", () => {
    const { shell, wal } = makeLeader()
    expect(shell.keepVote(0)).toBe("durable")
    expect(shell.keepVote(wal.addressOf(0))).toBe("durable")
    expect(wal.found).toHaveLength(2)
  })

  it("of a node that never voted is not made up", () => {
    const { shell, wal } = makeShell()
    expect(shell.keepVote(SEGMENT_BYTES)).toBe("durable")
    expect(wal.found).toEqual([])
  })
})

describe("a snapshot", () => {
  it("carries the term and the configuration of its last entry, and lets the log forget", () => {
    const { shell, wal, raft } = makeLeader()
    for (const ticket of [1, 2, 3]) shell.propose(payload(ticket), ticket)
    wal.sync()
    shell.durable()
    expect(shell.headerAt(3)).toEqual({ term: 1, configuration: BOOTSTRAP })
    expect(() => shell.headerAt(5)).toThrow("of what has been applied")
    shell.snapshotSaved(3, 100)
    expect(shell.places.lastBelow(100_000)).toBe(4)
    expect(shell.places.lastBelow(wal.addressOf(4))).toBe(undefined)
    expect(raft.firstIndex).toBe(4)
    expect(shell.headerAt(4)).toEqual({ term: 1, configuration: BOOTSTRAP })
  })
})
