/**
 * The same questions were put to Apache Kafka 4.3.1 in the same order; `testdata/groups-4.3.1.golden` holds its answers, with
 * the random part of member ids replaced. Left out: the wording of one error and the order of ListGroups.
 */
import { readFileSync } from "node:fs"
import { expect, it } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import { TestClock } from "effect/testing"
import { type Call, MemoryNode, TOPIC_ID, withGroups } from "./GroupHarness.ts"

const J = {
  groupId: "d",
  sessionTimeoutMs: 10000,
  rebalanceTimeoutMs: 30000,
  protocolType: "consumer",
  protocols: [{ name: "range", metadata: new Uint8Array([0, 0, 0, 0, 0, 0, 255, 255, 255, 255]) }]
}

const showBytes = (_: string, value: unknown) => (value instanceof Uint8Array ? Buffer.from(value).toJSON() : value)

const conversation = (call: Call, lines: Array<string>) =>
  Effect.gen(function* () {
    const show = (label: string, answer: unknown) =>
      void lines.push(
        `${label} ${JSON.stringify(answer, showBytes)}`
          .replace(/c-[0-9a-f-]{36}/g, "c-ID")
          .replace(/i1-[0-9a-f-]{36}/g, "i1-ID")
          .replace(/"throttleTimeMs":0,?/g, "")
      )
    yield* call(10, 4, { keyType: 0, coordinatorKeys: ["d"] })
    show("describe none v5", yield* call(15, 5, { groups: ["none"], includeAuthorizedOperations: true }))
    show("describe none v6", yield* call(15, 6, { groups: ["none"], includeAuthorizedOperations: true }))
    show("hb none", yield* call(12, 4, { groupId: "none", memberId: "m", generationId: 1 }))
    show("hb empty", yield* call(12, 4, { groupId: "", memberId: "m", generationId: 1 }))
    show(
      "sync none",
      yield* call(14, 5, {
        groupId: "none",
        memberId: "m",
        generationId: 1,
        protocolType: "consumer",
        protocolName: "range"
      })
    )
    show("sync noproto", yield* call(14, 5, { groupId: "none", memberId: "m", generationId: 1 }))
    show("leave none v5", yield* call(13, 5, { groupId: "none", members: [{ memberId: "m" }] }))
    show("leave none v2", yield* call(13, 2, { groupId: "none", memberId: "m" }))
    show("join unknown", yield* call(11, 9, { ...J, memberId: "nobody" }))
    show("join session", yield* call(11, 9, { ...J, memberId: "", sessionTimeoutMs: 1 }))
    show("join empty group", yield* call(11, 9, { ...J, memberId: "", groupId: "" }))
    show("join no protocols", yield* call(11, 9, { ...J, memberId: "", protocols: [] }))
    const first = yield* call(11, 9, { ...J, memberId: "" })
    show("join required", first)
    show("join required v5", yield* call(11, 5, { ...J, groupId: "d5", memberId: "" }))
    const memberId = first.memberId
    const joined = yield* call(11, 9, { ...J, memberId })
    show("join", joined)
    const g = joined.generationId
    show("describe completing", yield* call(15, 6, { groups: ["d"], includeAuthorizedOperations: true }))
    const topics = [{ name: "q", partitions: [{ partitionIndex: 0, committedOffset: 1, committedMetadata: null }] }]
    show(
      "commit notopic",
      yield* call(8, 9, {
        groupId: "d",
        memberId,
        generationIdOrMemberEpoch: g,
        topics: [{ ...topics[0], name: "missing" }]
      })
    )
    show("commit completing", yield* call(8, 9, { groupId: "d", memberId, generationIdOrMemberEpoch: g, topics }))
    show(
      "sync wronggen",
      yield* call(14, 5, {
        groupId: "d",
        memberId,
        generationId: g + 1,
        protocolType: "consumer",
        protocolName: "range"
      })
    )
    show(
      "sync wrongproto",
      yield* call(14, 5, { groupId: "d", memberId, generationId: g, protocolType: "consumer", protocolName: "rr" })
    )
    show(
      "sync",
      yield* call(14, 5, {
        groupId: "d",
        memberId,
        generationId: g,
        protocolType: "consumer",
        protocolName: "range",
        assignments: [{ memberId, assignment: new Uint8Array([1]) }]
      })
    )
    show("describe stable", yield* call(15, 6, { groups: ["d"] }))
    show("list", yield* call(16, 5, { statesFilter: ["sTable"] }))
    show("commit", yield* call(8, 9, { groupId: "d", memberId, generationIdOrMemberEpoch: g, topics }))
    show("commit nogen", yield* call(8, 9, { groupId: "d", topics }))
    show("commit oldgen", yield* call(8, 9, { groupId: "d", memberId, generationIdOrMemberEpoch: g - 1, topics }))
    show("commit nogroup v8", yield* call(8, 8, { groupId: "zz", memberId, generationIdOrMemberEpoch: 3, topics }))
    show("commit nogroup v9", yield* call(8, 9, { groupId: "zz", memberId, generationIdOrMemberEpoch: 3, topics }))
    show(
      "commit meta",
      yield* call(8, 9, {
        groupId: "zz2",
        topics: [
          { name: "q", partitions: [{ partitionIndex: 0, committedOffset: 1, committedMetadata: "x".repeat(4097) }] }
        ]
      })
    )
    show(
      "commit part99",
      yield* call(8, 9, {
        groupId: "zz3",
        topics: [{ name: "q", partitions: [{ partitionIndex: 99, committedOffset: 1, committedMetadata: "" }] }]
      })
    )
    show(
      "fetch v9",
      yield* call(9, 9, {
        groups: [
          { groupId: "d", topics: null },
          { groupId: "none", topics: [{ name: "q", partitionIndexes: [0, 5] }] }
        ]
      })
    )
    show(
      "fetch v5",
      yield* call(9, 5, {
        groupId: "d",
        topics: [
          { name: "q", partitionIndexes: [0] },
          { name: "nope", partitionIndexes: [0] }
        ]
      })
    )
    show(
      "fetch v10",
      yield* call(9, 10, {
        groups: [{ groupId: "d", topics: [{ topicId: "CCCCCCCCCCCCCCCCCCCCCQ", partitionIndexes: [0] }] }]
      })
    )
    const second = yield* call(11, 9, { ...J, memberId: "" })
    const m2 = second.memberId
    const parked = yield* Effect.forkChild(call(11, 9, { ...J, memberId: m2 }), { startImmediately: true })
    yield* TestClock.adjust(10)
    show("hb preparing", yield* call(12, 4, { groupId: "d", memberId, generationId: g }))
    show("commit preparing", yield* call(8, 9, { groupId: "d", memberId, generationIdOrMemberEpoch: g, topics }))
    show(
      "sync preparing",
      yield* call(14, 5, { groupId: "d", memberId, generationId: g, protocolType: "consumer", protocolName: "range" })
    )
    show(
      "leave",
      yield* call(13, 5, {
        groupId: "d",
        members: [{ memberId }, { memberId: "x" }, { memberId: "", groupInstanceId: "i9" }]
      })
    )
    show("join 2", yield* Fiber.join(parked))
    show("describe", yield* call(15, 5, { groups: ["d"] }))
    show("leave 2", yield* call(13, 2, { groupId: "d", memberId: m2 }))
    const s1 = yield* call(11, 9, { ...J, groupId: "s", memberId: "", groupInstanceId: "i1" })
    show("static", s1)
    const sm = s1.memberId,
      sg = s1.generationId
    show(
      "static sync",
      yield* call(14, 5, {
        groupId: "s",
        memberId: sm,
        groupInstanceId: "i1",
        generationId: sg,
        protocolType: "consumer",
        protocolName: "range",
        assignments: [{ memberId: sm, assignment: new Uint8Array([9]) }]
      })
    )
    const s2 = yield* call(11, 9, { ...J, groupId: "s", memberId: "", groupInstanceId: "i1" })
    show("static again v9", s2)
    const s3 = yield* call(11, 8, { ...J, groupId: "s", memberId: "", groupInstanceId: "i1" })
    show("static again v8", { ...s3, same: s3.leader === s3.memberId })
    show(
      "static fenced hb",
      yield* call(12, 4, { groupId: "s", memberId: sm, groupInstanceId: "i1", generationId: sg })
    )
    show("static fenced join", yield* call(11, 9, { ...J, groupId: "s", memberId: sm, groupInstanceId: "i1" }))
    show("static leave", yield* call(13, 5, { groupId: "s", members: [{ memberId: "", groupInstanceId: "i1" }] }))
  })

it.effect("Kafka's answers", () => {
  const node = new MemoryNode()
  node.createTopic("q", TOPIC_ID)
  const lines: Array<string> = []
  const golden = readFileSync(new URL("testdata/groups-4.3.1.golden", import.meta.url), "utf8")
  return withGroups(node, (call) => conversation(call, lines)).pipe(
    Effect.andThen(Effect.sync(() => expect(lines).toEqual(golden.trim().split("\n"))))
  )
})
