/**
 * What travels in a partition's mailbox for an append, and how its outcome comes back.
 *
 * One `Append` is one record batch for one partition. It is also its own waiter: the partition keeps it, ordered by end
 * offset, until the offset is durable (acks=1) or committed (acks=all), and then calls `waiter.appended` exactly once,
 * with success or with an error code. That call is the one exit point of every append, whatever its acks.
 *
 * **Bytes** the batch lies in memory that the waiter owns (a receive slab, or a coordinator's buffer). The partition copies
 * it once, into the commit ring, and calls `waiter.copied` right after: from then on the memory may be reused.
 */
import { ErrorCode } from "@chronik-effect/core/model/ErrorCode.ts"
import { Data, Deferred, type Effect, Exit } from "effect"

/** Receives what became of an append. Called on the partition's or the batch proposer's fiber: must not throw or block. */
export interface AppendWaiter {
  /** The batch's bytes are in the commit ring or were refused: its memory is no longer needed. */
  readonly copied: (append: Append) => void
  /** Final. With `NONE`, `append.baseOffset` is where the batch lies (for a duplicate: where the original lies). */
  readonly appended: (append: Append, errorCode: ErrorCode) => void
}

export class Append {
  readonly _tag = "Append"
  readonly waiter: AppendWaiter
  /** Which of the waiter's appends this is: the waiter's own object. */
  readonly tag: unknown
  readonly bytes: Uint8Array
  readonly start: number
  readonly end: number
  /** 0, 1 or -1 as in the Kafka protocol. */
  readonly acks: number
  /** First offset of the batch in the log; -1 until assigned. */
  baseOffset = -1
  /** Offset at which the append is complete. Exclusive. */
  endOffset = -1
  appendedMicros = 0
  /** Where it was appended. */
  stream = 0

  constructor(waiter: AppendWaiter, tag: unknown, bytes: Uint8Array, start: number, end: number, acks: number) {
    this.waiter = waiter
    this.tag = tag
    this.bytes = bytes
    this.start = start
    this.end = end
    this.acks = acks
  }
}

/** An append that the broker itself asked for was not committed. `errorCode` is what a client would have been told. */
export class AppendFailed extends Data.TaggedError("AppendFailed")<{ readonly errorCode: ErrorCode }> {
  override get message() {
    return `the append was refused or not committed (error code ${this.errorCode})`
  }
}

/** A waiter for one append of the broker itself: a Deferred that holds the base offset. */
export class DeferredAppend implements AppendWaiter {
  readonly #deferred = Deferred.makeUnsafe<number, AppendFailed>()
  readonly await: Effect.Effect<number, AppendFailed> = Deferred.await(this.#deferred)

  copied(): void {}

  appended(append: Append, errorCode: ErrorCode): void {
    Deferred.doneUnsafe(
      this.#deferred,
      errorCode === ErrorCode.NONE ? Exit.succeed(append.baseOffset) : Exit.fail(new AppendFailed({ errorCode }))
    )
  }
}
