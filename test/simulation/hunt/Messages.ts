/** What a hunt and its child processes say to each other. */
import type { RunResult } from "../kernel/RunResult.ts"
import type { Job } from "./Jobs.ts"

/** Run in order, each answered by a `Finished`, until the last one or, if so wished, the first that fails. */
export interface ToWorker {
  readonly jobs: ReadonlyArray<Job>
  readonly stopAtFailure: boolean
}

export interface Finished {
  readonly _tag: "Finished"
  readonly result: RunResult
  /** Real time. */
  readonly tookMs: number
}

export type FromWorker =
  /** The world is loaded; `planted`: whether the mutation it was started with is in it. */
  { readonly _tag: "Ready"; readonly planted: boolean } | Finished
