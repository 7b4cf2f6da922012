/**
 * The node's one fiber between the WAL and what waits for it.
 *
 * After each flight the WAL's committer hands over one notification for everything that the flight made durable. One pass
 * of this fiber proposes that whole batch to the replicas: with a replica set of one the local fsync is the quorum, so the
 * pass moves the high watermarks of all streams in the batch, completes their waiters in offset order and wakes parked
 * readers. One wake-up a flight, however many producers and partitions are in it.
 *
 * It is also what stands behind the port `WalEvents`, so that the WAL knows nobody above it. When the WAL fails, every
 * stream is told once and `failure` completes: the node stops, nothing is retried.
 */
import { Context, Deferred, Effect, Exit, Layer, Queue } from "effect"
import { supervise } from "../actor/Supervisor.ts"
import { monotonicMicros } from "../io/Turn.ts"
import { type BatchNotification, WalEvents, type WalFailed } from "../storage/Wal.ts"

/** What owns a WAL stream: a partition, or the metadata log (stream 0). */
export interface StreamOwner {
  /** Everything of the stream below `endOffset` is durable on this node. */
  readonly durable: (endOffset: number) => void
  /** The WAL has failed: nothing more becomes durable. */
  readonly failed: (error: WalFailed) => void
}

/** When the batch that is being completed passed its stages; read by whoever records a stage. */
export interface PassTimes {
  writtenMicros: number
  durableMicros: number
  committedMicros: number
}

export interface ProposerStats {
  /** Proposals made: one a WAL flight. */
  proposals: number
  /** Frames in all proposals. */
  frames: number
}

export class BatchProposer extends Context.Service<
  BatchProposer,
  {
    readonly register: (stream: number, owner: StreamOwner) => void
    readonly unregister: (stream: number) => void
    /** Called when the WAL has sealed a segment. */
    readonly onSealed: (listener: (sequence: number) => void) => void
    readonly times: Readonly<PassTimes>
    readonly stats: Readonly<ProposerStats>
    /** Completes when the WAL has failed: whoever runs the node stops it. */
    readonly failure: Effect.Effect<WalFailed>
  }
>()("chronik/BatchProposer") {}

/**
 * One notification on its way through the mailbox. Its arrays are the committer's, which uses them again after the call of
 * `committed`; within that call the fiber has usually taken it. What it has not taken by then is copied.
 */
class Proposal {
  streams: ArrayLike<number>
  endOffsets: ArrayLike<number>
  readonly count: number
  readonly writtenMicros: number
  readonly durableMicros: number
  taken = false

  constructor(notification: BatchNotification) {
    this.streams = notification.streams
    this.endOffsets = notification.endOffsets
    this.count = notification.count
    this.writtenMicros = notification.writtenAtMicros
    this.durableMicros = notification.durableAtMicros
  }

  keep(): void {
    if (this.taken) return
    this.streams = Array.prototype.slice.call(this.streams, 0, this.count)
    this.endOffsets = Array.prototype.slice.call(this.endOffsets, 0, this.count)
  }
}

/** What went wrong, or undefined: a defect of one owner must not leave the other owners of the batch without their news. */
const inform = (owner: StreamOwner, endOffset: number): unknown => {
  try {
    owner.durable(endOffset)
    return undefined
  } catch (defect) {
    return defect
  }
}

/** The same for the last news that there is. */
const tell = (owner: StreamOwner, error: WalFailed): unknown => {
  try {
    owner.failed(error)
    return undefined
  } catch (defect) {
    return defect
  }
}

const make = Effect.gen(function* () {
  const runFork = Effect.runForkWith(yield* Effect.context<never>())
  const owners = new Map<number, StreamOwner>()
  const sealedListeners: Array<(sequence: number) => void> = []
  const mailbox = yield* Queue.unbounded<Proposal>()
  const failure = Deferred.makeUnsafe<WalFailed>()
  const times: PassTimes = { writtenMicros: 0, durableMicros: 0, committedMicros: 0 }
  const stats: ProposerStats = { proposals: 0, frames: 0 }

  const propose = (proposal: Proposal): ReadonlyArray<unknown> => {
    const defects: Array<unknown> = []
    proposal.taken = true
    times.writtenMicros = proposal.writtenMicros
    times.durableMicros = proposal.durableMicros
    times.committedMicros = monotonicMicros()
    stats.proposals++
    stats.frames += proposal.count
    for (let i = 0; i < proposal.count; i++) {
      const endOffset = proposal.endOffsets[i]!
      // Frames that carry an old batch forward, and control frames, have no offset to report.
      const owner = endOffset > 0 ? owners.get(proposal.streams[i]!) : undefined
      const defect = owner === undefined ? undefined : inform(owner, endOffset)
      if (defect !== undefined) defects.push(defect)
    }
    return defects
  }

  yield* supervise(
    { name: "batch proposer", restart: "always" },
    Effect.gen(function* () {
      while (true) {
        for (const proposal of yield* Queue.takeAll(mailbox)) {
          for (const defect of propose(proposal)) yield* Effect.logError("A commit could not be completed", defect)
        }
      }
    })
  )

  const events = WalEvents.of({
    committed: (notification: BatchNotification) => {
      const proposal = new Proposal(notification)
      Queue.offerUnsafe(mailbox, proposal)
      // Not on the next turn of the loop: between the fsync and the answer nothing is gained by waiting.
      Queue.flushUnsafe(mailbox)
      proposal.keep()
    },
    failed: (error) => {
      // First, so that the node stops whatever an owner makes of the news.
      Deferred.doneUnsafe(failure, Exit.succeed(error))
      for (const owner of owners.values()) {
        const defect = tell(owner, error)
        if (defect !== undefined) runFork(Effect.logError("The end of the log could not be told to everybody", defect))
      }
    },
    sealed: (sequence) => {
      for (const listener of sealedListeners) listener(sequence)
    }
  })
  const proposer = BatchProposer.of({
    register: (stream, owner) => void owners.set(stream, owner),
    unregister: (stream) => void owners.delete(stream),
    onSealed: (listener) => void sealedListeners.push(listener),
    times,
    stats,
    failure: Deferred.await(failure)
  })
  return Context.make(BatchProposer, proposer).pipe(Context.add(WalEvents, events))
})

export const layer: Layer.Layer<BatchProposer | WalEvents> = Layer.effectContext(make)
