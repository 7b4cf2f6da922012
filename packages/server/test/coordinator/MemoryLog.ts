/** A coordinator's log in memory, whose appends can be held back or refused, and whose loading can be made slow. */
import { ErrorCode } from "@chronik-effect/core/model/ErrorCode.ts"
import { recordsCount, sizeInBytes } from "@chronik-effect/core/record/RecordBatch.ts"
import { Deferred, Effect, Exit } from "effect"
import { type CoordinatorLog, visitBatches } from "../../src/coordinator/CoordinatorLog.ts"
import { AppendFailed } from "../../src/replication/Append.ts"

export class MemoryLog implements CoordinatorLog {
  readonly name = "memory-0"
  readonly batches: Array<Uint8Array> = []
  bytesMax = 1024 * 1024
  refuseWith: ErrorCode = ErrorCode.NONE
  /** Appends that succeed before `refuseWith` begins. */
  #allowed = 0
  /** The next append is a defect. */
  dies = false
  /** While set, appends wait for it. */
  gate: Deferred.Deferred<void> | undefined
  loadMs = 0
  loads = 0

  batchBytesMax = () => this.bytesMax

  append = (batch: Uint8Array) =>
    Effect.suspend(() => {
      const gate = this.gate
      return Effect.andThen(
        gate === undefined ? Effect.void : Deferred.await(gate),
        Effect.suspend(() => {
          if (this.dies) {
            this.dies = false
            throw new Error("the log has a bug")
          }
          if (this.refuseWith !== ErrorCode.NONE && this.#allowed-- <= 0)
            return Effect.fail(new AppendFailed({ errorCode: this.refuseWith }))
          if (sizeInBytes(batch, 0) > this.bytesMax) throw new Error("the batch is larger than the log allows")
          this.batches.push(batch)
          return Effect.succeed(this.batches.length)
        })
      )
    })

  replay: CoordinatorLog["replay"] = (visit) =>
    Effect.suspend(() => {
      this.loads++
      const load = Effect.sync(() => {
        for (const batch of this.batches) visitBatches(this.name, batch, visit)
      })
      return this.loadMs === 0 ? load : Effect.delay(load, this.loadMs)
    })

  get records(): number {
    return this.batches.reduce((sum, batch) => sum + recordsCount(batch, 0), 0)
  }

  failAfter(appends: number, errorCode: ErrorCode): void {
    this.#allowed = appends
    this.refuseWith = errorCode
  }

  hold(): void {
    this.gate = Deferred.makeUnsafe<void>()
  }

  release(): void {
    const gate = this.gate
    this.gate = undefined
    if (gate !== undefined) Deferred.doneUnsafe(gate, Exit.void)
  }
}
