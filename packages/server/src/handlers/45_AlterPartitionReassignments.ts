/**
 * AlterPartitionReassignments (key 45): give partitions other replicas, or stop doing so (null replicas).
 *
 * Versions: 1 `allowReplicationFactorChange`.
 *
 * A node on its own holds the only replica of everything: asking for what is there is answered with NONE, cancelling with
 * NO_REASSIGNMENT_IN_PROGRESS, and every other set names a broker that does not exist. It moves no replicas; a set that
 * would need that is refused, not forgotten.
 * @see KIP-455, KIP-860
 */
import type { MetadataImage, PartitionImage } from "@chronik-effect/core/metadata/MetadataImage.ts"
import { ErrorCode } from "@chronik-effect/core/model/ErrorCode.ts"
import {
  AlterPartitionReassignmentsApi,
  type AlterPartitionReassignmentsRequest,
  type AlterPartitionReassignmentsResponse
} from "@chronik-effect/core/protocol/messages/45_AlterPartitionReassignments.ts"
import { Effect } from "effect"
import { MetadataStore } from "../metadata/MetadataStore.ts"
import type { Handler } from "./Handler.ts"

interface Verdict {
  readonly errorCode: ErrorCode
  readonly errorMessage: string | null
}

export const make = Effect.gen(function* () {
  const store = yield* MetadataStore
  const handler: Handler<AlterPartitionReassignmentsRequest, AlterPartitionReassignmentsResponse> = {
    api: AlterPartitionReassignmentsApi,
    handle: ({ topics, allowReplicationFactorChange }, { apiVersion }) =>
      Effect.sync(() => {
        const image = store.image()
        const mayChangeFactor = apiVersion < 1 || allowReplicationFactorChange
        return {
          throttleTimeMs: 0,
          allowReplicationFactorChange: mayChangeFactor,
          errorCode: ErrorCode.NONE,
          errorMessage: null,
          responses: topics.map(({ name, partitions }) => ({
            name,
            partitions: partitions.map(({ partitionIndex, replicas }) => ({
              partitionIndex,
              ...judge(image, name, partitionIndex, replicas, mayChangeFactor)
            }))
          }))
        }
      })
  }
  return handler
})

const NONE: Verdict = { errorCode: ErrorCode.NONE, errorMessage: null }
const refused = (errorCode: ErrorCode, errorMessage: string): Verdict => ({ errorCode, errorMessage })

const judge = (
  image: MetadataImage,
  topic: string,
  number: number,
  replicas: ReadonlyArray<number> | null,
  mayChangeFactor: boolean
): Verdict => {
  const found = image.topic(topic)
  if (found === undefined) return refused(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, `There is no topic '${topic}'.`)
  const partition = found.partitions[number]
  if (partition === undefined) {
    return refused(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, `The topic '${topic}' has no partition ${number}.`)
  }
  if (replicas === null) {
    return isMoving(partition) ? NOT_HERE : refused(ErrorCode.NO_REASSIGNMENT_IN_PROGRESS, "It has no reassignment.")
  }
  return invalid(image, replicas) ?? change(partition, replicas, mayChangeFactor)
}

const invalid = (image: MetadataImage, replicas: ReadonlyArray<number>): Verdict | undefined => {
  if (replicas.length === 0) return refused(ErrorCode.INVALID_REPLICA_ASSIGNMENT, "The list of replicas is empty.")
  const twice = replicas.find((node, i) => replicas.indexOf(node) !== i)
  if (twice !== undefined) {
    return refused(ErrorCode.INVALID_REPLICA_ASSIGNMENT, `The list of replicas names broker ${twice} twice.`)
  }
  const unknown = replicas.find((node) => !image.brokers.has(node))
  if (unknown === undefined) return undefined
  return refused(
    ErrorCode.INVALID_REPLICA_ASSIGNMENT,
    `The list of replicas names broker ${unknown}, which does not exist.`
  )
}

const change = (partition: PartitionImage, replicas: ReadonlyArray<number>, mayChangeFactor: boolean): Verdict => {
  const now = isMoving(partition) ? partition.target : partition.replicas
  if (!mayChangeFactor && replicas.length !== now.length) {
    return refused(
      ErrorCode.INVALID_REPLICATION_FACTOR,
      `The partition has ${now.length} replicas, ${replicas.length} are asked for, and the request forbids that change.`
    )
  }
  return replicas.length === now.length && replicas.every((node, i) => node === now[i]) ? NONE : NOT_HERE
}

const isMoving = ({ target }: PartitionImage): boolean => target.length > 0

const NOT_HERE = refused(ErrorCode.INVALID_REQUEST, "This node does not move replicas: it is not part of a cluster.")
