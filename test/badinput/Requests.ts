/**
 * Requests that the tests of this folder send again and again, each as short as its test wants to read it.
 */
import { ErrorCode } from "@chronik-effect/core/model/ErrorCode.ts"
import type { Partially } from "@chronik-effect/core/protocol/Message.ts"
import { ProduceApi, type ProduceResponse } from "@chronik-effect/core/protocol/messages/00_Produce.ts"
import { FetchApi, type FetchRequest, type FetchResponse } from "@chronik-effect/core/protocol/messages/01_Fetch.ts"
import { ListOffsetsApi } from "@chronik-effect/core/protocol/messages/02_ListOffsets.ts"
import { CreateTopicsApi } from "@chronik-effect/core/protocol/messages/19_CreateTopics.ts"
import { DeleteTopicsApi } from "@chronik-effect/core/protocol/messages/20_DeleteTopics.ts"
import { type BatchOptions, buildBatch, type RecordInput } from "@chronik-effect/core/record/BatchBuilder.ts"
import * as RecordBatch from "@chronik-effect/core/record/RecordBatch.ts"
import type { Peer } from "./Peer.ts"

export interface Topic {
  readonly name: string
  readonly topicId: string
}

/** An int64 beyond 2^53: the fields are typed as number, and their writer takes a bigint too. */
export const int64 = (value: bigint): number => value as unknown as number

export const utf8 = (text: string): Uint8Array => Buffer.from(text)

export const createTopic = async (
  peer: Peer,
  name: string,
  configs: Readonly<Record<string, string>> = {},
  partitions = 1
): Promise<Topic> => {
  const answer = await peer.call(CreateTopicsApi, 7, {
    topics: [
      {
        name,
        numPartitions: partitions,
        replicationFactor: -1,
        assignments: [],
        configs: Object.entries(configs).map(([key, value]) => ({ name: key, value }))
      }
    ],
    timeoutMs: 10_000
  })
  const created = answer.topics[0]!
  if (created.errorCode !== ErrorCode.NONE) throw new Error(`${name}: ${created.errorCode} ${created.errorMessage}`)
  return { name, topicId: created.topicId }
}

export const deleteTopic = async (peer: Peer, { topicId }: Topic): Promise<void> => {
  const answer = await peer.call(DeleteTopicsApi, 6, { topics: [{ topicId, name: null }], timeoutMs: 10_000 })
  const { errorCode } = answer.responses[0]!
  if (errorCode !== ErrorCode.NONE) throw new Error(`deleting ${topicId}: ${errorCode}`)
}

export const NOW = Date.now()

/** A batch of one record a value, each with the key "k". */
export const batchOf = (values: ReadonlyArray<string>, options: BatchOptions = {}): Uint8Array =>
  buildBatch(
    values.map((value): RecordInput => ({ timestamp: NOW, key: utf8("k"), value: utf8(value) })),
    options
  )

/** `batch` with other bytes at a place of its header, and the CRC that belongs to them. */
export const patched = (batch: Uint8Array, patch: (view: DataView) => void): Uint8Array => {
  const bytes = batch.slice()
  patch(new DataView(bytes.buffer))
  RecordBatch.updateCrc(bytes, 0)
  return bytes
}

/** A batch of an idempotent producer. */
export const sequenced = (producerId: number, baseSequence: number, records = 1, producerEpoch = 0): Uint8Array =>
  batchOf(
    Array.from({ length: records }, (_, i) => `${producerId}:${baseSequence + i}`),
    { producerId, producerEpoch, baseSequence }
  )

export type ProduceAnswer = ProduceResponse["responses"][number]["partitionResponses"][number]

export interface ProduceOptions {
  readonly version?: number
  readonly acks?: number
  readonly partition?: number
  readonly timeoutMs?: number
}

export const produceRequest = (topic: Topic, records: Uint8Array | null, options: ProduceOptions = {}) => ({
  acks: options.acks ?? -1,
  timeoutMs: options.timeoutMs ?? 10_000,
  topicData: [{ name: topic.name, topicId: topic.topicId, partitionData: [{ index: options.partition ?? 0, records }] }]
})

export const produce = async (
  peer: Peer,
  topic: Topic,
  records: Uint8Array | null,
  options: ProduceOptions = {}
): Promise<ProduceAnswer> => {
  const answer = await peer.call(ProduceApi, options.version ?? 12, produceRequest(topic, records, options))
  return answer.responses[0]!.partitionResponses[0]!
}

export type FetchAnswer = FetchResponse["responses"][number]["partitions"][number]

export interface FetchOptions {
  readonly version?: number
  readonly partition?: number
  readonly offset?: number
  readonly maxBytes?: number
  readonly partitionMaxBytes?: number
  readonly minBytes?: number
  readonly maxWaitMs?: number
  readonly currentLeaderEpoch?: number
  readonly lastFetchedEpoch?: number
  readonly isolationLevel?: number
  readonly sessionId?: number
  readonly sessionEpoch?: number
}

export const fetchRequest = (topics: ReadonlyArray<Topic>, options: FetchOptions = {}): Partially<FetchRequest> => ({
  maxWaitMs: options.maxWaitMs ?? 0,
  minBytes: options.minBytes ?? 1,
  maxBytes: options.maxBytes ?? 1 << 24,
  isolationLevel: options.isolationLevel ?? 0,
  sessionId: options.sessionId ?? 0,
  sessionEpoch: options.sessionEpoch ?? -1,
  topics: topics.map(({ name, topicId }) => ({
    topic: name,
    topicId,
    partitions: [
      {
        partition: options.partition ?? 0,
        currentLeaderEpoch: options.currentLeaderEpoch ?? -1,
        fetchOffset: options.offset ?? 0,
        lastFetchedEpoch: options.lastFetchedEpoch ?? -1,
        partitionMaxBytes: options.partitionMaxBytes ?? 1 << 24
      }
    ]
  }))
})

export const fetchOne = async (peer: Peer, topic: Topic, options: FetchOptions = {}): Promise<FetchAnswer> => {
  const answer = await peer.call(FetchApi, options.version ?? 16, fetchRequest([topic], options))
  return answer.responses[0]!.partitions[0]!
}

/** The batches in an answer, which must be whole and have the CRC that they claim. */
export const batchesIn = (answer: Pick<FetchAnswer, "records">): ReadonlyArray<Uint8Array> => {
  const records = answer.records ?? new Uint8Array(0)
  const batches: Array<Uint8Array> = []
  for (let at = 0; at < records.length; ) {
    const size = RecordBatch.sizeInBytes(records, at)
    if (at + size > records.length) throw new Error("an answer ends with a piece of a batch")
    if (!RecordBatch.verifyCrc(records, at)) throw new Error("an answer holds a batch with a wrong CRC")
    batches.push(records.slice(at, at + size))
    at += size
  }
  return batches
}

export const latestOffset = async (peer: Peer, topic: Topic, partition = 0): Promise<number> => {
  const answer = await peer.call(ListOffsetsApi, 7, {
    replicaId: -1,
    topics: [{ name: topic.name, partitions: [{ partitionIndex: partition, timestamp: -1 }] }]
  })
  return answer.topics[0]!.partitions[0]!.offset
}
