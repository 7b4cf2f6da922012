import { ZERO_UUID } from "@chronik-effect/core/base/Uuid.ts"
import { TOPIC_CONFIGS } from "@chronik-effect/core/config/TopicConfig.ts"
import { ErrorCode } from "@chronik-effect/core/model/ErrorCode.ts"
import type { Partially } from "@chronik-effect/core/protocol/Message.ts"
import { CreateTopicsApi, type CreateTopicsRequest } from "@chronik-effect/core/protocol/messages/19_CreateTopics.ts"
import { make } from "@chronik-effect/server/handlers/19_CreateTopics.ts"
import { describe, expect, it } from "@effect/vitest"
import { Deferred, Effect, Exit, Fiber } from "effect"
import { TestClock } from "effect/testing"
import { creation, registration } from "../metadata/MetadataHarness.ts"
import { ask, onCluster, versionsOf } from "./ClusterHarness.ts"

type Topic = Partially<CreateTopicsRequest["topics"][number]>
const topic = (name: string, more: Topic = {}): Topic => ({ name, numPartitions: 1, replicationFactor: 1, ...more })
const request = (...topics: ReadonlyArray<Topic>) => ({ topics, timeoutMs: 5_000, validateOnly: false })

describe("CreateTopics", () => {
  it.effect("creates in every version, and tells from 5 on what was made, from 7 its id", () =>
    onCluster({}, ({ store }) =>
      Effect.gen(function* () {
        const handler = yield* make
        for (const version of versionsOf(CreateTopicsApi)) {
          const asked = topic(`v${version}`, { numPartitions: 3, configs: [{ name: "retention.ms", value: "7" }] })
          const answer = (yield* ask(handler, version, request(asked))).topics[0]!
          expect([answer.errorCode, answer.errorMessage], `v${version}`).toEqual([0, null])
          const made = store.image().topic(`v${version}`)!
          expect(made.partitions).toHaveLength(3)
          expect(answer.topicId).toBe(version >= 7 ? made.topicId : ZERO_UUID)
          if (version < 5) continue
          expect([answer.numPartitions, answer.replicationFactor]).toEqual([3, 1])
          expect(answer.configs!.map((config) => config.name)).toEqual([...TOPIC_CONFIGS.keys()].sort())
          expect(answer.configs!.find((config) => config.name === "retention.ms")).toMatchObject({
            value: "7",
            configSource: 1
          })
          expect(answer.configs!.find((config) => config.name === "segment.bytes")).toMatchObject({
            value: "1073741824",
            configSource: 5
          })
        }
      })
    )
  )

  it.effect("answers only when the partitions serve (R10)", () =>
    onCluster({}, ({ store, serving }) =>
      Effect.gen(function* () {
        const handler = yield* make
        const ready = yield* Deferred.make<void>()
        serving.until = () => Deferred.await(ready)
        const asking = yield* Effect.forkChild(ask(handler, 7, request(topic("t"))), { startImmediately: true })
        yield* TestClock.adjust("1 second")
        expect(store.image().topic("t")).toBeDefined()
        expect(asking.pollUnsafe()).toBe(undefined)
        Deferred.doneUnsafe(ready, Exit.void)
        expect((yield* Fiber.join(asking)).topics[0]!.errorCode).toBe(0)
      })
    )
  )

  it.effect("answers REQUEST_TIMED_OUT when the log does not commit in the request's time (R5)", () =>
    onCluster({}, ({ store, log }) =>
      Effect.gen(function* () {
        const handler = yield* make
        log.auto = false
        const asking = yield* Effect.forkChild(ask(handler, 7, { ...request(topic("t")), timeoutMs: 300 }), {
          startImmediately: true
        })
        yield* TestClock.adjust("300 millis")
        expect((yield* Fiber.join(asking)).topics[0]!.errorCode).toBe(ErrorCode.REQUEST_TIMED_OUT)
        expect(store.pending()).toBe(0)
      })
    )
  )

  it.effect("answers a name given twice once, last and with INVALID_REQUEST, and makes the others", () =>
    onCluster({}, ({ store }) =>
      Effect.gen(function* () {
        const answer = yield* ask(yield* make, 7, request(topic("a"), topic("twice"), topic("twice"), topic("b")))
        expect(answer.topics.map((t) => [t.name, t.errorCode])).toEqual([
          ["a", 0],
          ["b", 0],
          ["twice", ErrorCode.INVALID_REQUEST]
        ])
        expect(store.image().topic("twice")).toBe(undefined)
        expect(store.image().topicCount).toBe(2)
      })
    )
  )

  it.effect("refuses each bad topic by itself, with a message", () =>
    onCluster({ commands: [registration(1), creation("exists", 1)] }, ({ store }) =>
      Effect.gen(function* () {
        const cases: ReadonlyArray<readonly [Topic, number]> = [
          [topic("exists"), ErrorCode.TOPIC_ALREADY_EXISTS],
          [topic("a b"), ErrorCode.INVALID_TOPIC_EXCEPTION],
          [topic("p0", { numPartitions: 0 }), ErrorCode.INVALID_PARTITIONS],
          [topic("rf0", { replicationFactor: 0 }), ErrorCode.INVALID_REPLICATION_FACTOR],
          [topic("rf3", { replicationFactor: 3 }), ErrorCode.INVALID_REPLICATION_FACTOR],
          [topic("cfg", { configs: [{ name: "segment.bytes", value: "10" }] }), ErrorCode.INVALID_CONFIG],
          [topic("both", { assignments: [{ partitionIndex: 0, brokerIds: [1] }] }), ErrorCode.INVALID_REQUEST],
          [
            topic("far", {
              numPartitions: -1,
              replicationFactor: -1,
              assignments: [{ partitionIndex: 0, brokerIds: [4] }]
            }),
            ErrorCode.INVALID_REPLICA_ASSIGNMENT
          ]
        ]
        const answer = yield* ask(yield* make, 7, request(...cases.map(([asked]) => asked), topic("good")))
        expect(answer.topics.map((t) => t.errorCode)).toEqual([...cases.map(([, errorCode]) => errorCode), 0])
        for (const refused of answer.topics.slice(0, -1)) {
          expect(refused.errorMessage!.length).toBeGreaterThan(10)
          expect([refused.numPartitions, refused.replicationFactor, refused.topicId]).toEqual([-1, -1, ZERO_UUID])
        }
        expect(store.image().topicCount).toBe(2)
      })
    )
  )

  it.effect("takes assignments as given, and -1 as the broker's default", () =>
    onCluster({ config: { defaultPartitions: 2 }, commands: [registration(1), registration(2)] }, ({ store }) =>
      Effect.gen(function* () {
        const handler = yield* make
        const given = topic("given", {
          numPartitions: -1,
          replicationFactor: -1,
          assignments: [
            { partitionIndex: 1, brokerIds: [1, 2] },
            { partitionIndex: 0, brokerIds: [2, 1] }
          ]
        })
        const answer = yield* ask(
          handler,
          7,
          request(given, topic("default", { numPartitions: -1, replicationFactor: -1 }))
        )
        expect(answer.topics.map((t) => [t.numPartitions, t.replicationFactor])).toEqual([
          [2, 2],
          [2, 1]
        ])
        expect(
          store
            .image()
            .topic("given")!
            .partitions.map((p) => p.leader)
        ).toEqual([2, 1])
      })
    )
  )

  it.effect("makes at most 10,000 partitions a request, whoever counts them", () =>
    onCluster({ config: { defaultPartitions: 6_000 } }, ({ store }) =>
      Effect.gen(function* () {
        const handler = yield* make
        const cases = [
          [topic("a", { numPartitions: 6_000 }), topic("b", { numPartitions: 4_001 })],
          [topic("a", { numPartitions: -1 }), topic("b", { numPartitions: -1 })],
          Array.from({ length: 10_001 }, (_, n) => topic(`t${n}`))
        ]
        for (const topics of cases) {
          const answer = yield* ask(handler, 7, request(...topics))
          expect(new Set(answer.topics.map((t) => t.errorCode))).toEqual(new Set([ErrorCode.POLICY_VIOLATION]))
          expect(answer.topics).toHaveLength(topics.length)
        }
        expect(store.image().topicCount).toBe(0)
      })
    )
  )

  it.effect("with validateOnly gives the same answer and creates nothing", () =>
    onCluster({}, ({ store, log }) =>
      Effect.gen(function* () {
        const handler = yield* make
        const before = log.proposed.length
        const asked = request(topic("t", { numPartitions: 2 }), topic("bad", { numPartitions: 0 }))
        const checked = yield* ask(handler, 7, { ...asked, validateOnly: true })
        expect(store.image().topicCount).toBe(0)
        expect(log.proposed.length).toBe(before)
        const made = yield* ask(handler, 7, asked)
        const comparable = (answer: typeof made) => answer.topics.map((t) => ({ ...t, topicId: "" }))
        expect(comparable(checked)).toEqual(comparable(made))
      })
    )
  )
})
