import { ZERO_UUID } from "@chronik-effect/core/base/Uuid.ts"
import { ErrorCode } from "@chronik-effect/core/model/ErrorCode.ts"
import { type FetchContext, FetchSessions } from "@chronik-effect/server/handlers/FetchSessions.ts"
import { assert, describe, expect, it } from "vitest"

const asked = (topic: string, ...partitions: Array<number>) => ({
  topic,
  topicId: ZERO_UUID,
  partitions: partitions.map((partition) => ({
    partition,
    fetchOffset: 0,
    logStartOffset: -1,
    partitionMaxBytes: 1024,
    currentLeaderEpoch: -1,
    lastFetchedEpoch: -1
  }))
})
const make = (slots = 10) => {
  let id = 100
  return new FetchSessions(slots, 1000, () => ++id)
}
const context = (opened: FetchContext | ErrorCode): FetchContext => {
  assert(typeof opened !== "number", `expected a context, got error ${opened}`)
  return opened
}
const names = (c: FetchContext) => c.targets.map((t) => `${t.topic}-${t.partition}`)

describe("FetchSessions", () => {
  it("opens a session on epoch 0 and goes on incrementally", () => {
    const sessions = make()
    const first = context(sessions.open(0, 0, [asked("a", 0, 1)], [], false, 0))
    expect([first.sessionId, first.incremental, names(first)]).toEqual([101, false, ["a-0", "a-1"]])
    const second = context(
      sessions.open(101, 1, [asked("b", 7)], [{ topic: "a", topicId: ZERO_UUID, partitions: [0] }], false, 0)
    )
    expect([second.sessionId, second.incremental, names(second)]).toEqual([101, true, ["a-1", "b-7"]])
  })

  it("refuses unknown sessions, wrong epochs and a change between names and ids", () => {
    const sessions = make()
    context(sessions.open(0, 0, [asked("a", 0)], [], false, 0))
    expect(sessions.open(999, 1, [], [], false, 0)).toBe(ErrorCode.FETCH_SESSION_ID_NOT_FOUND)
    expect(sessions.open(101, 2, [], [], false, 0)).toBe(ErrorCode.INVALID_FETCH_SESSION_EPOCH)
    expect(sessions.open(101, 1, [], [], true, 0)).toBe(ErrorCode.FETCH_SESSION_TOPIC_ID_ERROR)
    context(sessions.open(101, 1, [], [], false, 0))
    expect(sessions.open(101, 1, [], [], false, 0)).toBe(ErrorCode.INVALID_FETCH_SESSION_EPOCH)
  })

  it("ends a session on epoch -1, on a new one in its place, and when nothing is left to fetch", () => {
    const sessions = make()
    context(sessions.open(0, 0, [asked("a", 0)], [], false, 0))
    expect(context(sessions.open(101, -1, [asked("a", 0)], [], false, 0)).sessionId).toBe(0)
    expect(sessions.size).toBe(0)
    context(sessions.open(0, 0, [asked("a", 0)], [], false, 0))
    context(sessions.open(102, 0, [asked("a", 0)], [], false, 0))
    expect(sessions.size).toBe(1)
    const emptied = context(sessions.open(103, 1, [], [{ topic: "a", topicId: ZERO_UUID, partitions: [0] }], false, 0))
    expect([emptied.sessionId, emptied.incremental, sessions.size]).toEqual([0, false, 0])
  })

  it("is bounded: a full cache answers without a session until one has been idle for long", () => {
    const sessions = make(2)
    for (let i = 0; i < 2; i++) context(sessions.open(0, 0, [asked("a", i)], [], false, i))
    expect(context(sessions.open(0, 0, [asked("a", 2)], [], false, 999)).sessionId).toBe(0)
    context(sessions.open(101, 1, [], [], false, 999))
    const late = context(sessions.open(0, 0, [asked("a", 3)], [], false, 1500))
    expect([late.sessionId, sessions.size]).toEqual([103, 2])
    expect(sessions.open(102, 1, [], [], false, 1500)).toBe(ErrorCode.FETCH_SESSION_ID_NOT_FOUND)
  })

  it("gives every partition its turn at the head of the answer", () => {
    const sessions = make()
    context(sessions.open(0, 0, [asked("a", 0, 1, 2)], [], false, 0))
    const second = context(sessions.open(101, 1, [], [], false, 0))
    second.served(second.targets[0]!)
    expect(names(context(sessions.open(101, 2, [], [], false, 0)))).toEqual(["a-1", "a-2", "a-0"])
  })
})
