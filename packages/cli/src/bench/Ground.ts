/**
 * The ground a run stands on: its topic, where the partitions end before it begins, and connections of its own.
 *
 * A topic of the run's own is deleted when the scope closes, also after a failure or an interrupt.
 */
import * as Admin from "@chronik-effect/server/client/kafka/Admin.ts"
import type { ClientError } from "@chronik-effect/server/client/kafka/ClientError.ts"
import { type KafkaClient, retrying } from "@chronik-effect/server/client/kafka/KafkaClient.ts"
import { initProducerId, type ProduceLane, produceLane } from "@chronik-effect/server/client/kafka/Produce.ts"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { BatchSource } from "./Content.ts"
import type { Ledger } from "./Ledger.ts"
import type { Plan } from "./Plan.ts"

export interface Ground {
  readonly client: KafkaClient
  readonly topic: string
  readonly topicId: string
  /** The topic existed before: it may hold records of others, and stays. */
  readonly borrowed: boolean
  /** Where each partition begins. */
  readonly firstOffsets: ReadonlyArray<number>
  /** End offset of each partition when the run began. */
  readonly startOffsets: ReadonlyArray<number>
}

/** One connection that produces to one partition. */
export interface Lane {
  readonly index: number
  readonly partition: number
  readonly sink: ProduceLane
  readonly source: BatchSource
}

/** Connections that are opened at the same time. */
const CONNECT_CONCURRENCY = 32

export const prepareGround = (
  client: KafkaClient,
  plan: Plan,
  ownName: string
): Effect.Effect<Ground, ClientError, Scope.Scope> =>
  Effect.gen(function* () {
    const borrowed = plan.topic !== undefined
    const name = plan.topic ?? ownName
    if (!borrowed) {
      const { partitions, replicationFactor } = plan
      yield* Effect.acquireRelease(Admin.createTopic(client, { name, partitions, replicationFactor }), () =>
        Effect.ignore(Admin.deleteTopic(client, name))
      )
    }
    // Fresh each time: a cluster may need a moment until every partition has a leader.
    const topic = yield* retrying(client.timeoutMs, () => client.topic(name, true))
    const partitions = topic.partitions.map((_, partition) => partition)
    const offsets = (timestamp: number) =>
      Effect.forEach(partitions, (partition) => Admin.listOffset(client, name, partition, timestamp), {
        concurrency: CONNECT_CONCURRENCY
      })
    const firstOffsets = yield* offsets(Admin.EARLIEST)
    const startOffsets = yield* offsets(Admin.LATEST)
    return { client, topic: name, topicId: topic.topicId, borrowed, firstOffsets, startOffsets }
  })

/** `count` lanes over the partitions in turn, each on its own connection to its leader. */
export const openLanes = (
  ground: Ground,
  plan: Plan,
  ledger: Ledger,
  count: number,
  recordsPerBatch: number
): Effect.Effect<ReadonlyArray<Lane>, ClientError, Scope.Scope> => {
  const { client, topic, topicId, startOffsets } = ground
  const open = (partition: number) =>
    Effect.gen(function* () {
      const index = ledger.openLane(partition)
      const connection = yield* client.dedicated(yield* client.leaderAddress(topic, partition))
      const sink = yield* produceLane(connection, { topic, topicId, partition }, plan.acks, client.timeoutMs)
      const source = new BatchSource(plan, ledger.tag, index, recordsPerBatch)
      if (plan.idempotent) source.identify(yield* initProducerId(client))
      return { index, partition, sink, source }
    })
  const partitions = Array.from({ length: count }, (_, i) => i % startOffsets.length)
  return Effect.forEach(partitions, open, { concurrency: CONNECT_CONCURRENCY })
}
