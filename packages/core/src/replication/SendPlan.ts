/** What a leader would send next to one follower: made by `planSend`, which changes nothing, and carried out by `confirmSend`. */
import type { Marker } from "./Frame.ts"
import type { Point } from "./Point.ts"

export interface SendPlan {
  readonly node: number
  readonly epoch: number
  /** The frame continues this place. */
  readonly previous: Point
  /** Markers up to `limit`; the frame takes those at or before the offset that the shell could read to. */
  readonly markers: ReadonlyArray<Marker>
  /** Read whole batches from here, */
  readonly from: number
  /** to at most here, */
  readonly limit: number
  /** of at most so many bytes (the first batch whole in any case). */
  readonly maxBytes: number
  /** The frame begins at the log start: the shell gives the state that follows from what was before it. */
  readonly atStart: boolean
  /** `from` is below the tail: settled segment files up to `limit`. */
  readonly bulk: boolean
  /** Nothing to read: the frame carries markers at `from` and the watermarks. */
  readonly watermarkOnly: boolean
}
