/**
 * What can go wrong for a client, in one type: each with a sentence, and whether the same call may succeed a little later.
 */
import { errorName } from "@chronik-effect/core/model/ErrorCode.ts"
import * as Data from "effect/Data"

export type ClientErrorKind =
  /** No connection could be made. */
  | "connect"
  /** The connection broke while an answer was awaited: the request may have been executed. */
  | "closed"
  | "timeout"
  /** The broker does not offer the API, or no version that this client speaks. */
  | "unsupported"
  /** The broker answered with an error code. */
  | "broker"
  /** The broker's answer does not follow the protocol, or its data fails a check. */
  | "protocol"

export class ClientError extends Data.TaggedError("ClientError")<{
  readonly kind: ClientErrorKind
  readonly message: string
  readonly retriable: boolean
  /** Kafka's error code when `kind` is `broker`, otherwise 0. */
  readonly code: number
}> {}

/** Codes after which new metadata or a little patience helps. */
const RETRIABLE_NAMES: ReadonlySet<string> = new Set([
  "UNKNOWN_TOPIC_OR_PARTITION",
  "LEADER_NOT_AVAILABLE",
  "NOT_LEADER_OR_FOLLOWER",
  "REQUEST_TIMED_OUT",
  "REPLICA_NOT_AVAILABLE",
  "NETWORK_EXCEPTION",
  "COORDINATOR_LOAD_IN_PROGRESS",
  "COORDINATOR_NOT_AVAILABLE",
  "NOT_COORDINATOR",
  "NOT_ENOUGH_REPLICAS",
  "NOT_ENOUGH_REPLICAS_AFTER_APPEND",
  "NOT_CONTROLLER",
  "KAFKA_STORAGE_ERROR",
  "FENCED_LEADER_EPOCH",
  "UNKNOWN_LEADER_EPOCH",
  "OFFSET_NOT_AVAILABLE",
  "UNKNOWN_TOPIC_ID",
  "THROTTLING_QUOTA_EXCEEDED"
])

export const brokerError = (code: number, what: string, detail?: string | null): ClientError => {
  const name = errorName(code)
  return new ClientError({
    kind: "broker",
    code,
    retriable: RETRIABLE_NAMES.has(name),
    message: `${what}: the broker answers ${name} (${code})${detail ? `: ${detail}` : ""}`
  })
}

export const clientError = (kind: Exclude<ClientErrorKind, "broker">, message: string): ClientError =>
  new ClientError({ kind, message, code: 0, retriable: kind === "connect" || kind === "closed" || kind === "timeout" })

/** The same error where asking again would not help. */
export const notRetriable = (error: ClientError): ClientError =>
  new ClientError({ kind: error.kind, message: error.message, code: error.code, retriable: false })
