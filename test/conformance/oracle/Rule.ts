/**
 * One difference from Apache Kafka with its reason, and what such rules look at.
 */
import * as RecordBatch from "@chronik-effect/core/record/RecordBatch.ts"
import type { Difference, Value } from "./Compare.ts"

export interface Rule {
  /** An API's name, or "*" for all. */
  readonly api: string
  /** Inclusive; absent: all versions. */
  readonly versions?: readonly [number, number]
  /** Path of field names; "…[]" is an element that one side lacks; "(connection)" is answered or closed. */
  readonly path: string | RegExp
  /** What exactly is excused, in words for the document. */
  readonly what: string
  readonly when?: (difference: Difference, request: Value) => boolean
  readonly reason: string
}

/** What the script leaves out, because no rule could tell it from a mistake, or because Kafka's answer is not certain. */
export interface NotAsked {
  readonly what: string
  readonly reason: string
}

export const isEmpty = (value: unknown): boolean => value === null || value === undefined || value === ""

/** The code of the innermost struct around the field that has one. */
export const codeAround = ({ kafkaAround }: Difference): unknown =>
  kafkaAround.findLast((each) => "errorCode" in each)?.errorCode

export const asks = (request: Value, wanted: (struct: Value) => boolean): boolean => {
  if (wanted(request)) return true
  return Object.values(request)
    .flatMap((value) => (Array.isArray(value) ? value : [value]))
    .some((value) => typeof value === "object" && value !== null && !ArrayBuffer.isView(value) && asks(value, wanted))
}

/** The records of a Produce request, as views of their header. */
export const sentBatches = (request: Value): ReadonlyArray<DataView> => {
  const topics = request.topicData as ReadonlyArray<{ partitionData: ReadonlyArray<{ records: Uint8Array | null }> }>
  return topics
    .flatMap(({ partitionData }) => partitionData.map(({ records }) => records))
    .filter((records): records is Uint8Array => records !== null && records.length >= RecordBatch.HEADER_BYTES)
    .map((records) => new DataView(records.buffer, records.byteOffset, records.length))
}

export const attributesOf = (batch: DataView): number => batch.getInt16(RecordBatch.ATTRIBUTES_AT)
