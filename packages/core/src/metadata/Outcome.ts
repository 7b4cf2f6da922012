/** What applying one command does, as the modules of `replay` hand it to each other. */
import { EMPTY_DELTA, type MetadataDelta } from "./MetadataDelta.ts"
import type { CommandResult, MetadataFields } from "./MetadataImage.ts"

export interface Outcome {
  /** The fields that change. */
  readonly fields: Partial<MetadataFields>
  readonly delta: MetadataDelta
  readonly result: CommandResult
}

export const APPLIED: CommandResult = { _tag: "Applied" }

export const rejected = (errorCode: number, message: string): Outcome => ({
  fields: {},
  delta: EMPTY_DELTA,
  result: { _tag: "Rejected", errorCode, message }
})
