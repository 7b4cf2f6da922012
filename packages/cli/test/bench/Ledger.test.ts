import { describe, expect, it } from "vitest"
import { Ledger } from "../../src/bench/Ledger.ts"

const TAG = 9

/** A lane on partition 0 with ten confirmed records. */
const tenConfirmed = (foreignAllowed = false): Ledger => {
  const ledger = new Ledger(TAG, foreignAllowed)
  expect(ledger.openLane(0)).toBe(0)
  for (let i = 0; i < 10; i += 2) ledger.confirmed(0, 2, 100 + i)
  return ledger
}

const read = (ledger: Ledger, sequences: ReadonlyArray<number>): Ledger => {
  for (const sequence of sequences) ledger.readBack(0, TAG, 0, sequence, true)
  return ledger
}

const ALL = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]

describe("Ledger", () => {
  it("is content when each record comes back once, in order", () => {
    expect(read(tenConfirmed(), ALL).findings()).toMatchObject({ ok: true, confirmed: 10, read: 10, lost: 0 })
  })

  it.each<[string, ReadonlyArray<number>, object]>([
    ["a lost record", [0, 1, 2, 4, 5, 6, 7, 8, 9], { lost: 1, ok: false }],
    ["a lost tail", [0, 1, 2, 3, 4, 5, 6, 7], { lost: 2, ok: false }],
    ["nothing at all", [], { lost: 10, ok: false }],
    ["a duplicate", [0, 1, 2, 2, 3, 4, 5, 6, 7, 8, 9], { duplicated: 1, lost: 0, ok: false }],
    ["two records swapped", [0, 1, 3, 2, 4, 5, 6, 7, 8, 9], { reordered: 1, lost: 0, duplicated: 0, ok: false }]
  ])("sees %s", (_name, sequences, findings) => {
    expect(read(tenConfirmed(), sequences).findings()).toMatchObject(findings)
  })

  it("lets a record be there or not when its answer was an error", () => {
    for (const tail of [[], [10, 11], [10]]) {
      const ledger = tenConfirmed()
      ledger.unconfirmed(0, 10, 2)
      expect(read(ledger, [...ALL, ...tail]).findings()).toMatchObject({ ok: true, unconfirmed: 2 })
    }
  })

  it("sees corruption, a wrong partition and an offset that does not rise", () => {
    const ledger = tenConfirmed()
    ledger.readBack(1, TAG, 0, 0, false)
    ledger.confirmed(0, 1, 108)
    expect(ledger.findings()).toMatchObject({ corrupt: 1, misplaced: 1, offsetsOff: 1, ok: false })
  })

  it("minds records of others only in a topic of its own", () => {
    for (const borrowed of [false, true]) {
      const ledger = read(tenConfirmed(borrowed), ALL)
      ledger.readBack(0, TAG + 1, 0, 0, true)
      ledger.alien()
      expect(ledger.findings()).toMatchObject({ foreign: 2, ok: borrowed })
    }
  })
})
