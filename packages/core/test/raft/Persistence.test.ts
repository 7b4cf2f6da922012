import { describe, expect, test } from "vitest"
import { EMPTY_BYTES } from "../../src/base/Bytes.ts"
import { EMPTY_CONFIGURATION, type Entry, EntryKind, INITIAL_HARD_STATE } from "../../src/raft/Entry.ts"
import { RaftLog } from "../../src/raft/Log.ts"
import { Persistence } from "../../src/raft/Persistence.ts"

const entry = (index: number, term: number): Entry => ({ index, term, kind: EntryKind.Noop, payload: EMPTY_BYTES })

const begin = () => {
  const log = new RaftLog({ index: 0, term: 0, configuration: EMPTY_CONFIGURATION, totalBytes: 0 })
  const persistence = new Persistence(INITIAL_HARD_STATE, 0)
  const append = (...entries: ReadonlyArray<Entry>) => {
    for (const one of entries) log.append(one)
    return persistence.take(log)!
  }
  const cut = (index: number) => {
    log.truncateFrom(index)
    persistence.truncatedFrom(index)
  }
  return { log, persistence, append, cut }
}

const self = { node: 1, directoryId: "a" }

describe("what is durable of the log as it stands", () => {
  test("grows with writes in order, any number under way; a later sequence stands for all before it", () => {
    const { log, persistence, append } = begin()
    const first = append(entry(1, 1), entry(2, 1))
    const second = append(entry(3, 1))
    const third = append(entry(4, 1))
    expect([first, second, third].map((write) => write.entries.map((one) => one.index))).toEqual([[1, 2], [3], [4]])
    expect(persistence.take(log)).toBeUndefined()
    persistence.advance(second.sequence)
    expect(persistence.persistedIndex).toBe(3)
    persistence.advance(first.sequence)
    expect(persistence.persistedIndex).toBe(3)
    persistence.advance(third.sequence)
    expect(persistence.persistedIndex).toBe(4)
  })

  test("an entry that was cut while it was under way says nothing of the one that took its index", () => {
    const { persistence, append, cut } = begin()
    const old = append(entry(1, 1), entry(2, 1), entry(3, 1))
    cut(2)
    const replaced = append(entry(2, 2))
    persistence.advance(old.sequence)
    expect(persistence.persistedIndex).toBe(1)
    persistence.advance(replaced.sequence)
    expect(persistence.persistedIndex).toBe(2)
  })

  test("cut twice, back to the term that was under way first: still only the last write counts", () => {
    const { persistence, append, cut } = begin()
    const first = append(entry(1, 1), entry(2, 1))
    cut(2)
    const second = append(entry(2, 2))
    cut(2)
    const third = append(entry(2, 3), entry(3, 3))
    persistence.advance(second.sequence)
    expect(persistence.persistedIndex).toBe(1)
    persistence.advance(first.sequence)
    expect(persistence.persistedIndex).toBe(1)
    persistence.advance(third.sequence)
    expect(persistence.persistedIndex).toBe(3)
  })

  test("what was durable and is cut is not durable any more", () => {
    const { persistence, append, cut } = begin()
    persistence.advance(append(entry(1, 1), entry(2, 1)).sequence)
    cut(2)
    expect(persistence.persistedIndex).toBe(1)
  })

  test("a snapshot in the place of the log: old writes count up to what was committed, then only the snapshot's own", () => {
    const { log, persistence, append } = begin()
    const old = append(entry(1, 1), entry(2, 1), entry(3, 1))
    log.commitTo(1)
    const snapshot = { index: 7, term: 2, configuration: EMPTY_CONFIGURATION, payload: EMPTY_BYTES }
    log.replacedBy(snapshot)
    persistence.replacedBy(snapshot, 1)
    const write = append(entry(8, 2))
    expect([write.snapshot?.index, write.entries.map((one) => one.index)]).toEqual([7, [8]])
    persistence.advance(old.sequence)
    expect(persistence.persistedIndex).toBe(1)
    persistence.advance(write.sequence)
    expect(persistence.persistedIndex).toBe(8)
  })

  test("a write that was not handed out cannot be durable", () => {
    const { persistence } = begin()
    expect(() => persistence.advance(1)).toThrow("handed out")
  })
})

describe("votes", () => {
  test("are held until the write that carries them is durable, not an earlier one", () => {
    const { log, persistence, append } = begin()
    persistence.setHardState({ term: 1, vote: null })
    const term = append(entry(1, 1))
    persistence.setHardState({ term: 1, vote: self })
    persistence.hold({ _tag: "VoteResponse", from: self, to: { node: 2, directoryId: "a" }, term: 1, granted: true })
    persistence.advance(term.sequence)
    expect(persistence.release()).toEqual([])
    const vote = persistence.take(log)!
    expect(vote.hardState).toEqual({ term: 1, vote: self })
    expect(persistence.release()).toEqual([])
    persistence.advance(vote.sequence)
    expect(persistence.release().length).toBe(1)
    expect(persistence.release()).toEqual([])
  })

  test("of an older term are void; a vote does not change within a term; terms do not fall", () => {
    const { persistence } = begin()
    persistence.setHardState({ term: 1, vote: self })
    persistence.hold({ _tag: "VoteResponse", from: self, to: self, term: 1, granted: true })
    expect(() => persistence.setHardState({ term: 1, vote: null })).toThrow("within a term")
    persistence.setHardState({ term: 2, vote: null })
    expect(persistence.heldCount).toBe(0)
    expect(() => persistence.setHardState({ term: 1, vote: null })).toThrow("never fall")
  })
})
