import { expect, test } from "vitest"
import { EMPTY_BYTES } from "../../src/base/Bytes.ts"
import { type Entry, EntryKind } from "../../src/raft/Entry.ts"
import type { Append } from "../../src/raft/Message.ts"
import { voters, World } from "./World.ts"

const entry = (index: number, term: number): Entry => ({ index, term, kind: EntryKind.Noop, payload: EMPTY_BYTES })

test("rule 3: a frame moves the commit index over what it verifies itself, not over a tail that nobody checked", () => {
  const world = new World({}, 1, () => {})
  const node = world.node(world.add(1, voters([1, 2, 3])).id)
  const from = { node: 2, directoryId: "a" }
  const frame: Append = {
    _tag: "Append",
    from,
    to: node.member,
    term: 1,
    previousIndex: 0,
    previousTerm: 0,
    entries: [entry(1, 1), entry(2, 1), entry(3, 1)],
    commit: 0,
    round: 1
  }
  world.deliver(frame)
  world.persist(node)
  expect(node.raft!.lastIndex).toBe(3)
  // Of the next term's leader only entry 1 is known to agree; it has committed up to 3.
  const other = { ...frame, from: { node: 3, directoryId: "a" }, term: 2 }
  world.deliver({ ...other, previousIndex: 1, previousTerm: 1, entries: [], commit: 3 })
  expect(node.raft!.commitIndex).toBe(1)
  world.deliver({ ...other, previousIndex: 1, previousTerm: 1, entries: [entry(2, 2)], commit: 3 })
  expect([node.raft!.commitIndex, node.raft!.lastIndex, node.raft!.lastTerm]).toEqual([2, 2, 2])
})
