/**
 * The node's view of the metadata log: the current image, and the way to change it.
 *
 * One supervised fiber owns the image. It takes proposals and committed entries from its mailbox, appends the former to the log
 * and applies the latter in log order; for each applied entry it first moves the image, then calls the listeners, then wakes
 * the waiter, which was registered before its command was proposed. Proposals do not wait for each other: all that are in the
 * mailbox go into the same commit of the log.
 *
 * A waiter that gives up leaves nothing behind, but its command may still be applied later. The image is read without the
 * fiber: it is one immutable value. Requests are judged elsewhere (`core/metadata/Decide`) before they are proposed.
 */
import { assert } from "@chronik-effect/core/base/Assert.ts"
import type { BrokerConfig } from "@chronik-effect/core/config/BrokerConfig.ts"
import type { Command } from "@chronik-effect/core/metadata/Command.ts"
import { decodeCommand, encodeCommand } from "@chronik-effect/core/metadata/CommandCodec.ts"
import { EMPTY_DELTA, type MetadataDelta } from "@chronik-effect/core/metadata/MetadataDelta.ts"
import { type CommandResult, emptyImage, type MetadataImage } from "@chronik-effect/core/metadata/MetadataImage.ts"
import { replay } from "@chronik-effect/core/metadata/Replay.ts"
import { decodeSnapshot, encodeSnapshot } from "@chronik-effect/core/metadata/Snapshot.ts"
import { Cause, Context, Data, Deferred, Effect, Exit, Layer, Queue, Semaphore } from "effect"
import { supervise } from "../actor/Supervisor.ts"
import { NodeConfig } from "../config/NodeConfig.ts"
import type { DiskError } from "../io/Disk.ts"
import type { WalFailed } from "../storage/Wal.ts"
import { staticBrokerConfig } from "./BrokerSettings.ts"
import { MetadataLog } from "./MetadataLog.ts"
import { MetadataUnreadable } from "./RaftRecovery.ts"
import type { CommittedEntry } from "./RaftShell.ts"

/** The proposal did not become part of the log in time, or cannot any more. It may still do so later. */
export class MetadataError extends Data.TaggedError("MetadataError")<{
  readonly reason: "timeout" | "busy" | "too-large" | "stopped"
  readonly message: string
}> {}

export type MetadataListener = (delta: MetadataDelta, image: MetadataImage) => void

export const PROPOSE_TIMEOUT_MS = 2_000

const WAITERS_MAX = 16_384
const SNAPSHOT_AFTER_BYTES = 16 * 1024 * 1024
const DEFECTS_A_MINUTE_MAX = 3

export class MetadataStore extends Context.Service<
  MetadataStore,
  {
    /**
     * Appends a command to the metadata log and waits until it is durable, committed and applied here.
     *
     * **Shape** the result of its apply: `Rejected` when the state had moved on since the command was decided.
     * **Errors** `timeout` after `timeoutMs` (default 2,000): read the image once more, the command may have been applied.
     */
    readonly propose: (command: Command, timeoutMs?: number) => Effect.Effect<CommandResult, MetadataError>
    /** The image of everything applied so far. Always current, never waits. */
    readonly image: () => MetadataImage
    /** Completes when every entry below `endOffset` is applied here. */
    readonly awaitOffset: (endOffset: number) => Effect.Effect<void>
    /**
     * Called for each applied entry in order, before those who wait for it wake; synchronous, must not throw. What was there
     * before is in `image()`. Returns the function that ends the subscription.
     */
    readonly subscribe: (listener: MetadataListener) => () => void
    /** This broker's configuration in force: static values and what the metadata log says. */
    readonly brokerConfig: () => BrokerConfig
    /**
     * Makes that WAL segment dispensable (the settler's hook): saves a snapshot unless the newest one already covers every
     * metadata entry in it, and repeats the node's vote at the head of the WAL unless that is a later one (rule 31).
     */
    readonly settle: (segment: { readonly endAddress: number }) => Effect.Effect<void, DiskError | WalFailed>
    /** Completes with the reason when nothing can be proposed any more: the node stops. */
    readonly failure: Effect.Effect<string>
    /** Waiters and entries that are open now; zero when idle. */
    readonly pending: () => number
  }
>()("chronik/MetadataStore") {
  /** `clusterId`: of `node.json`. A snapshot of another cluster is refused. */
  static readonly layer = (options: {
    readonly clusterId: string
  }): Layer.Layer<MetadataStore, MetadataUnreadable, MetadataLog | NodeConfig> =>
    Layer.effect(MetadataStore, make(options.clusterId))
}

interface Waiter {
  readonly ticket: number
  readonly payload: Uint8Array
  readonly answer: Deferred.Deferred<CommandResult, MetadataError>
}

type Event =
  | { readonly _tag: "Propose"; readonly waiter: Waiter }
  | { readonly _tag: "Committed"; readonly entries: ReadonlyArray<CommittedEntry> }
  | { readonly _tag: "Room" }

const make = Effect.fnUntraced(function* (clusterId: string) {
  const log = yield* MetadataLog
  const config = staticBrokerConfig(yield* NodeConfig)
  const state = new State(yield* recoveredImage(log, clusterId), config)
  const mailbox = yield* Queue.unbounded<Event>()
  const snapshotDue = yield* Queue.sliding<void>(1)
  const failure = Deferred.makeUnsafe<string>()

  const stop = (reason: string) => {
    state.stop(reason)
    Deferred.doneUnsafe(failure, Exit.succeed(reason))
  }
  log.attach({
    committed: (entries) => {
      Queue.offerUnsafe(mailbox, { _tag: "Committed", entries })
      // Between the fsync and the answer nothing is gained by waiting for the next turn of the loop.
      Queue.flushUnsafe(mailbox)
    },
    failed: stop
  })
  // Not a failure: who waits is told, and whoever watches for failures hears nothing.
  yield* Effect.addFinalizer(() => Effect.sync(() => state.stop("the node is stopping")))
  yield* supervise(
    {
      name: "metadata store",
      restart: { max: DEFECTS_A_MINUTE_MAX },
      onGiveUp: (cause) => Effect.sync(() => stop(`applying the metadata log failed: ${Cause.pretty(cause)}`))
    },
    run(state, log, mailbox, snapshotDue)
  )

  const oneSnapshot = yield* Semaphore.make(1)
  const snapshot = (upTo: number) =>
    Effect.suspend(() => {
      if (log.snapshotOffset() >= upTo) return Effect.void
      const image = state.image
      return log.saveSnapshot(image.offset, encodeSnapshot(image))
    }).pipe(oneSnapshot.withPermits(1))
  yield* supervise(
    { name: "metadata snapshots", restart: "always" },
    Effect.forever(
      Effect.andThen(
        Queue.take(snapshotDue),
        Effect.suspend(() => snapshot(state.image.offset))
      )
    )
  )

  return MetadataStore.of({
    propose: (command, timeoutMs) => propose(state, mailbox, command, timeoutMs ?? PROPOSE_TIMEOUT_MS),
    image: () => state.image,
    awaitOffset: (endOffset) => Effect.suspend(() => state.reached(endOffset)),
    subscribe: (listener) => state.subscribe(listener),
    brokerConfig: () => state.brokerConfig(),
    settle: (segment) =>
      Effect.suspend(() => {
        const upTo = log.endOffsetBelow(segment.endAddress)
        return state
          .reached(upTo)
          .pipe(Effect.andThen(snapshot(upTo)), Effect.andThen(log.keepVote(segment.endAddress)))
      }),
    failure: Deferred.await(failure),
    pending: () => state.pending
  })
})

const propose = (
  state: State,
  mailbox: Queue.Queue<Event>,
  command: Command,
  timeoutMs: number
): Effect.Effect<CommandResult, MetadataError> =>
  Effect.suspend(() => {
    const refused = state.refusal()
    if (refused !== undefined) return Effect.fail(refused)
    // Registered before it is proposed: the apply may come before this fiber runs again.
    const waiter = state.register(encodeCommand(command))
    Queue.offerUnsafe(mailbox, { _tag: "Propose", waiter })
    return Deferred.await(waiter.answer).pipe(
      Effect.timeoutOrElse({ duration: timeoutMs, orElse: () => Effect.fail(timedOut(timeoutMs)) }),
      Effect.ensuring(Effect.sync(() => state.leave(waiter)))
    )
  })

const timedOut = (timeoutMs: number): MetadataError =>
  new MetadataError({
    reason: "timeout",
    message: `The metadata log did not commit the change within ${timeoutMs} ms. It may still do so: look before trying again.`
  })

/** The owner fiber. Everything it has taken is in `state`, so that a restart goes on where the last run died. */
const run = Effect.fnUntraced(function* (
  state: State,
  log: MetadataLog["Service"],
  mailbox: Queue.Queue<Event>,
  snapshotDue: Queue.Queue<void>
) {
  while (true) {
    for (const problem of state.applyCommitted()) yield* Effect.logError(problem)
    if (state.proposeWaiting(log)) {
      yield* Effect.forkChild(Effect.andThen(log.room, Queue.offer(mailbox, { _tag: "Room" })))
    }
    if (log.bytesSinceSnapshot() > SNAPSHOT_AFTER_BYTES) Queue.offerUnsafe(snapshotDue, undefined)
    for (const event of yield* Queue.takeAll(mailbox)) state.take(event)
  }
})

/** Everything the owner fiber owns. Plain calls, no waiting; the image is the only part that others read. */
class State {
  image: MetadataImage
  readonly #config: BrokerConfig
  #effective: { readonly from: MetadataImage["brokerConfigs"]; readonly config: BrokerConfig } | undefined
  #listeners: ReadonlyArray<MetadataListener> = []
  #nextTicket = 0
  readonly #waiters = new Map<number, Waiter>()
  /** Registered, not yet in the log. */
  #unproposed: Array<Waiter> = []
  /** Committed, not yet applied; emptied from the front as the image moves. */
  #unapplied: Array<CommittedEntry> = []
  #offsetWaiters: Array<{ readonly endOffset: number; readonly reached: Deferred.Deferred<void> }> = []
  #awaitsRoom = false
  #stopped: string | undefined

  constructor(image: MetadataImage, config: BrokerConfig) {
    this.image = image
    this.#config = config
  }

  get pending(): number {
    return this.#waiters.size + this.#unproposed.length + this.#unapplied.length + this.#offsetWaiters.length
  }

  refusal(): MetadataError | undefined {
    if (this.#stopped !== undefined) return stoppedError(this.#stopped)
    if (this.#waiters.size < WAITERS_MAX) return undefined
    return new MetadataError({
      reason: "busy",
      message: `More than ${WAITERS_MAX} metadata changes are waiting to be committed: try again later.`
    })
  }

  register(payload: Uint8Array): Waiter {
    const waiter = { ticket: this.#nextTicket++, payload, answer: Deferred.makeUnsafe<CommandResult, MetadataError>() }
    this.#waiters.set(waiter.ticket, waiter)
    return waiter
  }

  leave(waiter: Waiter): void {
    this.#waiters.delete(waiter.ticket)
  }

  take(event: Event): void {
    if (event._tag === "Propose") this.#unproposed.push(event.waiter)
    else if (event._tag === "Committed") this.#unapplied.push(...event.entries)
    else this.#awaitsRoom = false
  }

  /** Appends what waits to be proposed. True when the log had no room and somebody must wait for it. */
  proposeWaiting(log: MetadataLog["Service"]): boolean {
    let done = 0
    let wait = false
    const unfit: Array<Waiter> = []
    for (const waiter of this.#unproposed) {
      // Nobody waits for it any more: it was never in the log, so it need not get there.
      if (this.#waiters.has(waiter.ticket)) {
        const outcome = log.propose(waiter.payload, waiter.ticket)
        if (outcome === "no-room") {
          wait = !this.#awaitsRoom
          this.#awaitsRoom = true
          break
        }
        if (outcome === "too-large") unfit.push(waiter)
      }
      done++
    }
    this.#unproposed.splice(0, done)
    for (const waiter of unfit) Deferred.doneUnsafe(waiter.answer, Exit.fail(tooLarge(waiter)))
    return wait
  }

  /** Applies all committed entries; gives the problems of listeners, which must not stop the log. */
  applyCommitted(): ReadonlyArray<string> {
    const problems: Array<string> = []
    const woken: Array<readonly [Waiter, CommandResult]> = []
    let applied = 0
    try {
      for (const entry of this.#unapplied) {
        if (entry.index >= this.image.offset) {
          const { image, delta, result } = applyEntry(this.image, entry)
          this.image = image
          if (result !== undefined) {
            this.#notify(delta, problems)
            const waiter = entry.ticket === undefined ? undefined : this.#waiters.get(entry.ticket)
            if (waiter !== undefined) woken.push([waiter, result])
          }
        }
        applied++
      }
    } finally {
      // Also when an entry cannot be applied: those before it have been, and are not applied again by the next run.
      this.#unapplied.splice(0, applied)
      this.#wake(woken)
    }
    return problems
  }

  #notify(delta: MetadataDelta, problems: Array<string>): void {
    for (const listener of this.#listeners) {
      try {
        listener(delta, this.image)
      } catch (error) {
        problems.push(`A listener of the metadata log failed at offset ${this.image.offset}: ${describe(error)}`)
      }
    }
  }

  /** Waking runs the waiter's fiber at once, so it comes after everything else. */
  #wake(woken: ReadonlyArray<readonly [Waiter, CommandResult]>): void {
    const offset = this.image.offset
    const reached = this.#offsetWaiters.filter((waiter) => waiter.endOffset <= offset)
    if (reached.length > 0) this.#offsetWaiters = this.#offsetWaiters.filter((waiter) => waiter.endOffset > offset)
    for (const waiter of reached) Deferred.doneUnsafe(waiter.reached, Exit.void)
    for (const [waiter, result] of woken) Deferred.doneUnsafe(waiter.answer, Exit.succeed(result))
  }

  reached(endOffset: number): Effect.Effect<void> {
    if (this.image.offset >= endOffset) return Effect.void
    const waiter = { endOffset, reached: Deferred.makeUnsafe<void>() }
    this.#offsetWaiters.push(waiter)
    return Effect.onInterrupt(Deferred.await(waiter.reached), () =>
      Effect.sync(() => {
        this.#offsetWaiters = this.#offsetWaiters.filter((other) => other !== waiter)
      })
    )
  }

  subscribe(listener: MetadataListener): () => void {
    this.#listeners = [...this.#listeners, listener]
    return () => {
      this.#listeners = this.#listeners.filter((other) => other !== listener)
    }
  }

  brokerConfig(): BrokerConfig {
    const from = this.image.brokerConfigs
    if (this.#effective?.from !== from) {
      const own = from.get(this.#config.text("node.id") ?? "") ?? new Map()
      this.#effective = { from, config: this.#config.withDynamic(from.get("") ?? new Map(), own) }
    }
    return this.#effective.config
  }

  stop(reason: string): void {
    if (this.#stopped !== undefined) return
    this.#stopped = reason
    for (const waiter of this.#waiters.values()) Deferred.doneUnsafe(waiter.answer, Exit.fail(stoppedError(reason)))
    this.#unproposed = []
  }
}

/** An entry of the log's own has no command and no result: only the end of what is applied moves. */
const applyEntry = (
  image: MetadataImage,
  { index, payload }: CommittedEntry
): { readonly image: MetadataImage; readonly delta: MetadataDelta; readonly result: CommandResult | undefined } => {
  if (payload !== undefined) return replay(image, decodeCommand(payload), index)
  assert(index >= image.offset, `metadata entry ${index} was applied before: the image is at ${image.offset}`)
  return { image: image.with({ offset: index + 1 }), delta: EMPTY_DELTA, result: undefined }
}

const describe = (error: unknown): string => (error instanceof Error ? (error.stack ?? error.message) : String(error))

const stoppedError = (reason: string): MetadataError =>
  new MetadataError({ reason: "stopped", message: `The metadata log takes no more changes: ${reason}.` })

const tooLarge = (waiter: Waiter): MetadataError =>
  new MetadataError({
    reason: "too-large",
    message: `The change takes ${waiter.payload.length} bytes, more than one entry of the metadata log may have: split it.`
  })

/** The image of what the log held when it was opened. Listeners are not told: they start from the image. */
const recoveredImage = (
  log: MetadataLog["Service"],
  clusterId: string
): Effect.Effect<MetadataImage, MetadataUnreadable> =>
  Effect.try({
    try: () => {
      const { snapshot, entries } = log.takeRecovered()
      let image = snapshot === undefined ? emptyImage(clusterId) : decodeSnapshot(snapshot.payload)
      assert(snapshot === undefined || image.offset === snapshot.endOffset, "a snapshot's name is its end offset")
      if (image.clusterId !== clusterId) {
        throw new MetadataUnreadable({
          message: `The metadata snapshot belongs to the cluster ${image.clusterId}, this data directory to ${clusterId}: put back the metadata folder that belongs here.`
        })
      }
      for (const entry of entries) image = applyEntry(image, entry).image
      return image
    },
    catch: (error) =>
      error instanceof MetadataUnreadable
        ? error
        : new MetadataUnreadable({ message: `The metadata of this node cannot be read: ${describe(error)}` })
  })
