import { ErrorCode } from "@chronik-effect/core/model/ErrorCode.ts"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import { TestClock } from "effect/testing"
import { OFFSETS_TOPIC } from "../../src/coordinator/GroupCoordinator.ts"
import { type Call, MemoryNode, TOPIC_ID, withGroups, ZERO_UUID } from "./GroupHarness.ts"

const range = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, i) => from + i)
const protocols = [{ name: "range", metadata: new Uint8Array([1, 2, 3]) }]
const joining = {
  groupId: "g",
  sessionTimeoutMs: 10_000,
  rebalanceTimeoutMs: 30_000,
  protocolType: "consumer",
  protocols
}

/** Joins and syncs one member, in the newest versions; gives its id. */
const enter = (call: Call, groupId = "g") =>
  Effect.gen(function* () {
    const first = yield* call(11, 9, { ...joining, groupId, memberId: "" })
    expect(first.errorCode).toBe(ErrorCode.MEMBER_ID_REQUIRED)
    expect(first.memberId).toMatch(/^c-[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
    const { memberId } = first
    const joined = yield* call(11, 9, { ...joining, groupId, memberId })
    expect(joined).toMatchObject({ errorCode: 0, leader: memberId, memberId, protocolName: "range" })
    const assignments = [{ memberId, assignment: new Uint8Array([7]) }]
    const named = { protocolType: "consumer", protocolName: "range" }
    const { generationId } = joined
    const synced = yield* call(14, 5, { groupId, memberId, generationId, ...named, assignments })
    expect(synced).toMatchObject({ errorCode: 0, ...named, assignment: new Uint8Array([7]) })
    return { memberId: memberId as string, generationId: generationId as number }
  })

const ready = (node: MemoryNode, use: (call: Call) => Effect.Effect<void>) =>
  withGroups(node, (call) => Effect.andThen(call(10, 3, { key: "g", keyType: 0 }), use(call)))

describe("FindCoordinator", () => {
  it.effect("the first question makes the topic, and every version is answered", () => {
    const node = new MemoryNode()
    return withGroups(node, (call) =>
      Effect.gen(function* () {
        const [first] = yield* Effect.all([call(10, 0, { key: "g" }), call(10, 1, { key: "h", keyType: 0 })], {
          concurrency: "unbounded"
        })
        expect(first).toMatchObject({ errorCode: 0, nodeId: 1, host: "127.0.0.1", port: 9092 })
        expect(node.created).toBe(1)
        const topic = node.image.topic(OFFSETS_TOPIC)!
        expect(topic.partitions.length).toBe(50)
        expect(topic.internal).toBe(true)
        expect(Object.fromEntries(topic.configs)).toEqual({
          "cleanup.policy": "compact",
          "compression.type": "producer",
          "segment.bytes": "104857600"
        })
        for (const version of range(0, 3)) expect((yield* call(10, version, { key: "g" })).nodeId).toBe(1)
        for (const version of range(4, 6)) {
          const { coordinators } = yield* call(10, version, { keyType: 0, coordinatorKeys: ["g", "h"] })
          expect(coordinators.map((c: any) => [c.key, c.nodeId, c.errorCode])).toEqual([
            ["g", 1, 0],
            ["h", 1, 0]
          ])
        }
        expect(node.created).toBe(1)
      })
    )
  })

  it.effect("no topic within two seconds, and keys of other kinds", () => {
    const node = new MemoryNode()
    node.broken = true
    return withGroups(node, (call) =>
      Effect.gen(function* () {
        expect(yield* call(10, 2, { key: "g", keyType: 0 })).toMatchObject({
          errorCode: ErrorCode.COORDINATOR_NOT_AVAILABLE,
          nodeId: -1,
          port: -1
        })
        expect(yield* call(12, 4, { groupId: "g", memberId: "m", generationId: 1 })).toMatchObject({
          errorCode: ErrorCode.NOT_COORDINATOR
        })
        expect((yield* call(10, 2, { key: "g", keyType: 1 })).errorCode).toBe(ErrorCode.INVALID_REQUEST)
        expect((yield* call(16, 5, {})).groups).toEqual([])
      })
    )
  })
})

describe("membership", () => {
  it.effect("a consumer's whole life, and the frame's bytes are not kept", () =>
    ready(new MemoryNode(), (call) =>
      Effect.gen(function* () {
        const { memberId, generationId } = yield* enter(call)
        for (const version of range(0, 4)) {
          expect((yield* call(12, version, { groupId: "g", memberId, generationId })).errorCode).toBe(ErrorCode.NONE)
        }
        const described = yield* call(15, 6, { groups: ["g", "none"], includeAuthorizedOperations: true })
        expect(described.groups[0]).toMatchObject({
          errorCode: 0,
          groupState: "Stable",
          protocolType: "consumer",
          protocolData: "range"
        })
        expect(described.groups[0].members).toEqual([
          {
            memberId,
            groupInstanceId: null,
            clientId: "c",
            clientHost: "/127.0.0.1",
            memberMetadata: new Uint8Array([1, 2, 3]),
            memberAssignment: new Uint8Array([7])
          }
        ])
        expect(described.groups[1]).toMatchObject({
          errorCode: ErrorCode.GROUP_ID_NOT_FOUND,
          groupState: "Dead",
          members: []
        })
        for (const version of range(0, 5)) {
          const { groups } = yield* call(15, version, { groups: ["none"] })
          expect(groups[0]).toMatchObject({ errorCode: 0, groupState: "Dead" })
        }
        const left = yield* call(13, 5, { groupId: "g", members: [{ memberId }, { memberId: "x" }] })
        expect(left).toMatchObject({
          errorCode: 0,
          members: [
            { memberId, errorCode: 0 },
            { memberId: "x", errorCode: ErrorCode.UNKNOWN_MEMBER_ID }
          ]
        })
        for (const version of range(0, 2)) {
          expect((yield* call(13, version, { groupId: "g", memberId })).errorCode).toBe(ErrorCode.UNKNOWN_MEMBER_ID)
        }
        expect(yield* call(13, 3, { groupId: "none", members: [{ memberId }] })).toMatchObject({
          errorCode: 0,
          members: [{ errorCode: ErrorCode.UNKNOWN_MEMBER_ID }]
        })
        expect((yield* call(12, 0, { groupId: "", memberId, generationId })).errorCode).toBe(ErrorCode.INVALID_GROUP_ID)
      })
    )
  )

  it.effect("every version of JoinGroup and SyncGroup", () =>
    ready(new MemoryNode(), (call) =>
      Effect.gen(function* () {
        for (const version of range(0, 9)) {
          const groupId = `g${version}`
          const ask = (memberId: string) => {
            const { rebalanceTimeoutMs, ...v0 } = joining
            return call(11, version, version === 0 ? { ...v0, groupId, memberId } : { ...joining, groupId, memberId })
          }
          let joined = yield* ask("")
          if (version >= 4) {
            expect(joined.errorCode).toBe(ErrorCode.MEMBER_ID_REQUIRED)
            expect(joined.protocolName).toBe(version >= 7 ? null : "")
            joined = yield* ask(joined.memberId)
          }
          expect(joined).toMatchObject({ errorCode: 0, generationId: 1, protocolName: "range" })
          expect(joined.members.length).toBe(1)
          if (version >= 7) expect(joined.protocolType).toBe("consumer")
          const own = { groupId, memberId: joined.memberId, generationId: 1 }
          const syncVersion = Math.min(version, 5)
          if (syncVersion === 5) {
            expect((yield* call(14, 5, own)).errorCode).toBe(ErrorCode.INCONSISTENT_GROUP_PROTOCOL)
          }
          const named = syncVersion === 5 ? { protocolType: "consumer", protocolName: "range" } : {}
          expect((yield* call(14, syncVersion, { ...own, ...named })).errorCode).toBe(ErrorCode.NONE)
        }
        const listed = yield* call(16, 5, { statesFilter: ["STABLE"], typesFilter: ["Classic"] })
        expect(listed.groups.map((g: any) => g.groupId).sort()).toEqual(range(0, 9).map((v) => `g${v}`))
        expect(listed.groups[0]).toMatchObject({ protocolType: "consumer", groupState: "Stable", groupType: "classic" })
        expect((yield* call(16, 4, { statesFilter: ["Empty"] })).groups).toEqual([])
        expect((yield* call(16, 5, { typesFilter: ["share"] })).groups).toEqual([])
        for (const version of range(0, 3)) expect((yield* call(16, version, {})).groups.length).toBe(10)
      })
    )
  )
})

describe("offsets", () => {
  const offset = { partitionIndex: 1, committedOffset: 42, committedMetadata: "note" }

  it.effect("every version of commit and fetch", () => {
    const node = new MemoryNode()
    node.createTopic("t", TOPIC_ID)
    return ready(node, (call) =>
      Effect.gen(function* () {
        for (const version of range(2, 10)) {
          const groupId = `g${version}`
          const topic = version === 10 ? { topicId: TOPIC_ID } : { name: "t" }
          const partitions = [
            offset,
            { ...offset, partitionIndex: 9 },
            { ...offset, partitionIndex: 2, committedMetadata: "x".repeat(4097) }
          ]
          const committed = yield* call(8, version, {
            groupId,
            topics: [
              { ...topic, partitions },
              { name: "no", topicId: ZERO_UUID, partitions: [offset] }
            ]
          })
          const unknown = version === 10 ? ErrorCode.UNKNOWN_TOPIC_ID : ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
          expect(committed.topics.map((t: any) => t.partitions.map((p: any) => p.errorCode))).toEqual([
            [ErrorCode.NONE, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, ErrorCode.OFFSET_METADATA_TOO_LARGE],
            [unknown]
          ])
        }
        for (const version of range(1, 7)) {
          const one = yield* call(9, version, { groupId: "g5", topics: [{ name: "t", partitionIndexes: [1, 3] }] })
          expect(one.topics[0].partitions).toMatchObject([
            { partitionIndex: 1, committedOffset: 42, metadata: "note", errorCode: 0 },
            { partitionIndex: 3, committedOffset: -1, metadata: "", errorCode: 0 }
          ])
        }
        for (const version of range(2, 7)) {
          expect((yield* call(9, version, { groupId: "g5", topics: null })).topics[0].partitions.length).toBe(1)
        }
        for (const version of range(8, 9)) {
          const { groups } = yield* call(9, version, {
            groups: [
              { groupId: "g2", topics: null },
              { groupId: "none", topics: [{ name: "t", partitionIndexes: [0] }] }
            ]
          })
          expect(groups).toMatchObject([
            { groupId: "g2", errorCode: 0, topics: [{ name: "t", partitions: [{ committedOffset: 42 }] }] },
            {
              groupId: "none",
              errorCode: 0,
              topics: [{ name: "t", partitions: [{ committedOffset: -1, errorCode: 0 }] }]
            }
          ])
        }
        const byId = yield* call(9, 10, {
          groups: [
            { groupId: "g2", topics: null },
            {
              groupId: "g10",
              topics: [
                { topicId: "CCCCCCCCCCCCCCCCCCCCCQ", partitionIndexes: [0] },
                { topicId: TOPIC_ID, partitionIndexes: [1] }
              ]
            }
          ]
        })
        expect(byId.groups).toMatchObject([
          { topics: [{ topicId: TOPIC_ID, partitions: [{ committedOffset: 42 }] }] },
          {
            topics: [
              { partitions: [{ errorCode: ErrorCode.UNKNOWN_TOPIC_ID }] },
              { topicId: TOPIC_ID, partitions: [{ committedOffset: 42 }] }
            ]
          }
        ])
      })
    )
  })

  it.effect("a generation without a group, in old words and new", () => {
    const node = new MemoryNode()
    node.createTopic("t", TOPIC_ID)
    return ready(node, (call) =>
      Effect.gen(function* () {
        const request = {
          groupId: "none",
          generationIdOrMemberEpoch: 3,
          memberId: "m",
          topics: [{ name: "t", partitions: [offset] }]
        }
        const code = (answer: any) => answer.topics[0].partitions[0].errorCode
        expect(code(yield* call(8, 8, request))).toBe(ErrorCode.ILLEGAL_GENERATION)
        expect(code(yield* call(8, 9, request))).toBe(ErrorCode.GROUP_ID_NOT_FOUND)
      })
    )
  })

  it.effect("offsets of a deleted topic go with it, and expired ones by themselves", () => {
    const node = new MemoryNode()
    node.createTopic("t", TOPIC_ID)
    node.createTopic("u", "DDDDDDDDDDDDDDDDDDDDDQ")
    return ready(node, (call) =>
      Effect.gen(function* () {
        yield* call(8, 8, {
          groupId: "g",
          topics: [
            { name: "t", partitions: [offset] },
            { name: "u", partitions: [offset] }
          ]
        })
        node.apply({ _tag: "DeleteTopic", topicId: TOPIC_ID })
        const left = yield* call(9, 7, { groupId: "g", topics: null })
        expect(left.topics.map((t: any) => t.name)).toEqual(["u"])
        yield* TestClock.adjust("7 days")
        yield* TestClock.adjust("10 minutes")
        expect((yield* call(16, 5, {})).groups).toEqual([])
      })
    )
  })
})

describe("deletion", () => {
  const offset = (partitionIndex: number) => ({ partitionIndex, committedOffset: 1, committedMetadata: "" })

  it.effect("DeleteGroups: every version, each group by itself", () => {
    const node = new MemoryNode()
    node.createTopic("t", TOPIC_ID)
    return ready(node, (call) =>
      Effect.gen(function* () {
        yield* enter(call, "busy")
        for (const version of range(0, 3)) {
          yield* call(8, 8, { groupId: "g", topics: [{ name: "t", partitions: [offset(0)] }] })
          const { results } = yield* call(42, version, { groupsNames: ["g", "busy", "none", "", "g"] })
          const message = (text: string | null) => (version >= 3 ? text : null)
          expect(results).toEqual([
            { groupId: "g", errorCode: ErrorCode.NONE, errorMessage: null },
            {
              groupId: "busy",
              errorCode: ErrorCode.NON_EMPTY_GROUP,
              errorMessage: message("Group busy has members: stop them before deleting the group.")
            },
            {
              groupId: "none",
              errorCode: ErrorCode.GROUP_ID_NOT_FOUND,
              errorMessage: message("Group none not found.")
            },
            { groupId: "", errorCode: ErrorCode.GROUP_ID_NOT_FOUND, errorMessage: message("Group  not found.") }
          ])
          const left = yield* call(9, 7, { groupId: "g", topics: null })
          expect(left).toMatchObject({ errorCode: 0, topics: [] })
        }
        expect((yield* call(42, 2, { groupsNames: [] })).results).toEqual([])
        node.apply({ _tag: "DeleteTopic", topicId: node.image.topic(OFFSETS_TOPIC)!.topicId })
        expect((yield* call(42, 3, { groupsNames: ["g"] })).results).toMatchObject([
          { errorCode: ErrorCode.NOT_COORDINATOR }
        ])
      })
    )
  })

  it.effect("OffsetDelete: partitions by themselves, errors of the group at the top", () => {
    const node = new MemoryNode()
    node.createTopic("t", TOPIC_ID)
    return ready(node, (call) =>
      Effect.gen(function* () {
        const remove = (groupId: string, ...topics: ReadonlyArray<readonly [string, ...ReadonlyArray<number>]>) =>
          call(47, 0, {
            groupId,
            topics: topics.map(([name, ...partitions]) => ({
              name,
              partitions: partitions.map((partitionIndex) => ({ partitionIndex }))
            }))
          })
        const refused = (errorCode: ErrorCode) => ({ errorCode, throttleTimeMs: 0, topics: [] })
        expect(yield* remove("none", ["t", 0])).toEqual(refused(ErrorCode.GROUP_ID_NOT_FOUND))
        expect(yield* remove("none", ["nope", 0])).toEqual(refused(ErrorCode.GROUP_ID_NOT_FOUND))
        expect(yield* remove("", ["t", 0])).toEqual(refused(ErrorCode.INVALID_GROUP_ID))
        yield* call(8, 8, { groupId: "g", topics: [{ name: "t", partitions: [offset(0), offset(1)] }] })
        expect((yield* remove("g", ["t", 0, 3, 9], ["nope", 0], ["t", 2])).topics).toEqual([
          {
            name: "t",
            partitions: [
              { partitionIndex: 9, errorCode: ErrorCode.UNKNOWN_TOPIC_OR_PARTITION },
              { partitionIndex: 0, errorCode: ErrorCode.NONE },
              { partitionIndex: 3, errorCode: ErrorCode.NONE },
              { partitionIndex: 2, errorCode: ErrorCode.NONE }
            ]
          },
          { name: "nope", partitions: [{ partitionIndex: 0, errorCode: ErrorCode.UNKNOWN_TOPIC_OR_PARTITION }] }
        ])
        expect((yield* call(9, 7, { groupId: "g", topics: null })).topics[0].partitions).toMatchObject([
          { partitionIndex: 1, committedOffset: 1 }
        ])
        yield* enter(call, "connect")
        expect(yield* remove("g")).toEqual(refused(ErrorCode.NONE))
      })
    )
  })
})

describe("the coordinator's life", () => {
  it.effect("only partitions with something to coordinate are loaded, and all of it is back after a restart", () => {
    const node = new MemoryNode()
    node.createTopic("t", TOPIC_ID)
    return Effect.gen(function* () {
      const { memberId, generationId } = yield* withGroups(node, (call) =>
        Effect.gen(function* () {
          yield* call(10, 3, { key: "g", keyType: 0 })
          const member = yield* enter(call)
          yield* call(8, 8, {
            groupId: "g",
            memberId: member.memberId,
            generationIdOrMemberEpoch: member.generationId,
            topics: [{ name: "t", partitions: [{ partitionIndex: 0, committedOffset: 5 }] }]
          })
          return member
        })
      )
      const used = node.hosted.get(OFFSETS_TOPIC)!.filter(({ logEndOffset }) => logEndOffset > 0)
      expect(used.length).toBe(1)
      yield* withGroups(node, (call, groups) =>
        Effect.gen(function* () {
          expect((yield* call(16, 5, {})).groups).toMatchObject([{ groupId: "g", groupState: "Stable" }])
          expect((yield* call(12, 4, { groupId: "g", memberId, generationId })).errorCode).toBe(ErrorCode.NONE)
          const fetched = yield* call(9, 7, { groupId: "g", topics: null })
          expect(fetched.topics[0].partitions[0].committedOffset).toBe(5)
          expect(groups.waiting()).toBe(0)
          yield* TestClock.adjust(10_001)
          expect((yield* call(16, 5, {})).groups).toMatchObject([{ groupId: "g", groupState: "Empty" }])
        })
      )
    })
  })

  it.effect("at the end everybody who waits is answered", () => {
    const node = new MemoryNode()
    return Effect.gen(function* () {
      const parked = yield* withGroups(node, (call) =>
        Effect.gen(function* () {
          yield* call(10, 3, { key: "g", keyType: 0 })
          yield* enter(call)
          const waits = yield* Effect.forkDetach(call(11, 3, { ...joining, memberId: "" }), { startImmediately: true })
          yield* TestClock.adjust(10)
          expect(waits.pollUnsafe()).toBeUndefined()
          return waits
        })
      )
      expect((yield* Fiber.join(parked)).errorCode).toBe(ErrorCode.COORDINATOR_NOT_AVAILABLE)
    })
  })

  it.effect("a partition that moves away takes its groups with it", () => {
    const node = new MemoryNode()
    return ready(node, (call) =>
      Effect.gen(function* () {
        const { memberId, generationId } = yield* enter(call)
        const waits = yield* Effect.forkChild(call(11, 3, { ...joining, memberId: "" }), { startImmediately: true })
        yield* TestClock.adjust(10)
        const topic = node.image.topic(OFFSETS_TOPIC)!
        const ops = topic.partitions.map(({ partition, leaderEpoch, configVersion }) => ({
          topicId: topic.topicId,
          partition,
          expectedEpoch: leaderEpoch,
          expectedConfigVersion: configVersion,
          election: { leader: -1, leaderEpoch: leaderEpoch + 1, unclean: false, directoryId: "" },
          isr: null,
          replicas: null,
          adding: null,
          removing: null
        }))
        node.apply({ _tag: "PartitionOps", ops })
        expect((yield* Fiber.join(waits)).errorCode).toBe(ErrorCode.NOT_COORDINATOR)
        expect((yield* call(12, 4, { groupId: "g", memberId, generationId })).errorCode).toBe(ErrorCode.NOT_COORDINATOR)
        expect((yield* call(10, 3, { key: "g", keyType: 0 })).errorCode).toBe(ErrorCode.COORDINATOR_NOT_AVAILABLE)
      })
    )
  })
})
