/**
 * The kit of the coordinators (groups, transactions): how a machine that lives in a replicated log is asked and answers.
 *
 * A request never changes durable state. `decide` returns the records that would change it, plus what can be answered
 * once they are committed; the runtime appends the records of many decisions as one batch and hands each committed record
 * to `replay`, the only place where durable state moves. What the log does not hold (who waits, whose session runs
 * until when) may change in `decide`, because losing it costs a retry, never data. A request is answered at once, or it is
 * *parked*: no answer carries its ticket yet, and a later decision, expiry or replay brings it.
 *
 * Time is data: the machine keeps its deadlines, `nextDeadline` says when it wants to be woken, `tick` takes what expired.
 * Nothing here knows fibers, clocks or partitions.
 */
import type { ErrorCode } from "../model/ErrorCode.ts"

/** Names one request for its answer. Chosen by the runtime, unique within one machine's life. */
export type Ticket = number

/** The ticket of nobody: no request waits. */
export const NO_TICKET: Ticket = -1

export interface Answer<Response> {
  readonly ticket: Ticket
  readonly response: Response
}

export interface Decision<Record, Response> {
  /** To be appended in this order, as one atomic write; empty: nothing to persist. */
  readonly records: ReadonlyArray<Record>
  /** Each record means something by itself: too many for one batch may be written as several, in order. */
  readonly divisible: boolean
  /** To be sent in this order after the records are committed. */
  readonly answers: ReadonlyArray<Answer<Response>>
}

/** Collects one decision; machines pass it down instead of returning lists at every level. */
export class Turn<Record, Response> implements Decision<Record, Response> {
  readonly records: Array<Record> = []
  readonly answers: Array<Answer<Response>> = []
  divisible = false
  readonly now: number

  constructor(now: number) {
    this.now = now
  }

  append(record: Record): void {
    this.records.push(record)
  }

  /** Answers `ticket`; the ticket of nobody is ignored, so that callers need not ask whether somebody waits. */
  answer(ticket: Ticket, response: Response): void {
    if (ticket !== NO_TICKET) this.answers.push({ ticket, response })
  }
}

export interface CoordinatorMachine<Command, Record, Response> {
  /** Takes one committed record of the log while the coordinator loads. */
  readonly load: (record: Record) => void
  /** The log's end was reached: sessions of the members it holds begin now. */
  readonly loaded: (now: number) => Decision<Record, Response>
  readonly decide: (ticket: Ticket, command: Command, now: number) => Decision<Record, Response>
  /** Takes one committed record of an own decision. Its answers (those that waited for it) are sent at once. */
  readonly replay: (record: Record, now: number) => Decision<Record, Response>
  /**
   * The records of `decision` were not committed: undo what assumed them, answer its request with `error`. No command: it was
   * decided by `tick` or `loaded`.
   */
  readonly reject: (
    ticket: Ticket,
    command: Command | undefined,
    decision: Decision<Record, Response>,
    error: ErrorCode,
    now: number
  ) => Decision<Record, Response>
  /**
   * False: the decision was built on one that has been rejected since, so that it must not be written: it is rejected too. A
   * machine without this builds on nothing that is not committed.
   */
  readonly holds?: (decision: Decision<Record, Response>) => boolean
  readonly nextDeadline: () => number | undefined
  /** Takes what expired up to `now`. */
  readonly tick: (now: number) => Decision<Record, Response>
}
