/**
 * Control batches: the markers that end a transaction in a partition's log.
 *
 * A control batch holds one record whose key says what it is; consumers skip it but its offset counts.
 * ```
 * key = version int16, type int16          end-of-transaction value = version int16, coordinatorEpoch int32
 * ```
 * The other types belong to Kafka's metadata quorum and are only named here.
 */
import { readInt16, readInt32, writeInt16, writeInt32 } from "../base/Bytes.ts"
import { buildBatch } from "./BatchBuilder.ts"
import * as RecordBatch from "./RecordBatch.ts"
import { RecordReader } from "./Records.ts"

export const ControlType = {
  ABORT: 0,
  COMMIT: 1,
  LEADER_CHANGE: 2,
  SNAPSHOT_HEADER: 3,
  SNAPSHOT_FOOTER: 4,
  KRAFT_VERSION: 5,
  KRAFT_VOTERS: 6
} as const
export type ControlType = (typeof ControlType)[keyof typeof ControlType]

const KEY_BYTES = 4
const MARKER_BYTES = 6

export interface TransactionMarker {
  readonly producerId: number
  readonly producerEpoch: number
  readonly committed: boolean
  readonly coordinatorEpoch: number
  /** Milliseconds. */
  readonly timestamp: number
}

/** A whole batch of one marker, at base offset 0 until the partition gives it its place. */
export function buildMarkerBatch(marker: TransactionMarker, partitionLeaderEpoch = -1): Uint8Array {
  const key = new Uint8Array(KEY_BYTES)
  writeInt16(key, 2, marker.committed ? ControlType.COMMIT : ControlType.ABORT)
  const value = new Uint8Array(MARKER_BYTES)
  writeInt32(value, 2, marker.coordinatorEpoch)
  return buildBatch([{ key, value, timestamp: marker.timestamp }], {
    partitionLeaderEpoch,
    producerId: marker.producerId,
    producerEpoch: marker.producerEpoch,
    transactional: true,
    control: true
  })
}

/** The type in a control record's key; undefined when the key is too short. Unknown (newer) types are passed on. */
export function controlType(key: Uint8Array | null): number | undefined {
  return key === null || key.length < KEY_BYTES ? undefined : readInt16(key, 2)
}

/** The marker in the control batch at `bytes[pos]`; undefined when it is not a well-formed end of a transaction. */
export function readMarker(bytes: Uint8Array, pos: number): TransactionMarker | undefined {
  if (!RecordBatch.isControl(bytes, pos) || RecordBatch.codecId(bytes, pos) !== RecordBatch.Codec.NONE) return undefined
  const end = pos + RecordBatch.sizeInBytes(bytes, pos)
  const reader = new RecordReader(bytes, pos, bytes, pos + RecordBatch.RECORDS_AT, end)
  if (!reader.next()) return undefined
  const type = controlType(reader.key())
  const value = reader.value()
  if ((type !== ControlType.ABORT && type !== ControlType.COMMIT) || value === null || value.length < MARKER_BYTES) {
    return undefined
  }
  return {
    producerId: RecordBatch.producerId(bytes, pos),
    producerEpoch: RecordBatch.producerEpoch(bytes, pos),
    committed: type === ControlType.COMMIT,
    coordinatorEpoch: readInt32(value, 2),
    timestamp: reader.timestamp
  }
}
