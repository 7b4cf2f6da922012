import { ZERO_UUID } from "@chronik-effect/core/base/Uuid.ts"
import type {
  CommitCommand,
  CommitResult,
  GroupCommand,
  GroupResult,
  HeartbeatResult,
  JoinCommand,
  JoinResult,
  SyncResult
} from "@chronik-effect/core/group/Commands.ts"
import { refusal } from "@chronik-effect/core/group/Commands.ts"
import { defaultGroupConfig } from "@chronik-effect/core/group/GroupConfig.ts"
import { GroupMachine } from "@chronik-effect/core/group/GroupMachine.ts"
import { describeGroup, fetchOffsets } from "@chronik-effect/core/group/GroupViews.ts"
import { decodeGroupRecord, encodeGroupRecord } from "@chronik-effect/core/group/RecordCodec.ts"
import { ErrorCode } from "@chronik-effect/core/model/ErrorCode.ts"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Fiber, type Scope } from "effect"
import { TestClock } from "effect/testing"
import { Deadlines } from "../../src/actor/Deadlines.ts"
import { restarts } from "../../src/actor/Supervisor.ts"
import { CoordinatorShard } from "../../src/coordinator/CoordinatorShard.ts"
import { MemoryLog } from "./MemoryLog.ts"

const config = { ...defaultGroupConfig, initialRebalanceDelayMs: 0 }
const kind = {
  makeMachine: () => new GroupMachine(config),
  prepare: () => Effect.void,
  encode: encodeGroupRecord,
  decode: decodeGroupRecord,
  refusal
}
type Shard = CoordinatorShard<GroupMachine, GroupCommand, Parameters<typeof encodeGroupRecord>[0], GroupResult>

const open = (log: MemoryLog): Effect.Effect<Shard, never, Deadlines | Scope.Scope> =>
  Effect.gen(function* () {
    const clock = yield* Effect.clockWith(Effect.succeed)
    const now = () => Math.floor(Number(clock.monotonicTimeNanosUnsafe()) / 1e6)
    const shard: Shard = new CoordinatorShard(log, kind, yield* Deadlines, now)
    yield* shard.start
    return shard
  })

const join = (clientId: string, more: Partial<JoinCommand> = {}): JoinCommand => ({
  _tag: "Join",
  groupId: "g",
  memberId: "",
  groupInstanceId: null,
  clientId,
  clientHost: "/127.0.0.1",
  sessionTimeoutMs: 10_000,
  rebalanceTimeoutMs: 60_000,
  protocolType: "consumer",
  protocols: [{ name: "range", metadata: new Uint8Array([1]) }],
  requireKnownMemberId: false,
  supportsSkippingAssignment: true,
  uuid: "1",
  kafkaUuid: "uuid1",
  ...more
})

const commit = (offset: number, more: Partial<CommitCommand> = {}): CommitCommand => ({
  _tag: "Commit",
  groupId: "g",
  generationId: -1,
  memberId: "",
  groupInstanceId: null,
  retentionTimeMs: -1,
  offsets: [{ topic: "t", topicId: ZERO_UUID, partition: 0, offset, leaderEpoch: 0, metadata: "" }],
  ...more
})

const member = { groupId: "g", generationId: 1, memberId: "a-1", groupInstanceId: null }
const sync = { _tag: "Sync", ...member, protocolType: null, protocolName: null, assignments: [] } as const
const heartbeat = { _tag: "Heartbeat", ...member } as const

const offsetOf = (shard: Shard, groupId = "g") =>
  shard.read(
    (machine) =>
      fetchOffsets(machine, groupId, [{ name: "t", topicId: ZERO_UUID, partitionIndexes: [0] }], false)[0]!
        .partitions[0]!.committedOffset,
    (errorCode) => -1000 - errorCode
  )

const virtual = (name: string, test: () => Effect.Effect<void, never, Deadlines | Scope.Scope>) =>
  it.effect(name, () => Effect.provide(Effect.scoped(test()), Deadlines.layer))

describe("a coordinator's shard", () => {
  virtual("answers when the records are committed, not before", () =>
    Effect.gen(function* () {
      const log = new MemoryLog()
      const shard = yield* open(log)
      log.hold()
      const asked = yield* Effect.forkChild(shard.ask(commit(7)), { startImmediately: true })
      yield* TestClock.adjust(1)
      expect(asked.pollUnsafe()).toBeUndefined()
      log.release()
      expect((yield* Fiber.join(asked)) as CommitResult).toEqual({ _tag: "Commit", errorCodes: [ErrorCode.NONE] })
      expect(yield* offsetOf(shard)).toBe(7)
      expect(shard.waiting).toBe(0)
    })
  )

  virtual("what arrives during an append shares the next batch", () =>
    Effect.gen(function* () {
      const log = new MemoryLog()
      const shard = yield* open(log)
      log.hold()
      const all = yield* Effect.forkChild(
        Effect.forEach(
          Array.from({ length: 50 }, (_, i) => i),
          (i) => shard.ask(commit(i, { groupId: `g${i}` })),
          { concurrency: "unbounded" }
        ),
        { startImmediately: true }
      )
      yield* TestClock.adjust(1)
      log.release()
      yield* Fiber.join(all)
      expect(log.records).toBe(50)
      expect(log.batches.length).toBeLessThanOrEqual(2)
    })
  )

  virtual("a round that is larger than a batch may be is split between its decisions", () =>
    Effect.gen(function* () {
      const log = new MemoryLog()
      const shard = yield* open(log)
      log.bytesMax = 400
      yield* Effect.forEach([1, 2, 3, 4, 5, 6, 7, 8], (i) => shard.ask(commit(i, { groupId: `g${i}` })), {
        concurrency: "unbounded"
      })
      expect(log.records).toBe(8)
      expect(log.batches.length).toBeGreaterThan(1)
      const huge = commit(1, {
        offsets: Array.from({ length: 50 }, (_, partition) => ({ ...commit(1).offsets[0]!, partition }))
      })
      const refused = (yield* shard.ask(huge)) as CommitResult
      expect(new Set(refused.errorCodes)).toEqual(new Set([ErrorCode.INVALID_COMMIT_OFFSET_SIZE]))
      expect(log.records).toBe(8)
    })
  )

  virtual("a deletion that is larger than a batch may be is written in pieces", () =>
    Effect.gen(function* () {
      const log = new MemoryLog()
      const shard = yield* open(log)
      const offsets = Array.from({ length: 50 }, (_, partition) => ({ ...commit(1).offsets[0]!, partition }))
      yield* shard.ask(commit(1, { offsets }))
      const committed = () =>
        shard.read(
          (machine) => machine.groups.get("g")?.offsets.size,
          () => -1
        )
      log.bytesMax = 400
      log.failAfter(3, ErrorCode.KAFKA_STORAGE_ERROR)
      expect(yield* shard.ask({ _tag: "DeleteGroup", groupId: "g" })).toEqual({
        _tag: "DeleteGroup",
        errorCode: ErrorCode.NOT_COORDINATOR
      })
      // What the log took is gone, whatever the client was told: the state is what a restart would find.
      const left = (yield* committed()) ?? -1
      expect(left).toBeGreaterThan(0)
      expect(left).toBe(50 - (log.records - 50))
      const again = yield* open(log)
      expect(
        yield* again.read(
          (machine) => machine.groups.get("g")?.offsets.size,
          () => -1
        )
      ).toBe(left)
      log.failAfter(Number.POSITIVE_INFINITY, ErrorCode.NONE)
      expect(yield* shard.ask({ _tag: "DeleteGroup", groupId: "g" })).toMatchObject({ errorCode: ErrorCode.NONE })
      expect(yield* committed()).toBeUndefined()
      expect(log.records).toBe(50 + 50 + 1)
    })
  )

  virtual("a read sees the commit that was asked for before it", () =>
    Effect.gen(function* () {
      const shard = yield* open(new MemoryLog())
      const both = yield* Effect.all([shard.ask(commit(5)), offsetOf(shard)], { concurrency: "unbounded" })
      expect(both[1]).toBe(5)
    })
  )

  virtual("a failed append is told in the coordinator's words and changes nothing", () =>
    Effect.gen(function* () {
      const log = new MemoryLog()
      const shard = yield* open(log)
      yield* shard.ask(commit(1))
      log.refuseWith = ErrorCode.KAFKA_STORAGE_ERROR
      expect(((yield* shard.ask(commit(2))) as CommitResult).errorCodes).toEqual([ErrorCode.NOT_COORDINATOR])
      expect(yield* offsetOf(shard)).toBe(1)
      log.refuseWith = ErrorCode.NONE
      yield* shard.ask(commit(3))
      expect(yield* offsetOf(shard)).toBe(3)
    })
  )

  virtual("sessions end by the clock, and whoever waited for the member goes on", () =>
    Effect.gen(function* () {
      const shard = yield* open(new MemoryLog())
      expect((yield* shard.ask(join("a"))) as JoinResult).toMatchObject({
        errorCode: 0,
        memberId: "a-1",
        generationId: 1
      })
      yield* shard.ask(sync)
      yield* TestClock.adjust(9_000)
      expect((yield* shard.ask(heartbeat)) as HeartbeatResult).toEqual({ _tag: "Heartbeat", errorCode: ErrorCode.NONE })
      const second = yield* Effect.forkChild(shard.ask(join("b", { uuid: "2" })), { startImmediately: true })
      yield* TestClock.adjust(9_999)
      expect(second.pollUnsafe()).toBeUndefined()
      yield* TestClock.adjust(2)
      expect((yield* Fiber.join(second)) as JoinResult).toMatchObject({
        errorCode: 0,
        memberId: "b-2",
        generationId: 2
      })
      expect(((yield* shard.ask(heartbeat)) as HeartbeatResult).errorCode).toBe(ErrorCode.UNKNOWN_MEMBER_ID)
    })
  )

  virtual("ten thousand members take one timer of the node", () =>
    Effect.gen(function* () {
      const deadlines = yield* Deadlines
      const shard = yield* open(new MemoryLog())
      yield* Effect.forEach(
        Array.from({ length: 10_000 }, (_, i) => i),
        (i) => shard.ask(join("c", { uuid: String(i), groupId: `g${i % 1000}`, requireKnownMemberId: true })),
        { concurrency: "unbounded", discard: true }
      )
      expect(deadlines.size()).toBeLessThanOrEqual(1)
      yield* TestClock.adjust(10_001)
      expect(
        yield* shard.read(
          (machine) => machine.groups.size,
          () => -1
        )
      ).toBe(0)
    })
  )

  virtual("after a restart the log is the state, and members live on for a session", () =>
    Effect.gen(function* () {
      const log = new MemoryLog()
      const before = yield* open(log)
      yield* before.ask(join("a"))
      yield* before.ask({ ...sync, assignments: [{ memberId: "a-1", assignment: new Uint8Array([9]) }] })
      yield* before.ask(commit(42, { generationId: 1, memberId: "a-1" }))
      before.close(ErrorCode.NOT_COORDINATOR)
      const after = yield* open(log)
      expect(yield* offsetOf(after)).toBe(42)
      expect((yield* after.ask(sync)) as SyncResult).toMatchObject({ errorCode: 0, assignment: new Uint8Array([9]) })
      yield* TestClock.adjust(10_001)
      const state = yield* after.read(
        (machine) => describeGroup(machine, "g")?.groupState,
        () => ""
      )
      expect(state).toBe("Empty")
    })
  )

  virtual("while it loads requests wait a little, then are told", () =>
    Effect.gen(function* () {
      const log = new MemoryLog()
      log.loadMs = 200
      const quick = yield* open(log)
      const first = yield* Effect.forkChild(quick.ask(commit(1)), { startImmediately: true })
      yield* TestClock.adjust(200)
      expect(((yield* Fiber.join(first)) as CommitResult).errorCodes).toEqual([ErrorCode.NONE])
      log.loadMs = 5_000
      const slow = yield* open(log)
      const second = yield* Effect.forkChild(slow.ask(commit(2)), { startImmediately: true })
      yield* TestClock.adjust(300)
      expect(((yield* Fiber.join(second)) as CommitResult).errorCodes).toEqual([ErrorCode.COORDINATOR_LOAD_IN_PROGRESS])
      yield* TestClock.adjust(5_000)
      expect(yield* offsetOf(slow)).toBe(1)
    })
  )

  virtual("closing answers everybody who waits", () =>
    Effect.gen(function* () {
      const log = new MemoryLog()
      const shard = yield* open(log)
      yield* shard.ask(join("a"))
      yield* shard.ask(sync)
      const parked = yield* Effect.forkChild(shard.ask(join("b", { uuid: "2" })), { startImmediately: true })
      yield* TestClock.adjust(1)
      log.hold()
      const writing = yield* Effect.forkChild(shard.ask(commit(1, { generationId: 1, memberId: "a-1" })), {
        startImmediately: true
      })
      yield* TestClock.adjust(1)
      const queued = yield* Effect.forkChild(shard.ask(heartbeat), { startImmediately: true })
      const read = yield* Effect.forkChild(offsetOf(shard), { startImmediately: true })
      shard.close(ErrorCode.NOT_COORDINATOR)
      expect(((yield* Fiber.join(parked)) as JoinResult).errorCode).toBe(ErrorCode.NOT_COORDINATOR)
      expect(((yield* Fiber.join(writing)) as CommitResult).errorCodes).toEqual([ErrorCode.NOT_COORDINATOR])
      expect(((yield* Fiber.join(queued)) as HeartbeatResult).errorCode).toBe(ErrorCode.NOT_COORDINATOR)
      expect(yield* Fiber.join(read)).toBe(-1000 - ErrorCode.NOT_COORDINATOR)
      expect(((yield* shard.ask(heartbeat)) as HeartbeatResult).errorCode).toBe(ErrorCode.NOT_COORDINATOR)
      log.release()
    })
  )

  virtual("a defect answers those in flight and starts again from the log", () =>
    Effect.gen(function* () {
      const log = new MemoryLog()
      const shard = yield* open(log)
      yield* shard.ask(commit(4))
      const parkedIn = yield* shard.ask(join("a"))
      expect((parkedIn as JoinResult).errorCode).toBe(ErrorCode.NONE)
      const before = restarts.get("coordinator memory-0") ?? 0
      log.dies = true
      const inFlight = (yield* shard.ask(commit(5, { groupId: "h" }))) as CommitResult
      expect(inFlight.errorCodes).toEqual([ErrorCode.COORDINATOR_NOT_AVAILABLE])
      expect(log.loads).toBe(1)
      yield* TestClock.adjust(2_000)
      expect(restarts.get("coordinator memory-0")).toBe(before + 1)
      expect(log.loads).toBe(2)
      expect(yield* offsetOf(shard)).toBe(4)
    })
  )

  it.live("a hundred thousand commits are loaded well within a second", () =>
    Effect.gen(function* () {
      const log = new MemoryLog()
      const writer = yield* open(log)
      for (let i = 0; i < 100; i++) {
        const offsets = Array.from({ length: 1000 }, (_, partition) => ({ ...commit(i).offsets[0]!, partition }))
        yield* writer.ask(commit(i, { groupId: `g${i}`, offsets }))
      }
      expect(log.records).toBe(100_000)
      const started = process.threadCpuUsage()
      const reader = yield* open(log)
      const loaded = yield* reader.read(
        (machine) => machine.groups.size,
        () => -1
      )
      // The time of the processor: that of the clock belongs to all tests that run meanwhile.
      const { user, system } = process.threadCpuUsage(started)
      const tookMs = (user + system) / 1_000
      expect(loaded).toBe(100)
      expect(tookMs).toBeLessThan(1_000)
    }).pipe(Effect.scoped, Effect.provide(Deadlines.layer))
  )
})
