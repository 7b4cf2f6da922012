/**
 * One coordinator machine with its partition of the coordinator's topic: loads it, asks it, persists what it decides.
 *
 * The shard's fiber is the machine's only user. It takes everything that its mailbox holds, lets the machine decide it in
 * order, appends all records as one batch, replays them once they are committed and only then answers. Requests that
 * arrive meanwhile are the next round. Reads see what is committed: they run after the round in which they were taken.
 *
 * Time is one deadline in the node's `Deadlines`, whatever the number of members: when it passes the fiber is woken. The
 * machine's clock is the wall clock at the shard's start plus monotonic time since, so that a jump of the wall clock ends
 * nobody's session.
 *
 * When the machine or the log fails, whoever waits is answered, and the fiber starts again by loading; what was not in the
 * log is lost, which costs clients a retry. A shard that is closed answers everybody and ends.
 *
 * Not here: which shards exist and who leads them (`CoordinatorRuntime`).
 */
import { assert } from "@chronik-effect/core/base/Assert.ts"
import {
  type Answer,
  type CoordinatorMachine,
  type Decision,
  NO_TICKET,
  type Ticket
} from "@chronik-effect/core/coordinator/Decision.ts"
import { ErrorCode } from "@chronik-effect/core/model/ErrorCode.ts"
import { BatchBuilder } from "@chronik-effect/core/record/BatchBuilder.ts"
import { Deferred, Effect, Exit, Option, Queue, type Scope } from "effect"
import type { Deadline, Deadlines } from "../actor/Deadlines.ts"
import { supervise } from "../actor/Supervisor.ts"
import type { AppendFailed } from "../replication/Append.ts"
import type { CoordinatorLog } from "./CoordinatorLog.ts"

/** What makes a shard one of groups, or of transactions. */
export interface CoordinatorKind<Machine, Command, Record, Response> {
  readonly makeMachine: () => Machine & CoordinatorMachine<Command, Record, Response>
  /** What must be there before the machine serves what it has loaded. */
  readonly prepare: (machine: Machine) => Effect.Effect<void>
  readonly encode: (record: Record) => Encoded
  /** undefined: a record that is none of the machine's business. */
  readonly decode: (key: Uint8Array, value: Uint8Array | null) => Record | undefined
  /** What a command is answered that never reached the machine. */
  readonly refusal: (command: Command, errorCode: ErrorCode) => Response
}

type Message<Machine, Command, Response> =
  | { readonly _tag: "Ask"; readonly command: Command; readonly answer: Deferred.Deferred<Response> }
  | { readonly _tag: "Tell"; readonly command: Command }
  | {
      readonly _tag: "Read"
      readonly look: (machine: Machine) => void
      readonly refuse: (errorCode: ErrorCode) => void
    }
  | { readonly _tag: "Wake" }

interface Encoded {
  readonly key: Uint8Array
  readonly value: Uint8Array | null
}

interface Decided<Command, Record, Response> {
  readonly ticket: Ticket
  /** undefined: what expired, or what loading found. */
  readonly command: Command | undefined
  readonly decision: Decision<Record, Response>
  readonly encoded: ReadonlyArray<Encoded>
  readonly bytes: number
}

/** Asks that wait for the fiber; each comes from another connection, or from one that pipelines. */
const MAILBOX_MAX = 16_384
/** Messages of one round: bounds the time for which the machine keeps the loop. */
const ROUND_MAX = 1_024
/** How long a request waits for a shard that loads, before its client is told to come again. */
const LOADING_PATIENCE_MS = 250
/** Length fields, deltas and the like of one record. */
const RECORD_OVERHEAD_BYTES = 40
const BATCH_OVERHEAD_BYTES = 61

export class CoordinatorShard<Machine, Command, Record, Response> {
  readonly log: CoordinatorLog
  readonly #kind: CoordinatorKind<Machine, Command, Record, Response>
  readonly #deadlines: Deadlines["Service"]
  readonly #now: () => number
  readonly #mailbox = Effect.runSync(Queue.unbounded<Message<Machine, Command, Response>>())
  readonly #builder = new BatchBuilder()
  #machine: (Machine & CoordinatorMachine<Command, Record, Response>) | undefined
  #loaded = Deferred.makeUnsafe<void>()
  #closed: ErrorCode = ErrorCode.NONE
  readonly #waiting = new Map<Ticket, { readonly command: Command; readonly answer: Deferred.Deferred<Response> }>()
  #nextTicket = 0
  #round: ReadonlyArray<Message<Machine, Command, Response>> = []
  #deadline: Deadline | undefined
  #deadlineAt = Number.POSITIVE_INFINITY
  /** Records that could not be understood while loading. */
  skipped = 0

  constructor(
    log: CoordinatorLog,
    kind: CoordinatorKind<Machine, Command, Record, Response>,
    deadlines: Deadlines["Service"],
    now: () => number
  ) {
    this.log = log
    this.#kind = kind
    this.#deadlines = deadlines
    this.#now = now
  }

  /** Requests that wait for an answer, parked ones included. */
  get waiting(): number {
    return this.#waiting.size + Queue.sizeUnsafe(this.#mailbox)
  }

  readonly start: Effect.Effect<unknown, never, Scope.Scope> = Effect.suspend(() =>
    supervise(
      {
        name: `coordinator ${this.log.name}`,
        restart: "always",
        onDown: () => this.#reset(ErrorCode.COORDINATOR_NOT_AVAILABLE)
      },
      this.#run
    )
  )

  ask(command: Command): Effect.Effect<Response> {
    return Effect.suspend(() => {
      const refused = this.#refused()
      if (refused !== ErrorCode.NONE) return Effect.succeed(this.#kind.refusal(command, refused))
      const ask = Effect.suspend(() => {
        const answer = Deferred.makeUnsafe<Response>()
        this.#offer({ _tag: "Ask", command, answer })
        return Deferred.await(answer)
      })
      return this.#whenLoaded(ask, (errorCode) => this.#kind.refusal(command, errorCode))
    })
  }

  /** A command whose answer nobody needs. Never waits. */
  tell(command: Command): void {
    if (this.#closed === ErrorCode.NONE) this.#offer({ _tag: "Tell", command })
  }

  /** Looks at what is committed. */
  read<A>(look: (machine: Machine) => A, refuse: (errorCode: ErrorCode) => A): Effect.Effect<A> {
    return Effect.suspend(() => {
      const refused = this.#refused()
      if (refused !== ErrorCode.NONE) return Effect.succeed(refuse(refused))
      const ask = Effect.suspend(() => {
        const answer = Deferred.makeUnsafe<A>()
        const done = (value: A) => void Deferred.doneUnsafe(answer, Exit.succeed(value))
        this.#offer({
          _tag: "Read",
          look: (machine) => done(look(machine)),
          refuse: (errorCode) => done(refuse(errorCode))
        })
        return Deferred.await(answer)
      })
      return this.#whenLoaded(ask, refuse)
    })
  }

  /** The coordinator moves or stops: everybody is answered, the fiber ends. */
  close(errorCode: ErrorCode): void {
    assert(errorCode !== ErrorCode.NONE, "a coordinator closes with an error")
    if (this.#closed !== ErrorCode.NONE) return
    this.#closed = errorCode
    this.#reset(errorCode)
    for (const message of Effect.runSync(Queue.clear(this.#mailbox))) this.#refuse(message, errorCode)
    Queue.offerUnsafe(this.#mailbox, { _tag: "Wake" })
  }

  #refused(): ErrorCode {
    if (this.#closed !== ErrorCode.NONE) return this.#closed
    // Told to clients in the one way that makes all of them come again a little later.
    return Queue.sizeUnsafe(this.#mailbox) >= MAILBOX_MAX ? ErrorCode.COORDINATOR_LOAD_IN_PROGRESS : ErrorCode.NONE
  }

  #whenLoaded<A>(ask: Effect.Effect<A>, refuse: (errorCode: ErrorCode) => A): Effect.Effect<A> {
    if (this.#machine !== undefined) return ask
    return Deferred.await(this.#loaded).pipe(
      Effect.timeoutOption(LOADING_PATIENCE_MS),
      Effect.flatMap((loaded) => {
        if (this.#closed !== ErrorCode.NONE) return Effect.succeed(refuse(this.#closed))
        return Option.isSome(loaded) ? ask : Effect.succeed(refuse(ErrorCode.COORDINATOR_LOAD_IN_PROGRESS))
      })
    )
  }

  #offer(message: Message<Machine, Command, Response>): void {
    Queue.offerUnsafe(this.#mailbox, message)
  }

  readonly #run = Effect.gen({ self: this }, function* (this: CoordinatorShard<Machine, Command, Record, Response>) {
    const machine = this.#kind.makeMachine()
    yield* this.#load(machine)
    while (this.#closed === ErrorCode.NONE) {
      this.#schedule(machine)
      this.#round = yield* Queue.takeBetween(this.#mailbox, 1, ROUND_MAX)
      if (this.#closed !== ErrorCode.NONE) break
      yield* this.#take(machine, this.#round)
      this.#round = []
    }
    for (const message of this.#round) this.#refuse(message, this.#closed)
    this.#round = []
  })

  readonly #load = Effect.fnUntraced(
    { self: this },
    function* (
      this: CoordinatorShard<Machine, Command, Record, Response>,
      machine: Machine & CoordinatorMachine<Command, Record, Response>
    ) {
      this.skipped = 0
      yield* this.log.replay((record) => {
        const key = record.key()
        const decoded = key === null ? undefined : this.#kind.decode(key, record.value())
        if (decoded === undefined) this.skipped++
        else machine.load(decoded)
      })
      yield* this.#kind.prepare(machine)
      if (this.#closed !== ErrorCode.NONE) return
      this.#machine = machine
      Deferred.doneUnsafe(this.#loaded, Exit.void)
      yield* this.#persist(machine, [this.#decided(NO_TICKET, undefined, machine.loaded(this.#now()))])
    }
  )

  readonly #take = Effect.fnUntraced(
    { self: this },
    function* (
      this: CoordinatorShard<Machine, Command, Record, Response>,
      machine: Machine & CoordinatorMachine<Command, Record, Response>,
      round: ReadonlyArray<Message<Machine, Command, Response>>
    ) {
      const now = this.#now()
      const decided: Array<Decided<Command, Record, Response>> = []
      if ((machine.nextDeadline() ?? Number.POSITIVE_INFINITY) <= now) {
        decided.push(this.#decided(NO_TICKET, undefined, machine.tick(now)))
      }
      for (const message of round) {
        if (message._tag !== "Ask" && message._tag !== "Tell") continue
        const ticket = this.#nextTicket++
        if (message._tag === "Ask") this.#waiting.set(ticket, message)
        decided.push(this.#decided(ticket, message.command, machine.decide(ticket, message.command, now)))
      }
      yield* this.#persist(machine, decided)
      for (const message of round) if (message._tag === "Read") message.look(machine)
    }
  )

  #decided(
    ticket: Ticket,
    command: Command | undefined,
    decision: Decision<Record, Response>
  ): Decided<Command, Record, Response> {
    const encoded = decision.records.map(this.#kind.encode)
    let bytes = 0
    for (const record of encoded) bytes += bytesOf(record)
    return { ticket, command, decision, encoded, bytes }
  }

  /** Appends what was decided, in as few batches as the log takes, and answers. One batch unless it grew too large. */
  readonly #persist = Effect.fnUntraced(
    { self: this },
    function* (
      this: CoordinatorShard<Machine, Command, Record, Response>,
      machine: Machine & CoordinatorMachine<Command, Record, Response>,
      decided: ReadonlyArray<Decided<Command, Record, Response>>
    ) {
      const room = this.log.batchBytesMax() - BATCH_OVERHEAD_BYTES
      const holds = (at: number) => machine.holds?.(decided[at]!.decision) ?? true
      let from = 0
      while (from < decided.length) {
        if (!holds(from)) {
          this.#lost(machine, [decided[from++]!], ErrorCode.COORDINATOR_NOT_AVAILABLE)
          continue
        }
        let bytes = decided[from]!.bytes
        let end = from + 1
        while (end < decided.length && bytes + decided[end]!.bytes <= room && holds(end)) bytes += decided[end++]!.bytes
        const part = decided.slice(from, end)
        from = end
        if (bytes > room && part[0]!.decision.divisible) {
          yield* this.#persistDivided(machine, part[0]!, room)
          continue
        }
        const outcome = bytes > room ? ErrorCode.MESSAGE_TOO_LARGE : yield* this.#append(part)
        // A closed shard has answered everybody, and its machine is dead.
        if (this.#closed !== ErrorCode.NONE) return
        if (outcome === ErrorCode.NONE) this.#committed(machine, part)
        else this.#lost(machine, part, outcome)
      }
    }
  )

  /** One decision in several batches. What is in the log when one of them fails is replayed, the rest is lost. */
  readonly #persistDivided = Effect.fnUntraced(
    { self: this },
    function* (
      this: CoordinatorShard<Machine, Command, Record, Response>,
      machine: Machine & CoordinatorMachine<Command, Record, Response>,
      whole: Decided<Command, Record, Response>,
      room: number
    ) {
      const { decision, encoded } = whole
      let from = 0
      while (from < encoded.length && this.#closed === ErrorCode.NONE) {
        let bytes = bytesOf(encoded[from]!)
        let end = from + 1
        while (end < encoded.length && bytes + bytesOf(encoded[end]!) <= room) bytes += bytesOf(encoded[end++]!)
        const outcome =
          bytes > room
            ? ErrorCode.MESSAGE_TOO_LARGE
            : yield* this.#append([{ ...whole, encoded: encoded.slice(from, end) }])
        if (this.#closed !== ErrorCode.NONE) return
        if (outcome !== ErrorCode.NONE) {
          this.#lost(machine, [{ ...whole, decision: { ...decision, records: decision.records.slice(from) } }], outcome)
          return
        }
        const answers = end === encoded.length ? decision.answers : []
        const records = decision.records.slice(from, end)
        this.#committed(machine, [{ ...whole, decision: { ...decision, records, answers } }])
        from = end
      }
    }
  )

  #append(part: ReadonlyArray<Decided<Command, Record, Response>>): Effect.Effect<ErrorCode> {
    const builder = this.#builder
    const timestamp = this.#now()
    builder.reset(timestamp)
    for (const { encoded } of part) for (const record of encoded) builder.append({ ...record, timestamp })
    if (builder.count === 0) return Effect.succeed(ErrorCode.NONE)
    return this.log.append(builder.finish()).pipe(
      Effect.as(ErrorCode.NONE as ErrorCode),
      Effect.catch((error: AppendFailed) => Effect.succeed(error.errorCode))
    )
  }

  #committed(
    machine: Machine & CoordinatorMachine<Command, Record, Response>,
    part: ReadonlyArray<Decided<Command, Record, Response>>
  ): void {
    const now = this.#now()
    const answers: Array<Answer<Response>> = []
    for (const { decision } of part) {
      for (const answer of decision.answers) answers.push(answer)
      for (const record of decision.records)
        for (const answer of machine.replay(record, now).answers) answers.push(answer)
    }
    // Answering resumes the waiters at once: only now is the machine's state complete.
    this.#send(answers)
  }

  #lost(
    machine: Machine & CoordinatorMachine<Command, Record, Response>,
    part: ReadonlyArray<Decided<Command, Record, Response>>,
    errorCode: ErrorCode
  ): void {
    const told = coordinatorError(errorCode)
    const answers: Array<Answer<Response>> = []
    for (const { ticket, command, decision } of part) {
      const kept =
        decision.records.length === 0 ? decision : machine.reject(ticket, command, decision, told, this.#now())
      for (const answer of kept.answers) answers.push(answer)
    }
    this.#send(answers)
  }

  #send(answers: ReadonlyArray<Answer<Response>>): void {
    for (const { ticket, response } of answers) {
      const waiter = this.#waiting.get(ticket)
      this.#waiting.delete(ticket)
      if (waiter !== undefined) Deferred.doneUnsafe(waiter.answer, Exit.succeed(response))
    }
  }

  #schedule(machine: CoordinatorMachine<Command, Record, Response>): void {
    const at = machine.nextDeadline() ?? Number.POSITIVE_INFINITY
    // A deadline that moved away is left standing: the fiber wakes once for nothing instead of moving it at each heartbeat.
    if (at >= this.#deadlineAt) return
    this.#unschedule()
    this.#deadlineAt = at
    this.#deadline = this.#deadlines.add(Math.max(0, at - this.#now()), () => {
      this.#deadline = undefined
      this.#deadlineAt = Number.POSITIVE_INFINITY
      this.#offer({ _tag: "Wake" })
    })
  }

  #unschedule(): void {
    if (this.#deadline !== undefined) this.#deadlines.remove(this.#deadline)
    this.#deadline = undefined
    this.#deadlineAt = Number.POSITIVE_INFINITY
  }

  #refuse(message: Message<Machine, Command, Response>, errorCode: ErrorCode): void {
    if (message._tag === "Read") message.refuse(errorCode)
    else if (message._tag === "Ask") {
      Deferred.doneUnsafe(message.answer, Exit.succeed(this.#kind.refusal(message.command, errorCode)))
    }
  }

  /** Forgets the machine and answers everybody who waited for it. */
  #reset(errorCode: ErrorCode): void {
    this.#unschedule()
    this.#machine = undefined
    const loaded = this.#loaded
    this.#loaded = Deferred.makeUnsafe<void>()
    const round = this.#round
    this.#round = []
    const waiting = [...this.#waiting.values()]
    this.#waiting.clear()
    for (const { command, answer } of waiting) {
      Deferred.doneUnsafe(answer, Exit.succeed(this.#kind.refusal(command, errorCode)))
    }
    for (const message of round) this.#refuse(message, errorCode)
    if (this.#closed !== ErrorCode.NONE) Deferred.doneUnsafe(loaded, Exit.void)
  }
}

const bytesOf = ({ key, value }: Encoded): number => key.length + (value?.length ?? 0) + RECORD_OVERHEAD_BYTES

/** What a client of a coordinator is told when the log refused its records, in words that make it do the right thing. */
const coordinatorError = (errorCode: ErrorCode): ErrorCode => {
  switch (errorCode) {
    case ErrorCode.UNKNOWN_TOPIC_OR_PARTITION:
    case ErrorCode.NOT_ENOUGH_REPLICAS:
    case ErrorCode.NOT_ENOUGH_REPLICAS_AFTER_APPEND:
    case ErrorCode.REQUEST_TIMED_OUT:
      return ErrorCode.COORDINATOR_NOT_AVAILABLE
    case ErrorCode.NOT_LEADER_OR_FOLLOWER:
    case ErrorCode.KAFKA_STORAGE_ERROR:
      return ErrorCode.NOT_COORDINATOR
    case ErrorCode.MESSAGE_TOO_LARGE:
    case ErrorCode.RECORD_LIST_TOO_LARGE:
    case ErrorCode.INVALID_FETCH_SIZE:
      return ErrorCode.INVALID_COMMIT_OFFSET_SIZE
    default:
      return errorCode === ErrorCode.NONE ? ErrorCode.UNKNOWN_SERVER_ERROR : errorCode
  }
}
