/**
 * The answer to a fetch, made of looks: which partitions it names, and in what pieces their records go out.
 *
 * **Bytes** answers are views of the commit ring or of pooled read buffers, pinned by leases that the connection releases
 * when the kernel has taken them. Runs of small batches are copied into one piece instead: a system call that gathers a
 * thousand slices costs more than the copy. So is an answer that would keep much larger buffers from their pool while others
 * wait for one: a reader that takes nothing costs the bytes that it asked for, not the buffers that they were read into.
 * @see KIP-227 (what an incremental answer names)
 */
import { ErrorCode } from "@chronik-effect/core/model/ErrorCode.ts"
import type { Partially } from "@chronik-effect/core/protocol/Descriptor.ts"
import type { FetchResponse } from "@chronik-effect/core/protocol/messages/01_Fetch.ts"
import { RecordSlices } from "@chronik-effect/core/protocol/RecordSlices.ts"
import type { Lease } from "../network/RequestHandler.ts"
import type { Partition } from "../replication/Partition.ts"
import type { Read } from "../storage/PartitionStore.ts"
import { type Look, releaseLooks } from "./FetchLook.ts"
import type { FetchContext } from "./FetchSessions.ts"

type TopicAnswer = Partially<FetchResponse["responses"][number]>
type PartitionAnswer = NonNullable<TopicAnswer["partitions"]>[number]

/** Below this mean size the slices of an answer are copied into one piece. */
const GATHERED_SLICE_BYTES_MAX = 8 * 1024

export interface FetchAnswer {
  readonly responses: ReadonlyArray<TopicAnswer>
  /** Owned by whoever has the answer now. */
  readonly leases: ReadonlyArray<Lease>
  /** Of records. */
  readonly bytes: number
}

/** Takes over the leases of `looks`, and notes in the session what is told. */
export const answerWith = (looks: ReadonlyArray<Look>, context: FetchContext, committedOnly: boolean): FetchAnswer => {
  const leases: Array<Lease> = []
  let bytes = 0
  const topics = new Map<string, { topic: string; topicId: string; partitions: Array<PartitionAnswer> }>()
  for (const look of looks) {
    const { target, read } = look
    if (read !== undefined && read.bytes > 0) {
      bytes += read.bytes
      context.served(target)
    }
    if (context.incremental && !isNews(look)) {
      releaseLooks([look])
      continue
    }
    remember(look)
    let topic = topics.get(target.topic + target.topicId)
    if (topic === undefined) {
      topic = { topic: target.topic, topicId: target.topicId, partitions: [] }
      topics.set(target.topic + target.topicId, topic)
    }
    topic.partitions.push(answerOf(look, recordsOf(look, leases), committedOnly))
  }
  return { responses: [...topics.values()], leases, bytes }
}

/** KIP-227: what an incremental answer must name. An error is news each time, and so is its end. */
const isNews = ({ target, errorCode, diverging, read, partition }: Look): boolean =>
  errorCode !== ErrorCode.NONE ||
  target.toldError ||
  diverging !== undefined ||
  (read !== undefined && read.bytes > 0) ||
  (partition !== undefined &&
    (partition.highWatermark !== target.toldHighWatermark || partition.logStartOffset !== target.toldLogStartOffset))

const remember = ({ target, errorCode, partition }: Look): void => {
  target.toldError = errorCode !== ErrorCode.NONE
  target.toldHighWatermark = partition?.highWatermark ?? -1
  target.toldLogStartOffset = partition?.logStartOffset ?? -1
}

/** The records as they go into the answer. Leases that these need are added to `leases`, all others end here. */
const recordsOf = ({ partition, read }: Look, leases: Array<Lease>): Uint8Array | RecordSlices => {
  if (read === undefined || partition === undefined) return EMPTY
  const { slices } = read
  const scattered = slices.length !== 1 && read.bytes / Math.max(1, slices.length) <= GATHERED_SLICE_BYTES_MAX
  if (!scattered && !pinsTooMuch(read, partition)) {
    leases.push(...read.leases)
    return slices.length === 1 ? slices[0]! : new RecordSlices(slices)
  }
  const whole = Buffer.allocUnsafe(read.bytes)
  let at = 0
  for (const slice of slices) {
    whole.set(slice, at)
    at += slice.length
  }
  for (const lease of read.leases) lease.release()
  return whole
}

/** Whether the answer would fill less than half of the buffers that it keeps, and half of the pool is out already. */
const pinsTooMuch = (read: Read, partition: Partition): boolean =>
  partition.store.context.buffers.scarce && read.bytes < read.pinnedBytes / 2

const EMPTY = new Uint8Array(0)

const answerOf = (look: Look, records: Uint8Array | RecordSlices, committedOnly: boolean): PartitionAnswer => {
  const { target, errorCode, partition, diverging } = look
  const known = partition !== undefined && errorCode === ErrorCode.NONE
  return {
    partitionIndex: target.partition,
    errorCode,
    highWatermark: known ? partition.highWatermark : -1,
    lastStableOffset: known ? partition.lastStableOffset : -1,
    logStartOffset: known ? partition.logStartOffset : -1,
    divergingEpoch: diverging,
    // As Kafka: a partition that is not here has none, one that gives no records says nothing of them.
    abortedTransactions: partition === undefined || (committedOnly && known && diverging === undefined) ? [] : null,
    preferredReadReplica: -1,
    records
  }
}
