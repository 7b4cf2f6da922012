import { expect, test } from "vitest"
import { Proposals } from "../../src/raft/Proposals.ts"
import type { ProposalFate } from "../../src/raft/Ready.ts"

const fates = (): Array<ProposalFate> => []

test("an entry gives its ticket back once, in order; entries of others give none", () => {
  const proposals = new Proposals()
  proposals.accepted(2, 1, 20)
  proposals.accepted(4, 1, 40)
  const ended = fates()
  expect([1, 2, 3, 4].map((index) => proposals.committed(index, 1, ended))).toEqual([undefined, 20, undefined, 40])
  expect([proposals.count, ended]).toEqual([0, []])
})

test("an entry of another term at the same index settles nothing while it is older; a later term settles all", () => {
  const proposals = new Proposals()
  proposals.accepted(5, 3, 1)
  proposals.accepted(6, 3, 2)
  const ended = fates()
  expect(proposals.committed(5, 2, ended)).toBeUndefined()
  expect(ended).toEqual([])
  expect(proposals.committed(6, 4, ended)).toBeUndefined()
  expect(ended).toEqual([
    { ticket: 1, fate: "Lost" },
    { ticket: 2, fate: "Lost" }
  ])
})

test("two leaderships, the second at lower indexes", () => {
  const proposals = new Proposals()
  proposals.accepted(8, 1, 1)
  proposals.accepted(3, 4, 2)
  const ended = fates()
  expect(proposals.committed(2, 4, ended)).toBeUndefined()
  expect(ended).toEqual([{ ticket: 1, fate: "Lost" }])
  expect(proposals.committed(3, 4, ended)).toBe(2)
})

test("a snapshot leaves open only what lies behind it in its term or a later one", () => {
  const proposals = new Proposals()
  proposals.accepted(4, 2, 1)
  proposals.accepted(9, 2, 2)
  proposals.accepted(5, 6, 3)
  proposals.accepted(7, 6, 4)
  const ended = fates()
  proposals.superseded(5, 4, ended)
  expect(ended).toEqual([
    { ticket: 1, fate: "Superseded" },
    { ticket: 2, fate: "Lost" },
    { ticket: 3, fate: "Lost" }
  ])
  expect(proposals.count).toBe(1)
})

test("the order of (term, index) is asserted", () => {
  const proposals = new Proposals()
  proposals.accepted(4, 2, 1)
  expect(() => proposals.accepted(4, 2, 2)).toThrow("order")
  expect(() => proposals.accepted(9, 1, 2)).toThrow("order")
})
