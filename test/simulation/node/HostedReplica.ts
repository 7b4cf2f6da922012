/** One replica on a simulated node: its machine, its batches, and those who wait for it. */
import type { PartitionReport } from "../../../packages/core/src/controller/Messages.ts"
import { ErrorCode } from "../../../packages/core/src/model/ErrorCode.ts"
import type { Replica } from "../../../packages/core/src/replication/Replica.ts"
import type { SimBatch } from "../World.ts"
import type { PartitionLog } from "./PartitionLog.ts"

export interface ProduceAnswer {
  readonly errorCode: ErrorCode
  readonly baseOffset: number
  readonly epoch: number
}

/** Who waits for a place in the log to be committed. Never for an offset alone (rule 5). */
interface Waiter {
  readonly expiresMs: number
  readonly epoch: number
  readonly endOffset: number
  readonly answer: (errorCode: ErrorCode) => void
}

export class HostedReplica {
  readonly replica: Replica<SimBatch>
  readonly log: PartitionLog
  highWatermark: number
  /** The epoch that it leads, as its events tell it in their order; the machine itself may be further. */
  leads: number | undefined
  /** By kind: the newest of each, repeated with each heartbeat until the epoch ends. */
  readonly reports = new Map<string, PartitionReport>()
  #waiters: Array<Waiter> = []

  constructor(replica: Replica<SimBatch>, log: PartitionLog) {
    this.replica = replica
    this.log = log
    this.highWatermark = replica.highWatermark
  }

  get waiting(): number {
    return this.#waiters.length
  }

  /** Until `expiresMs` (R23): the record may be there all the same. */
  wait(epoch: number, endOffset: number, expiresMs: number, answer: (errorCode: ErrorCode) => void): void {
    if (endOffset <= this.highWatermark) answer(ErrorCode.NONE)
    else this.#waiters.push({ epoch, endOffset, expiresMs, answer })
  }

  nextDeadline(): number {
    // The oldest comes first, but for retries, which are no older than what they repeat.
    return this.#waiters[0]?.expiresMs ?? Number.POSITIVE_INFINITY
  }

  expire(nowMs: number): void {
    const over = this.#waiters.filter((waiter) => waiter.expiresMs <= nowMs)
    this.#waiters = this.#waiters.filter((waiter) => waiter.expiresMs > nowMs)
    for (const waiter of over) waiter.answer(ErrorCode.REQUEST_TIMED_OUT)
  }

  committed(offset: number): void {
    this.highWatermark = offset
    const done = this.#waiters.filter((waiter) => waiter.endOffset <= offset)
    if (done.length === 0) return
    this.#waiters = this.#waiters.filter((waiter) => waiter.endOffset > offset)
    for (const waiter of done) waiter.answer(ErrorCode.NONE)
  }

  leftEpoch(): void {
    const left = this.#waiters
    this.#waiters = []
    this.reports.clear()
    for (const waiter of left) waiter.answer(ErrorCode.NOT_LEADER_OR_FOLLOWER)
  }
}
