/**
 * Small data of transactions inside the log: the type (key) and value of a control record, and an entry of the index of
 * aborted transactions. Each has its version, int16, in front.
 */
import { int16, int32, int64, message, type TypeOf } from "../Descriptor.ts"

export const EndTxnMarker = message(
  "EndTxnMarker",
  { versions: "0", flexible: "none" },
  {
    coordinatorEpoch: int32("0+")
  }
)
export type EndTxnMarker = TypeOf<typeof EndTxnMarker>

export const ControlRecordTypeSchema = message(
  "ControlRecordTypeSchema",
  { versions: "0", flexible: "none" },
  {
    type: int16("0+")
  }
)
export type ControlRecordTypeSchema = TypeOf<typeof ControlRecordTypeSchema>

export const AbortedTxn = message(
  "AbortedTxn",
  { versions: "0", flexible: "none" },
  {
    producerId: int64("0+"),
    firstOffset: int64("0+"),
    lastOffset: int64("0+"),
    lastStableOffset: int64("0+")
  }
)
export type AbortedTxn = TypeOf<typeof AbortedTxn>
