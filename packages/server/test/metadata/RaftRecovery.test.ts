import { type Configuration, type Entry, EntryKind, type HardState } from "@chronik-effect/core/raft/Entry.ts"
import { FrameKind } from "@chronik-effect/core/wal/Block.ts"
import * as DiskMemory from "@chronik-effect/server/io/DiskMemory.ts"
import {
  encodeHardState,
  entryFrameBytes,
  METADATA_STREAM,
  writeEntryFrame
} from "@chronik-effect/server/metadata/RaftFrames.ts"
import { type RecoveredLog, recoverLog } from "@chronik-effect/server/metadata/RaftRecovery.ts"
import * as SnapshotFile from "@chronik-effect/server/metadata/SnapshotFile.ts"
import type { FrameVisitor, Wal } from "@chronik-effect/server/storage/Wal.ts"
import { describe, expect, it } from "@effect/vitest"
import { Effect } from "effect"

const SELF = { node: 1, directoryId: "directory-1" }
const OTHER = { node: 2, directoryId: "directory-2" }
const BOOTSTRAP: Configuration = { voters: [SELF], learners: [] }
const DIRECTORY = "/data/metadata"

type Frame = Entry | HardState

const entry = (index: number, term: number): Entry => ({
  index,
  term,
  kind: EntryKind.Command,
  payload: new Uint8Array([index, term])
})
const entries = (first: number, last: number, term: number) =>
  Array.from({ length: last - first + 1 }, (_, n) => entry(first + n, term))
const vote = (term: number, member = SELF): HardState => ({ term, vote: member })

/** The frames of a log, 100 addresses apart, in front of some that are none of Raft's business. */
const visitAll = (frames: ReadonlyArray<Frame>, visit: FrameVisitor): void => {
  frames.forEach((frame, n) => {
    const kind = "index" in frame ? FrameKind.Metadata : FrameKind.Vote
    const bytes = "index" in frame ? new Uint8Array(entryFrameBytes(frame)) : encodeHardState(frame)
    if ("index" in frame) writeEntryFrame(bytes, 0, frame)
    visit(kind, METADATA_STREAM, 100 * n, bytes, 0, bytes.length)
  })
  visit(FrameKind.Batch, 3, 100 * frames.length, new Uint8Array(80), 0, 80)
  visit(FrameKind.HighWatermark, METADATA_STREAM, 100 * frames.length + 90, new Uint8Array(8), 0, 8)
}

const recover = (
  frames: ReadonlyArray<Frame>,
  snapshots: ReadonlyArray<readonly [index: number, term: number]> = [],
  isAlone = false
) =>
  Effect.gen(function* () {
    const files = SnapshotFile.make(DiskMemory.make(), DIRECTORY)
    for (const [index, term] of snapshots) {
      yield* files.save({ endOffset: index + 1, term, configuration: BOOTSTRAP, payload: new Uint8Array([index]) })
    }
    const found = { frames: (visit: FrameVisitor) => visitAll(frames, visit), cleanStop: false, tornBytes: 0 }
    return yield* recoverLog({ recovered: found } as Wal["Service"], files, { bootstrap: BOOTSTRAP, isAlone })
  })

const pointsOf = ({ recovered }: RecoveredLog) => recovered.entries.map(({ index, term }) => `${index}@${term}`)

describe("recovery", () => {
  it.effect("of nothing is a cluster that begins", () =>
    Effect.gen(function* () {
      const log = yield* recover([])
      expect(log.recovered).toEqual({
        hardState: { term: 0, vote: null },
        snapshot: undefined,
        entries: [],
        bootstrap: BOOTSTRAP
      })
      expect(log.voteAddress).toBe(-1)
    })
  )

  it.effect("gives entries, the last vote, and where they lie", () =>
    Effect.gen(function* () {
      const log = yield* recover([vote(1), ...entries(1, 2, 1), vote(2), entry(3, 2)])
      expect(pointsOf(log)).toEqual(["1@1", "2@1", "3@2"])
      expect(log.recovered.entries[2]).toEqual(entry(3, 2))
      expect(log.recovered.hardState).toEqual(vote(2))
      expect(log.voteAddress).toBe(300)
      expect([100, 101, 400, 401, 900].map((address) => log.places.lastBelow(address))).toEqual([undefined, 1, 2, 3, 3])
      expect(log.places.bytes).toBe(3 * entryFrameBytes(entry(1, 1)))
    })
  )

  it.effect("a later frame replaces what lies at its index and beyond", () =>
    Effect.gen(function* () {
      const log = yield* recover([vote(1), ...entries(1, 5, 1), vote(2), ...entries(3, 4, 2)])
      expect(pointsOf(log)).toEqual(["1@1", "2@1", "3@2", "4@2"])
      expect(log.places.lastBelow(600)).toBe(2)
      expect(log.places.lastBelow(1_000)).toBe(4)
    })
  )

  it.effect("what a snapshot covers is not given again, what lies behind it is", () =>
    Effect.gen(function* () {
      const log = yield* recover([vote(1), ...entries(1, 4, 1)], [[2, 1]])
      expect(pointsOf(log)).toEqual(["3@1", "4@1"])
      expect(log.recovered.snapshot).toEqual({
        index: 2,
        term: 1,
        configuration: BOOTSTRAP,
        payload: new Uint8Array([2])
      })
      expect(log.places.lastBelow(300)).toBe(undefined)
    })
  )

  it.effect("a cut below the snapshot takes what an older frame holds behind it", () =>
    Effect.gen(function* () {
      const log = yield* recover([vote(1), ...entries(1, 6, 1), vote(2), ...entries(3, 4, 2)], [[4, 2]])
      expect(pointsOf(log)).toEqual([])
      expect(log.places.lastBelow(10_000)).toBe(undefined)
      const longer = yield* recover([vote(1), ...entries(1, 6, 1), vote(2), ...entries(3, 5, 2)], [[4, 2]])
      expect(pointsOf(longer)).toEqual(["5@2"])
    })
  )

  it.effect("begins behind a snapshot that jumped ahead of the entries", () =>
    Effect.gen(function* () {
      const log = yield* recover([vote(1), ...entries(1, 3, 1), vote(4), ...entries(9, 10, 4)], [[8, 3]])
      expect(pointsOf(log)).toEqual(["9@4", "10@4"])
    })
  )

  it.effect("refuses a gap, and says which entries are missing", () =>
    Effect.gen(function* () {
      const refused = yield* Effect.flip(recover([vote(1), ...entries(6, 8, 1)], [[2, 1]]))
      expect(refused.message).toContain("entries 3 to 5 are in no whole snapshot")
    })
  )

  it.effect("refuses entries of a term that no vote was kept of", () =>
    Effect.gen(function* () {
      const refused = yield* Effect.flip(recover([vote(2), ...entries(1, 2, 2), entry(3, 5)]))
      expect(refused.message).toContain("entries of term 5, and the last vote in the write-ahead log is of term 2")
      const bySnapshot = yield* Effect.flip(recover([vote(2)], [[7, 3]]))
      expect(bySnapshot.message).toContain("entries of term 3")
    })
  )

  it.effect("of a node alone goes on behind the term of its last entry when the vote is gone", () =>
    Effect.gen(function* () {
      const log = yield* recover([vote(2)], [[7, 3]], true)
      expect(log.recovered.hardState).toEqual({ term: 3, vote: null })
      const whole = yield* recover([vote(3)], [[7, 3]], true)
      expect(whole.recovered.hardState).toEqual(vote(3))
    })
  )

  it.effect("two votes in one term are a defect", () =>
    Effect.gen(function* () {
      const exit = yield* Effect.exit(recover([vote(2), vote(2, OTHER)]))
      expect(String(exit)).toContain("never taken back within its term")
      const repeated = yield* recover([vote(2), vote(2)])
      expect(repeated.voteAddress).toBe(100)
    })
  )
})
