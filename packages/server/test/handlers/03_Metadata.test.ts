import { ZERO_UUID } from "@chronik-effect/core/base/Uuid.ts"
import { ErrorCode } from "@chronik-effect/core/model/ErrorCode.ts"
import { MetadataApi } from "@chronik-effect/core/protocol/messages/03_Metadata.ts"
import { make } from "@chronik-effect/server/handlers/03_Metadata.ts"
import { describe, expect, it } from "@effect/vitest"
import { Deferred, Effect, Exit, Fiber } from "effect"
import { TestClock } from "effect/testing"
import { creation, registration, topicId } from "../metadata/MetadataHarness.ts"
import { ask, onCluster, versionsOf } from "./ClusterHarness.ts"

const named = (...names: ReadonlyArray<string>) => ({ topics: names.map((name) => ({ name })) })
const BASE = [registration(1), creation("a", 1, 2), creation("b", 2)]

describe("Metadata", () => {
  it.effect("answers in every version with brokers, leaders and ids as far as the version has them", () =>
    onCluster({ commands: BASE }, () =>
      Effect.gen(function* () {
        const handler = yield* make
        for (const version of versionsOf(MetadataApi)) {
          const answer = yield* ask(handler, version, named("a"))
          expect(answer.brokers, `v${version}`).toEqual([{ nodeId: 1, host: "127.0.0.1", port: 9092, rack: null }])
          const topic = answer.topics[0]!
          expect(topic.partitions.map((p) => [p.partitionIndex, p.leaderId, p.isrNodes, p.errorCode])).toEqual([
            [0, 1, [1], 0],
            [1, 1, [1], 0]
          ])
          expect(topic.topicId).toBe(version >= 10 ? topicId(1) : ZERO_UUID)
          if (version >= 1) expect(answer.controllerId).toBe(1)
          if (version >= 2) expect(answer.clusterId).toBe("test-cluster")
        }
      })
    )
  )

  it.effect("refuses a topic that has neither a name nor, from 12 on, an id", () =>
    onCluster({ commands: BASE }, () =>
      Effect.gen(function* () {
        const handler = yield* make
        for (const [version, id] of [
          [10, topicId(1)],
          [11, ZERO_UUID],
          [12, ZERO_UUID],
          [13, ZERO_UUID]
        ] as const) {
          const answer = yield* ask(handler, version, { topics: [{ name: null, topicId: id }, { name: "a" }] })
          expect(answer.topics.map((t) => [t.name, t.errorCode])).toEqual([
            ["", ErrorCode.INVALID_REQUEST],
            ["a", 0]
          ])
          expect(answer.brokers).toHaveLength(1)
        }
      })
    )
  )

  it.effect("lists all topics for an empty list in version 0 and for null later, none for an empty list", () =>
    onCluster({ commands: BASE }, () =>
      Effect.gen(function* () {
        const handler = yield* make
        const names = (topics: ReadonlyArray<{ name: string | null }>) => topics.map((t) => t.name).sort()
        expect(names((yield* ask(handler, 0, { topics: [] })).topics)).toEqual(["a", "b"])
        for (const version of versionsOf(MetadataApi).slice(1)) {
          expect(names((yield* ask(handler, version, { topics: null })).topics)).toEqual(["a", "b"])
          expect((yield* ask(handler, version, { topics: [] })).topics).toEqual([])
        }
      })
    )
  )

  it.effect("finds topics by id from version 12; an unknown id has no name", () =>
    onCluster({ commands: BASE }, () =>
      Effect.gen(function* () {
        const handler = yield* make
        const answer = yield* ask(handler, 12, {
          topics: [
            { topicId: topicId(2), name: null },
            { topicId: topicId(9), name: null }
          ]
        })
        expect(answer.topics.map((t) => [t.name, t.topicId, t.errorCode])).toEqual([
          ["b", topicId(2), ErrorCode.NONE],
          [null, topicId(9), ErrorCode.UNKNOWN_TOPIC_ID]
        ])
      })
    )
  )

  it.effect("tells authorized operations only when asked, of the cluster in versions 8 to 10 only", () =>
    onCluster({ commands: BASE }, () =>
      Effect.gen(function* () {
        const handler = yield* make
        const asked = { ...named("a"), includeTopicAuthorizedOperations: true }
        expect(
          (yield* ask(handler, 9, { ...asked, includeClusterAuthorizedOperations: true })).clusterAuthorizedOperations
        ).toBe(8096)
        expect((yield* ask(handler, 12, asked)).topics[0]!.topicAuthorizedOperations).toBe(3576)
        expect((yield* ask(handler, 12, named("a"))).topics[0]!.topicAuthorizedOperations).toBe(-2147483648)
      })
    )
  )

  it.effect("says LEADER_NOT_AVAILABLE where the leader is fenced, and names no fenced broker", () =>
    onCluster(
      {
        commands: [
          registration(1),
          registration(2),
          { ...creation("t", 1), partitions: [{ replicas: [2, 1], isr: [2, 1], leader: 2 }] },
          { _tag: "FenceNode", nodeId: 2, incarnation: 1, fenced: true }
        ]
      },
      () =>
        Effect.gen(function* () {
          const answer = yield* ask(yield* make, 12, named("t"))
          expect(answer.brokers.map((b) => b.nodeId)).toEqual([1])
          expect(answer.topics[0]!.partitions[0]).toMatchObject({
            errorCode: ErrorCode.LEADER_NOT_AVAILABLE,
            leaderId: -1,
            offlineReplicas: [2]
          })
        })
    )
  )
})

describe("auto-creation", () => {
  it.effect("answers with the created topic at once, with the broker's partitions", () =>
    onCluster({ config: { defaultPartitions: 4 } }, ({ store, serving }) =>
      Effect.gen(function* () {
        const answer = yield* ask(yield* make, 6, named("new"))
        expect(answer.topics).toMatchObject([{ errorCode: 0, name: "new", partitions: [{}, {}, {}, {}] }])
        expect(answer.topics[0]!.partitions.every((p) => p.leaderId === 1)).toBe(true)
        expect(store.image().topic("new")!.partitions).toHaveLength(4)
        expect(serving.waits).toBe(1)
      })
    )
  )

  it.effect("is not for clients or brokers that forbid it, nor for illegal names, nor for ids", () =>
    onCluster({}, ({ store }) =>
      Effect.gen(function* () {
        const handler = yield* make
        const forbidden = yield* ask(handler, 4, { ...named("new"), allowAutoTopicCreation: false })
        expect(forbidden.topics[0]!.errorCode).toBe(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
        const illegal = yield* ask(handler, 4, named("a b", "..", ""))
        expect(illegal.topics.map((t) => t.errorCode)).toEqual([17, 17, 17])
        yield* ask(handler, 12, { topics: [{ topicId: topicId(5), name: null }] })
        yield* ask(handler, 4, { topics: null })
        expect(store.image().topicCount).toBe(0)
      })
    )
  )

  it.effect("is off where the broker says so, also for versions that cannot forbid it", () =>
    onCluster({ config: { broker: new Map([["auto.create.topics.enable", "false"]]) } }, ({ store }) =>
      Effect.gen(function* () {
        const answer = yield* ask(yield* make, 0, named("new"))
        expect(answer.topics[0]!.errorCode).toBe(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
        expect(store.image().topicCount).toBe(0)
      })
    )
  )

  it.effect("by 128 clients at once makes one command, and all get the topic", () =>
    onCluster({}, ({ log }) =>
      Effect.gen(function* () {
        const handler = yield* make
        const before = log.proposed.length
        const answers = yield* Effect.forEach(Array.from({ length: 128 }), () => ask(handler, 9, named("same")), {
          concurrency: "unbounded"
        })
        expect(answers.every((answer) => answer.topics[0]!.errorCode === 0)).toBe(true)
        expect(log.proposed.length - before).toBe(1)
      })
    )
  )

  it.effect("goes on for the others when the client that asked first hangs up", () =>
    onCluster({}, ({ log }) =>
      Effect.gen(function* () {
        const handler = yield* make
        log.auto = false
        const first = yield* Effect.forkChild(ask(handler, 9, named("t")), { startImmediately: true })
        const second = yield* Effect.forkChild(ask(handler, 9, named("t")), { startImmediately: true })
        yield* Effect.repeat(Effect.yieldNow, { times: 5 })
        yield* Fiber.interrupt(first)
        log.commit()
        expect((yield* Fiber.join(second)).topics[0]!.errorCode).toBe(0)
      })
    )
  )

  it.effect("answers as Kafka when the log does not commit within 2 s, and leaves nothing behind", () =>
    onCluster({}, ({ store, log }) =>
      Effect.gen(function* () {
        const handler = yield* make
        log.auto = false
        const asking = yield* Effect.forkChild(ask(handler, 9, named("t")), { startImmediately: true })
        yield* TestClock.adjust("2 seconds")
        expect((yield* Fiber.join(asking)).topics[0]!.errorCode).toBe(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
        expect(store.pending()).toBe(0)
      })
    )
  )
})

describe("the first answer about a new topic", () => {
  it.effect("waits until its partitions serve, later ones do not (R10)", () =>
    onCluster({}, ({ store, serving }) =>
      Effect.gen(function* () {
        const handler = yield* make
        const ready = yield* Deferred.make<void>()
        serving.until = () => Deferred.await(ready)
        yield* store.propose(creation("t", 1))
        const asking = yield* Effect.forkChild(ask(handler, 9, named("t")), { startImmediately: true })
        yield* TestClock.adjust("1 second")
        expect(asking.pollUnsafe()).toBe(undefined)
        Deferred.doneUnsafe(ready, Exit.void)
        expect((yield* Fiber.join(asking)).topics[0]!.errorCode).toBe(ErrorCode.NONE)
        yield* ask(handler, 9, named("t"))
        expect(serving.waits).toBe(1)
      })
    )
  )

  it.effect("says INVALID_REPLICATION_FACTOR where the broker's default cannot be reached", () =>
    onCluster({ config: { broker: new Map([["default.replication.factor", "3"]]) } }, ({ store }) =>
      Effect.gen(function* () {
        const answer = yield* ask(yield* make, 12, { ...named("fresh"), allowAutoTopicCreation: true })
        expect(answer.topics[0]!.errorCode).toBe(ErrorCode.INVALID_REPLICATION_FACTOR)
        expect(store.image().topicCount).toBe(0)
      })
    )
  )

  it.effect("says LEADER_NOT_AVAILABLE after 2 s", () =>
    onCluster({}, ({ store, serving }) =>
      Effect.gen(function* () {
        const handler = yield* make
        serving.until = () => Effect.never
        yield* store.propose(creation("t", 1))
        const asking = yield* Effect.forkChild(ask(handler, 9, named("t")), { startImmediately: true })
        yield* TestClock.adjust("2 seconds")
        expect((yield* Fiber.join(asking)).topics[0]!.errorCode).toBe(ErrorCode.LEADER_NOT_AVAILABLE)
      })
    )
  )
})
