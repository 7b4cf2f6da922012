/**
 * The group coordinator of this node: group membership and committed offsets of all groups whose partition of
 * `__consumer_offsets` it leads.
 *
 * Wires the group machine (`core/group`) into a `CoordinatorRuntime`, with what surrounds it: the broker's configuration,
 * random member ids, the periodic search for expired offsets, and the end of offsets whose topic was deleted.
 */

import { uuidFromBytes } from "@chronik-effect/core/base/Uuid.ts"
import type { BrokerConfig } from "@chronik-effect/core/config/BrokerConfig.ts"
import { type GroupCommand, type GroupResult, refusal } from "@chronik-effect/core/group/Commands.ts"
import type { ConsumerGroupDescription } from "@chronik-effect/core/group/consumer/ConsumerViews.ts"
import type { GroupConfig } from "@chronik-effect/core/group/GroupConfig.ts"
import { GroupMachine } from "@chronik-effect/core/group/GroupMachine.ts"
import type { GroupRecord } from "@chronik-effect/core/group/GroupRecord.ts"
import {
  describeConsumerGroup,
  describeGroup,
  type FetchedTopic,
  fetchOffsets,
  type GroupDescription,
  type GroupListing,
  listGroups,
  noClassicGroup,
  type OffsetsOfTopic,
  validateOffsetFetch
} from "@chronik-effect/core/group/GroupViews.ts"
import { memberUuid } from "@chronik-effect/core/group/MemberId.ts"
import { decodeGroupRecord, encodeGroupRecord } from "@chronik-effect/core/group/RecordCodec.ts"
import { ErrorCode } from "@chronik-effect/core/model/ErrorCode.ts"
import { Context, Effect, Layer, Random } from "effect"
import { Deadlines } from "../actor/Deadlines.ts"
import type { NodeConfig } from "../config/NodeConfig.ts"
import { liveBrokerViews } from "../metadata/ClusterView.ts"
import { MetadataStore } from "../metadata/MetadataStore.ts"
import type { Partitions } from "../replication/Partitions.ts"
import { makeCoordinatorRuntime } from "./CoordinatorRuntime.ts"
import type { CoordinatorKind } from "./CoordinatorShard.ts"
import { groupEnvironment } from "./GroupEnvironment.ts"
import { makeRegularExpressions, type RegularExpressions } from "./RegularExpressions.ts"

export const OFFSETS_TOPIC = "__consumer_offsets"

/** Where the coordinator of a key is. */
export interface CoordinatorLocation {
  readonly errorCode: ErrorCode
  readonly nodeId: number
  readonly host: string
  readonly port: number
}

/** Something that was read, or the code that says why not. */
export type Looked<A> =
  | { readonly errorCode: typeof ErrorCode.NONE; readonly value: A }
  | { readonly errorCode: Exclude<ErrorCode, typeof ErrorCode.NONE>; readonly value?: undefined }

/** OffsetFetch v9+: null and -1 of one that is no member. */
export interface OffsetReader {
  readonly memberId: string | null
  readonly memberEpoch: number
}

export class GroupCoordinator extends Context.Service<
  GroupCoordinator,
  {
    /** Where the group's coordinator is; the first call makes `__consumer_offsets`. */
    readonly find: (groupId: string) => Effect.Effect<CoordinatorLocation>
    /**
     * Asks the group's machine. Completes when its records are committed, or for a parked JoinGroup or SyncGroup when the
     * group has got so far. Refusals are answers: NOT_COORDINATOR, COORDINATOR_LOAD_IN_PROGRESS and the like.
     */
    readonly ask: <C extends GroupCommand & { readonly groupId: string }>(
      command: C
    ) => Effect.Effect<Extract<GroupResult, { readonly _tag: C["_tag"] }>>
    /** Of a classic group, or why there is none to describe. */
    readonly describe: (groupId: string) => Effect.Effect<Looked<GroupDescription | { readonly missing: string }>>
    /** Of a group of the consumer protocol; carries its own error when there is none. */
    readonly describeConsumer: (groupId: string) => Effect.Effect<Looked<ConsumerGroupDescription>>
    readonly list: (
      states: ReadonlyArray<string>,
      types: ReadonlyArray<string>
    ) => Effect.Effect<Looked<ReadonlyArray<GroupListing>>>
    /** `topics` null: everything that the group has committed. A member of the consumer protocol says who it is. */
    readonly fetchOffsets: (
      groupId: string,
      topics: ReadonlyArray<OffsetsOfTopic> | null,
      requireStable: boolean,
      reader?: OffsetReader
    ) => Effect.Effect<Looked<ReadonlyArray<FetchedTopic>>>
    /** The unique part of a new member's id. */
    readonly uuid: () => string
    /** The same in Kafka's text form, which is the whole id of a member of the consumer protocol. */
    readonly kafkaUuid: () => string
    /** Requests that wait for an answer; zero when idle. */
    readonly waiting: () => number
  }
>()("chronik/GroupCoordinator") {
  static readonly layer: Layer.Layer<GroupCoordinator, never, MetadataStore | Partitions | Deadlines | NodeConfig> =
    Layer.effect(
      GroupCoordinator,
      Effect.suspend(() => make)
    )
}

/** What of the broker's configuration groups obey. */
export const groupConfig = (broker: BrokerConfig): GroupConfig => ({
  initialRebalanceDelayMs: broker.integer("group.initial.rebalance.delay.ms"),
  sessionTimeoutMsMin: broker.integer("group.min.session.timeout.ms"),
  sessionTimeoutMsMax: broker.integer("group.max.session.timeout.ms"),
  membersMax: broker.integer("group.max.size"),
  offsetMetadataBytesMax: broker.integer("offset.metadata.max.bytes"),
  offsetsRetentionMs: broker.integer("offsets.retention.minutes") * 60_000
})

const groupKind = (
  metadata: MetadataStore["Service"],
  expressions: RegularExpressions
): CoordinatorKind<GroupMachine, GroupCommand, GroupRecord, GroupResult> => ({
  makeMachine: () => new GroupMachine(groupConfig(metadata.brokerConfig()), groupEnvironment(metadata, expressions)),
  prepare: (machine) => (usesRegularExpressions(machine) ? expressions.load : Effect.void),
  encode: encodeGroupRecord,
  decode: decodeGroupRecord,
  refusal
})

const make = Effect.gen(function* () {
  const metadata = yield* MetadataStore
  const deadlines = yield* Deadlines
  const random = yield* Random.Random
  const expressions = makeRegularExpressions()
  const runtime = yield* makeCoordinatorRuntime(offsetsTopic(metadata), groupKind(metadata, expressions))

  const everywhere = (command: GroupCommand) => {
    for (const shard of runtime.shards()) shard.tell(command)
  }
  yield* expirePeriodically(metadata, deadlines, () => everywhere({ _tag: "ExpireOffsets" }))
  const unsubscribe = metadata.subscribe(({ topicsCreated, topicsDeleted, partitionsAdded }) => {
    if (topicsDeleted.length > 0) everywhere({ _tag: "TopicsDeleted", topics: topicsDeleted.map(({ name }) => name) })
    if (topicsCreated.length + topicsDeleted.length + partitionsAdded.length > 0) everywhere({ _tag: "TopicsChanged" })
  })
  yield* Effect.addFinalizer(() => Effect.sync(unsubscribe))

  const bytes = () => Uint8Array.from({ length: 16 }, () => Math.floor(random.nextDoubleUnsafe() * 256))

  const look = <A>(groupId: string, view: (machine: GroupMachine) => A): Effect.Effect<Looked<A>> =>
    Effect.suspend(() => {
      const shard = runtime.shardOf(groupId)
      if (typeof shard === "number") return Effect.succeed(unseen(shard))
      return shard.read<Looked<A>>((machine) => ({ errorCode: ErrorCode.NONE, value: view(machine) }), unseen)
    })

  return GroupCoordinator.of({
    find: (groupId) => Effect.map(runtime.ready, (errorCode) => locate(metadata, errorCode, runtime.leaderOf(groupId))),
    ask: (command) =>
      Effect.suspend(() => {
        const shard = runtime.shardOf(command.groupId)
        if (typeof shard === "number") return Effect.succeed(refusal(command, shard))
        const ask = shard.ask(command)
        return bringsRegularExpression(command) ? Effect.andThen(expressions.load, ask) : ask
      }) as Effect.Effect<never>,
    describe: (groupId) =>
      look(groupId, (machine) => describeGroup(machine, groupId) ?? { missing: noClassicGroup(machine, groupId) }),
    describeConsumer: (groupId) => look(groupId, (machine) => describeConsumerGroup(machine, groupId)),
    list: (states, types) =>
      Effect.gen(function* () {
        const groups: Array<GroupListing> = []
        for (const shard of runtime.shards()) {
          const listed = yield* shard.read<Looked<ReadonlyArray<GroupListing>>>(
            (machine) => ({ errorCode: ErrorCode.NONE, value: listGroups(machine, states, types) }),
            unseen
          )
          // Half a list would look like deleted groups.
          if (listed.value === undefined) return listed
          for (const group of listed.value) groups.push(group)
        }
        return { errorCode: ErrorCode.NONE, value: groups }
      }),
    fetchOffsets: (groupId, topics, requireStable, reader = NO_MEMBER) =>
      Effect.map(
        look(groupId, (machine) => {
          const refused = validateOffsetFetch(machine, groupId, reader.memberId, reader.memberEpoch)
          return refused === ErrorCode.NONE ? fetchOffsets(machine, groupId, topics, requireStable) : refused
        }),
        (looked) => (typeof looked.value === "number" ? unseen(looked.value) : (looked as Looked<never>))
      ),
    uuid: () => memberUuid(bytes()),
    kafkaUuid: () => uuidFromBytes(bytes(), 0),
    waiting: () => runtime.shards().reduce((sum, shard) => sum + shard.waiting, 0)
  })
})

const NO_MEMBER: OffsetReader = { memberId: null, memberEpoch: -1 }

const bringsRegularExpression = (command: GroupCommand): boolean =>
  command._tag === "ConsumerHeartbeat" && command.subscribedTopicRegex !== null && command.subscribedTopicRegex !== ""

const usesRegularExpressions = (machine: GroupMachine): boolean => {
  for (const { group } of machine.groups.values()) {
    if (group.type === "consumer" && group.subscribedRegexes.size > 0) return true
  }
  return false
}

const unseen = (errorCode: ErrorCode): Looked<never> => ({
  errorCode: errorCode === ErrorCode.NONE ? ErrorCode.UNKNOWN_SERVER_ERROR : errorCode
})

const offsetsTopic = (metadata: MetadataStore["Service"]) => ({
  name: OFFSETS_TOPIC,
  request: () => {
    const broker = metadata.brokerConfig()
    return {
      name: OFFSETS_TOPIC,
      numPartitions: broker.integer("offsets.topic.num.partitions"),
      replicationFactor: broker.integer("offsets.topic.replication.factor"),
      assignments: [],
      configs: [
        { name: "cleanup.policy", value: "compact" },
        { name: "compression.type", value: "producer" },
        { name: "segment.bytes", value: broker.text("offsets.topic.segment.bytes") ?? null }
      ]
    }
  }
})

const locate = (metadata: MetadataStore["Service"], errorCode: ErrorCode, leader: number): CoordinatorLocation => {
  const broker = liveBrokerViews(metadata.image()).find(({ nodeId }) => nodeId === leader)
  if (errorCode !== ErrorCode.NONE || broker === undefined) {
    return { errorCode: ErrorCode.COORDINATOR_NOT_AVAILABLE, nodeId: -1, host: "", port: -1 }
  }
  return { errorCode, nodeId: broker.nodeId, host: broker.endpoint.host, port: broker.endpoint.port }
}

/** One deadline for all groups of the node, set anew each time with the interval as it then is. */
const expirePeriodically = Effect.fnUntraced(function* (
  metadata: MetadataStore["Service"],
  deadlines: Deadlines["Service"],
  expire: () => void
) {
  const interval = () => metadata.brokerConfig().integer("offsets.retention.check.interval.ms")
  const round = () => {
    expire()
    next = deadlines.add(interval(), round)
  }
  let next = deadlines.add(interval(), round)
  yield* Effect.addFinalizer(() => Effect.sync(() => deadlines.remove(next)))
})
