/**
 * Groups of the consumer protocol (KIP-848) through the handlers: what the machine decides is tested in core; here is what the
 * server adds. Topics, configuration and expressions reach the machine, versions differ where they must, and the other APIs
 * of groups know both protocols.
 */
import { ConfigOp, ConfigResource } from "@chronik-effect/core/metadata/Command.ts"
import { ErrorCode } from "@chronik-effect/core/model/ErrorCode.ts"
import { describe, expect, it } from "@effect/vitest"
import { Effect } from "effect"
import { TestClock } from "effect/testing"
import { type Call, MemoryNode, TOPIC_ID, withGroups } from "./GroupHarness.ts"

const OTHER_ID = "DDDDDDDDDDDDDDDDDDDDDQ"
const partition = { replicas: [1], isr: [1], leader: 1, leaderEpoch: 0 }

class Member {
  readonly id: string
  readonly groupId: string
  readonly #call: Call
  epoch = 0
  owned: ReadonlyArray<{ readonly topicId: string; readonly partitions: ReadonlyArray<number> }> = []

  constructor(call: Call, id: string, groupId = "g") {
    this.#call = call
    this.id = id
    this.groupId = groupId
  }

  join(more: object = {}) {
    const subscription = { rebalanceTimeoutMs: 30_000, subscribedTopicNames: ["t"], topicPartitions: [] }
    return this.beat({ memberEpoch: 0, ...subscription, ...more })
  }

  beat(more: object = {}, version = 1) {
    const request = { groupId: this.groupId, memberId: this.id, memberEpoch: this.epoch, ...more }
    return Effect.map(this.#call(68, version, request), (answer) => {
      if (answer.errorCode === ErrorCode.NONE) this.epoch = answer.memberEpoch
      if (answer.assignment !== null) this.owned = answer.assignment.topicPartitions
      return answer
    })
  }

  /** Heartbeats with what it owns until the group has settled. */
  settle() {
    return Effect.gen({ self: this }, function* (this: Member) {
      for (let i = 0; i < 4; i++) {
        yield* TestClock.adjust("1 second")
        yield* this.beat({ topicPartitions: this.owned })
      }
    })
  }

  get partitions(): ReadonlyArray<string> {
    return this.owned.flatMap(({ topicId, partitions }) => partitions.map((p) => `${topicId[0]}${p}`)).sort()
  }
}

const onTopics = (use: (call: Call, node: MemoryNode) => Effect.Effect<void>, broker: Record<string, string> = {}) => {
  const node = new MemoryNode(broker)
  node.createTopic("t", TOPIC_ID)
  return withGroups(node, (call) => Effect.andThen(call(10, 3, { key: "g", keyType: 0 }), use(call, node)))
}

describe("ConsumerGroupHeartbeat", () => {
  it.effect("versions: 0 may come without an id, 1 must bring one", () =>
    onTopics((call) =>
      Effect.gen(function* () {
        const old = new Member(call, "")
        const joined = yield* old.join()
        expect(joined.errorCode).toBe(ErrorCode.INVALID_REQUEST)
        const given = yield* call(68, 0, {
          groupId: "g",
          memberId: "",
          memberEpoch: 0,
          rebalanceTimeoutMs: 30_000,
          subscribedTopicNames: ["t"],
          topicPartitions: []
        })
        expect(given).toMatchObject({ errorCode: 0, memberEpoch: expect.any(Number), heartbeatIntervalMs: 5_000 })
        expect(given.memberId).toMatch(/^[A-Za-z0-9_-]{22}$/)
        const mine = yield* new Member(call, "mine").join()
        expect(mine).toMatchObject({ errorCode: 0, memberId: "mine", errorMessage: null })
      })
    )
  )

  it.effect("topics that come, grow and go are known at the next heartbeat", () =>
    onTopics((call, node) =>
      Effect.gen(function* () {
        const a = new Member(call, "a")
        yield* a.join({ subscribedTopicNames: ["t", "u"] })
        yield* a.settle()
        expect(a.partitions).toEqual(["B0", "B1", "B2", "B3"])
        node.createTopic("u", OTHER_ID, 2)
        yield* a.settle()
        expect(a.partitions).toEqual(["B0", "B1", "B2", "B3", "D0", "D1"])
        node.apply({ _tag: "CreatePartitions", topicId: OTHER_ID, from: 2, partitions: [partition] })
        yield* a.settle()
        expect(a.partitions).toEqual(["B0", "B1", "B2", "B3", "D0", "D1", "D2"])
        node.apply({ _tag: "DeleteTopic", topicId: TOPIC_ID })
        yield* a.settle()
        expect(a.partitions).toEqual(["D0", "D1", "D2"])
      })
    )
  )

  it.effect("the group's own configuration goes before the broker's", () =>
    onTopics(
      (call, node) =>
        Effect.gen(function* () {
          const a = new Member(call, "a")
          expect((yield* a.join()).heartbeatIntervalMs).toBe(6_000)
          node.apply({
            _tag: "AlterConfigs",
            resourceType: ConfigResource.GROUP,
            resource: "g",
            changes: [{ op: ConfigOp.SET, name: "consumer.heartbeat.interval.ms", value: "9000" }]
          })
          expect((yield* a.beat()).heartbeatIntervalMs).toBe(9_000)
          expect((yield* new Member(call, "b", "h").join()).heartbeatIntervalMs).toBe(6_000)
        }),
      { "group.consumer.heartbeat.interval.ms": "6000" }
    )
  )

  it.effect("a member that is silent for its session is out", () =>
    onTopics((call) =>
      Effect.gen(function* () {
        const a = new Member(call, "a")
        const b = new Member(call, "b")
        yield* a.join()
        yield* b.join()
        yield* TestClock.adjust("30 seconds")
        yield* a.beat()
        yield* TestClock.adjust("16 seconds")
        expect((yield* b.beat()).errorCode).toBe(ErrorCode.UNKNOWN_MEMBER_ID)
        yield* a.settle()
        expect(a.partitions).toEqual(["B0", "B1", "B2", "B3"])
      })
    )
  )

  it.effect("regular expressions, also after a restart", () => {
    const node = new MemoryNode()
    node.createTopic("t1", TOPIC_ID)
    node.createTopic("u1", OTHER_ID, 1)
    const byRegex = { subscribedTopicNames: null, subscribedTopicRegex: "t.*" }
    return Effect.gen(function* () {
      const epoch = yield* withGroups(node, (call) =>
        Effect.gen(function* () {
          yield* call(10, 3, { key: "g", keyType: 0 })
          const a = new Member(call, "a")
          const refused = yield* a.join({ ...byRegex, subscribedTopicRegex: "(" })
          expect(refused).toMatchObject({
            errorCode: ErrorCode.INVALID_REGULAR_EXPRESSION,
            errorMessage: "SubscribedTopicRegex `(` is not a valid regular expression: missing closing )."
          })
          yield* a.join(byRegex)
          yield* a.settle()
          expect(a.partitions).toEqual(["B0", "B1", "B2", "B3"])
          return a.epoch
        })
      )
      yield* withGroups(node, (call) =>
        Effect.gen(function* () {
          const a = new Member(call, "a")
          a.epoch = epoch
          node.createTopic("t2", "EEEEEEEEEEEEEEEEEEEEEQ", 2)
          yield* TestClock.adjust("11 seconds")
          yield* a.beat({ topicPartitions: [{ topicId: TOPIC_ID, partitions: [0, 1, 2, 3] }] })
          yield* a.settle()
          expect(a.partitions).toEqual(["B0", "B1", "B2", "B3", "E0", "E1"])
        })
      )
    })
  })

  it.effect("turned off by the broker's configuration", () =>
    onTopics(
      (call) =>
        Effect.gen(function* () {
          expect((yield* new Member(call, "a").join()).errorCode).toBe(ErrorCode.UNSUPPORTED_VERSION)
          const { groups } = yield* call(69, 1, { groupIds: ["g"] })
          expect(groups[0].errorCode).toBe(ErrorCode.UNSUPPORTED_VERSION)
        }),
      { "group.coordinator.rebalance.protocols": "classic" }
    )
  )
})

describe("the other APIs of groups", () => {
  const joining = {
    groupId: "classic",
    sessionTimeoutMs: 10_000,
    rebalanceTimeoutMs: 30_000,
    protocolType: "consumer",
    protocols: [{ name: "range", metadata: new Uint8Array([1]) }]
  }

  it.effect("describe and list know both protocols", () =>
    onTopics((call) =>
      Effect.gen(function* () {
        const a = new Member(call, "a")
        yield* a.join()
        yield* a.settle()
        yield* call(11, 3, { ...joining, memberId: "" })
        const groupIds = ["g", "classic", "none", ""]
        const { groups } = yield* call(69, 1, { groupIds, includeAuthorizedOperations: true })
        const missing = { errorCode: ErrorCode.GROUP_ID_NOT_FOUND, authorizedOperations: -2_147_483_648, members: [] }
        expect(groups).toMatchObject([
          { errorCode: 0, groupId: "g", groupState: "Stable", assignorName: "uniform", authorizedOperations: 3_400 },
          { ...missing, errorMessage: "Group classic is not a consumer group." },
          { ...missing, errorMessage: "Group none not found." },
          { errorCode: ErrorCode.INVALID_GROUP_ID, groupId: "" }
        ])
        const topicPartitions = [{ topicId: TOPIC_ID, topicName: "t", partitions: [0, 1, 2, 3] }]
        expect(groups[0].members).toMatchObject([
          {
            memberId: "a",
            clientId: "c",
            clientHost: "/127.0.0.1",
            memberEpoch: a.epoch,
            subscribedTopicNames: ["t"],
            assignment: { topicPartitions },
            targetAssignment: { topicPartitions },
            memberType: 1
          }
        ])
        const v0 = yield* call(69, 0, { groupIds: ["g"] })
        expect(v0.groups[0]).toMatchObject({ errorCode: 0, authorizedOperations: -2_147_483_648 })
        const classic = yield* call(15, 6, { groups: ["g", "none"] })
        expect(classic.groups).toMatchObject([
          { errorCode: ErrorCode.GROUP_ID_NOT_FOUND, errorMessage: "Group g is not a classic group." },
          { errorCode: ErrorCode.GROUP_ID_NOT_FOUND, errorMessage: "Group none not found." }
        ])
        expect((yield* call(15, 5, { groups: ["g"] })).groups).toMatchObject([{ errorCode: 0, groupState: "Dead" }])
        const list = (typesFilter: ReadonlyArray<string>, statesFilter: ReadonlyArray<string> = []) =>
          Effect.map(call(16, 5, { typesFilter, statesFilter }), (answer) =>
            answer.groups.map((group: { readonly groupId: string }) => group.groupId).sort()
          )
        expect(yield* list([])).toEqual(["classic", "g"])
        expect(yield* list(["CONSUMER"])).toEqual(["g"])
        expect(yield* list(["classic"], ["stable"])).toEqual([])
        expect(yield* list(["consumer", "classic"], ["stable"])).toEqual(["g"])
      })
    )
  )

  it.effect("commits and fetches carry the member's epoch", () =>
    onTopics((call) =>
      Effect.gen(function* () {
        const a = new Member(call, "a")
        yield* a.join()
        yield* a.settle()
        const commit = (more: object, version = 9) =>
          Effect.map(
            call(8, version, {
              groupId: "g",
              memberId: "a",
              generationIdOrMemberEpoch: a.epoch,
              topics: [{ name: "t", topicId: TOPIC_ID, partitions: [{ partitionIndex: 0, committedOffset: 5 }] }],
              ...more
            }),
            (answer) => answer.topics[0].partitions[0].errorCode
          )
        expect(yield* commit({})).toBe(ErrorCode.NONE)
        expect(yield* commit({}, 10)).toBe(ErrorCode.NONE)
        expect(yield* commit({}, 8)).toBe(ErrorCode.UNSUPPORTED_VERSION)
        expect(yield* commit({ generationIdOrMemberEpoch: a.epoch + 1 })).toBe(ErrorCode.STALE_MEMBER_EPOCH)
        expect(yield* commit({ generationIdOrMemberEpoch: 0 })).toBe(ErrorCode.STALE_MEMBER_EPOCH)
        expect(yield* commit({ memberId: "stranger" })).toBe(ErrorCode.UNKNOWN_MEMBER_ID)
        expect(yield* commit({ memberId: "", generationIdOrMemberEpoch: -1 })).toBe(ErrorCode.UNKNOWN_MEMBER_ID)
        const fetch = (more: object, version = 9) =>
          Effect.map(
            call(9, version, {
              groups: [
                {
                  groupId: "g",
                  memberId: "a",
                  memberEpoch: a.epoch,
                  topics: [{ name: "t", topicId: TOPIC_ID, partitionIndexes: [0] }],
                  ...more
                },
                { groupId: "none", topics: null }
              ]
            }),
            (answer) => {
              expect(answer.groups[1]).toMatchObject({ errorCode: 0, topics: [] })
              const [{ errorCode, topics }] = answer.groups
              return errorCode === ErrorCode.NONE ? topics[0].partitions[0].committedOffset : -errorCode
            }
          )
        for (const version of [9, 10]) expect(yield* fetch({}, version)).toBe(5)
        expect(yield* fetch({}, 8)).toBe(5)
        expect(yield* fetch({ memberId: null, memberEpoch: -1 })).toBe(5)
        expect(yield* fetch({ memberEpoch: a.epoch + 1 })).toBe(-ErrorCode.STALE_MEMBER_EPOCH)
        expect(yield* fetch({ memberId: "stranger" })).toBe(-ErrorCode.UNKNOWN_MEMBER_ID)
        expect(yield* fetch({ memberId: "stranger" }, 10)).toBe(-ErrorCode.UNKNOWN_MEMBER_ID)
        const remove = { groupId: "g", topics: [{ name: "t", partitions: [{ partitionIndex: 0 }] }] }
        expect((yield* call(47, 0, remove)).topics[0].partitions[0].errorCode).toBe(ErrorCode.GROUP_SUBSCRIBED_TO_TOPIC)
        expect((yield* call(42, 2, { groupsNames: ["g"] })).results[0].errorCode).toBe(ErrorCode.NON_EMPTY_GROUP)
        expect((yield* a.beat({ memberEpoch: -1 })).memberEpoch).toBe(-1)
        expect((yield* call(42, 2, { groupsNames: ["g"] })).results[0].errorCode).toBe(ErrorCode.NONE)
        expect((yield* call(16, 5, {})).groups).toEqual([])
      })
    )
  )

  it.effect("offsets of consumer groups expire when nobody is subscribed to their topic any more", () =>
    onTopics(
      (call) =>
        Effect.gen(function* () {
          const a = new Member(call, "a")
          yield* a.join()
          yield* a.settle()
          yield* call(8, 9, {
            groupId: "g",
            memberId: "a",
            generationIdOrMemberEpoch: a.epoch,
            topics: [{ name: "t", partitions: [{ partitionIndex: 0, committedOffset: 5 }] }]
          })
          for (let i = 0; i < 10; i++) {
            yield* TestClock.adjust("30 seconds")
            yield* a.beat()
          }
          expect((yield* call(9, 7, { groupId: "g", topics: null })).topics.length).toBe(1)
          yield* a.beat({ memberEpoch: -1 })
          yield* TestClock.adjust("11 seconds")
          expect((yield* call(16, 5, {})).groups).toEqual([])
        }),
      { "offsets.retention.minutes": "1", "offsets.retention.check.interval.ms": "10000" }
    )
  )
})
