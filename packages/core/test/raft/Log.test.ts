import { describe, expect, test } from "vitest"
import { Prng } from "../../src/base/Prng.ts"
import { ByteMarks } from "../../src/raft/ByteMarks.ts"
import { EMPTY_CONFIGURATION, type Entry, EntryKind } from "../../src/raft/Entry.ts"
import { ENTRY_OVERHEAD_BYTES, RaftLog } from "../../src/raft/Log.ts"

const entry = (index: number, term: number, bytes = 8): Entry => ({
  index,
  term,
  kind: EntryKind.Command,
  payload: new Uint8Array(bytes)
})
const point = (index: number, term: number) => ({ index, term, configuration: EMPTY_CONFIGURATION, totalBytes: 0 })

const logOf = (...terms: ReadonlyArray<number>): RaftLog => {
  const log = new RaftLog(point(0, 0))
  for (const [at, term] of terms.entries()) log.append(entry(at + 1, term))
  return log
}

describe("terms", () => {
  test("are known from the start of the log to its end, and nowhere else", () => {
    const log = logOf(1, 1, 3, 3, 7)
    expect([0, 1, 2, 3, 4, 5, 6].map((index) => log.termAt(index))).toEqual([0, 1, 1, 3, 3, 7, undefined])
  })

  test("the last index with at most a term is what a mismatch is answered with", () => {
    const log = logOf(1, 1, 3, 3, 7)
    expect(log.lastAtMost(5, 7)).toBe(5)
    expect(log.lastAtMost(5, 6)).toBe(4)
    expect(log.lastAtMost(5, 2)).toBe(2)
    expect(log.lastAtMost(9, 7)).toBe(5)
    expect(log.lastAtMost(5, 0)).toBe(0)
  })

  test("survive eviction and compaction as far down as somebody can need them, not further", () => {
    const log = logOf(1, 1, 3, 3, 7, 7)
    log.commitTo(6)
    log.appliedTo(6)
    log.evict(2 * (8 + ENTRY_OVERHEAD_BYTES))
    expect([log.cacheFirst, log.entryAt(4), log.entryAt(5)?.index]).toEqual([5, undefined, 5])
    expect(log.termAt(1)).toBe(1)
    log.compacted(point(3, 3))
    expect([2, 3, 4, 5].map((index) => log.termAt(index))).toEqual([undefined, 3, 3, 7])
    expect([3, 4, 5, 6, 7, 8].map((next) => log.reaches(next))).toEqual([false, false, true, true, true, false])
    expect(log.lastAtMost(6, 2)).toBeUndefined()
  })

  test("agree with a plain list through appends, cuts, eviction and compaction", () => {
    for (let seed = 1; seed <= 100; seed++) compareWithList(new Prng(seed), `seed ${seed}`)
  })
})

function compareWithList(random: Prng, run: string): void {
  const log = new RaftLog(point(0, 0))
  const terms = [0]
  const bytes = [0]
  for (let step = 0; step < 200; step++) {
    const size = random.below(20)
    const grows = random.chance(0.6)
    const choice = grows ? "append" : random.pick(["cut", "commit", "commit", "apply", "apply", "evict", "compact"])
    if (choice === "append") {
      terms.push(terms[terms.length - 1]! + (random.chance(0.3) ? 1 : 0))
      bytes.push(size + ENTRY_OVERHEAD_BYTES)
      log.append(entry(terms.length - 1, terms[terms.length - 1]!, size))
    } else if (choice === "cut" && log.lastIndex > log.commitIndex) {
      const from = random.between(log.commitIndex + 1, log.lastIndex)
      log.truncateFrom(from)
      terms.length = from
      bytes.length = from
    } else if (choice === "commit") log.commitTo(random.between(log.commitIndex, log.lastIndex))
    else if (choice === "apply") log.appliedTo(random.between(log.appliedIndex, log.commitIndex))
    else if (choice === "evict") log.evict(random.below(300))
    else if (choice === "compact" && log.appliedIndex > log.snapshot.index) {
      const index = random.between(log.snapshot.index + 1, log.appliedIndex)
      log.compacted(point(index, terms[index]!))
    }
    const sum = (from: number, to: number) => bytes.slice(from, to + 1).reduce((a, b) => a + b, 0)
    const known = terms.map((_, index) => index).slice(log.snapshot.index)
    const toApply = terms.map((_, index) => index).slice(log.appliedIndex + 1)
    expect(
      {
        last: [log.lastIndex, log.lastTerm],
        terms: known.map((index) => log.termAt(index)),
        toApply: toApply.map((index) => log.entryAt(index)?.index),
        bytes: [log.uncommittedBytes, log.unappliedBytes, log.cacheBytes]
      },
      run
    ).toEqual({
      last: [terms.length - 1, terms[terms.length - 1]],
      terms: known.map((index) => terms[index]),
      toApply,
      bytes: [
        sum(log.commitIndex + 1, log.lastIndex),
        sum(log.appliedIndex + 1, log.commitIndex),
        sum(log.cacheFirst, log.lastIndex)
      ]
    })
  }
}

describe("invariants", () => {
  test("what is committed is not cut, holes and falling terms are refused, the commit index does not fall", () => {
    const log = logOf(1, 1, 2)
    log.commitTo(2)
    expect(() => log.truncateFrom(2)).toThrow("committed")
    expect(() => log.commitTo(1)).toThrow("never fall")
    expect(() => log.commitTo(4)).toThrow("end of the log")
    expect(() => log.append(entry(5, 2))).toThrow("follow")
    expect(() => log.append(entry(4, 1))).toThrow("terms must not fall")
    expect(() => log.appliedTo(3)).toThrow("committed")
  })

  test("the later last term wins, then the longer log", () => {
    const log = logOf(1, 2, 2)
    expect([log.isUpToDate(3, 2), log.isUpToDate(2, 2), log.isUpToDate(1, 3), log.isUpToDate(9, 1)]).toEqual([
      true,
      false,
      true,
      false
    ])
  })
})

describe("bytes since the snapshot", () => {
  test("are right to a few marks, however long no snapshot is made, and memory stays bounded", () => {
    const marks = new ByteMarks()
    const size = 1000
    const count = 200_000
    for (let index = 1; index <= count; index++) marks.note(index, index * size)
    const passed = marks.takeUpTo(count / 2, 0)
    expect(passed).toBeLessThanOrEqual((count / 2) * size)
    expect(passed).toBeGreaterThan((count / 2) * size * 0.97)
  })
})
