/**
 * The port to the replicated metadata log, and its form for a node on its own: `core/raft` as a quorum of one over the node's
 * WAL.
 *
 * A proposal becomes a WAL frame on stream 0; when the frame is durable the machine commits it, and committed entries are
 * handed to the applier in order. What a snapshot covers need not stay in the WAL. The log knows nothing of what its entries
 * mean.
 *
 * **Indexes** are Raft's: dense from 1. End offsets lie one behind the last index. Each start begins a term, whose first entry
 * has no command and moves the applier's offset only.
 * **Start** the layer is complete when the node leads and the first entry of its term is committed: two flights of the WAL.
 * Everything that was on disk is committed by then, so `takeRecovered` gives all of it.
 *
 * A cluster takes another layer of this service over the same `RaftShell`: with the configured voters for a bootstrap, the
 * network for `ShellPorts.send`, a fiber that ticks at `nextDeadline`, snapshots of a leader, and a `propose` that forwards
 * where this node does not lead. `layerSingle` asserts that none of this is asked for.
 */
import { assert } from "@chronik-effect/core/base/Assert.ts"
import { Prng } from "@chronik-effect/core/base/Prng.ts"
import { type Member, sameMember } from "@chronik-effect/core/raft/Entry.ts"
import { Raft } from "@chronik-effect/core/raft/Raft.ts"
import { defaultRaftOptions } from "@chronik-effect/core/raft/RaftOptions.ts"
import { Context, Deferred, Effect, Exit, Layer, Queue, Random } from "effect"
import { supervise } from "../actor/Supervisor.ts"
import { Disk, type DiskError } from "../io/Disk.ts"
import { monotonicMicros } from "../io/Turn.ts"
import { Wal, type WalFailed } from "../storage/Wal.ts"
import { ENTRY_HEADER_BYTES } from "./RaftFrames.ts"
import { MetadataUnreadable, recoverLog } from "./RaftRecovery.ts"
import { type CommittedEntry, RaftShell, type ShellPorts } from "./RaftShell.ts"
import * as SnapshotFile from "./SnapshotFile.ts"

/** Blocks of the WAL that a start of `layerSingle` takes: one for the vote, one for the first entry of its term. */
export const START_BLOCKS = 2

/** The newest snapshot and the committed entries after it. */
export interface RecoveredEntries {
  readonly snapshot: SnapshotFile.StoredSnapshot | undefined
  readonly entries: ReadonlyArray<CommittedEntry>
}

/** The one who applies: called in order, synchronously. */
export interface LogSink {
  readonly committed: (entries: ReadonlyArray<CommittedEntry>) => void
  /** Nothing more will be committed. */
  readonly failed: (reason: string) => void
}

export class MetadataLog extends Context.Service<
  MetadataLog,
  {
    /** What the log held when it was opened. Once: it is not kept. */
    readonly takeRecovered: () => RecoveredEntries
    /** Who is told of commits. Once, before the first proposal. */
    readonly attach: (sink: LogSink) => void
    /**
     * Appends an entry. The sink gets it back with its ticket when it is committed; proposals commit in their order.
     * `no-room`: wait on `room` and try again.
     */
    readonly propose: (payload: Uint8Array, ticket: number) => "proposed" | "no-room" | "too-large"
    /** Completes when a refused proposal is worth another try. A wake-up, not a promise. */
    readonly room: Effect.Effect<void, WalFailed>
    /** From the WAL: something of stream 0 is durable. Register the service for `METADATA_STREAM`. */
    readonly durable: () => void
    /** From the WAL. */
    readonly failed: (error: WalFailed) => void
    /**
     * From the WAL, for each segment that is sealed: repeats the vote at the head (rule 31). Were it left to `keepVote`, a log
     * that is full to its end would have no room for the copy, and would get none before the copy is made.
     */
    readonly sealed: (sequence: number) => void
    /** Keeps an image of everything below `endOffset`; durable when it completes. */
    readonly saveSnapshot: (endOffset: number, payload: Uint8Array) => Effect.Effect<void, DiskError>
    /** End offset of the newest saved snapshot; 0 when there is none. */
    readonly snapshotOffset: () => number
    /** Bytes of the entries that no snapshot covers. */
    readonly bytesSinceSnapshot: () => number
    /** End offset of the entries whose frames lie below a WAL address: what a snapshot must cover to let those bytes go. */
    readonly endOffsetBelow: (address: number) => number
    /** Completes when nothing below a WAL address is needed for the votes of this node: they are repeated at its head. */
    readonly keepVote: (address: number) => Effect.Effect<void, WalFailed>
  }
>()("chronik/MetadataLog") {
  /** `directory`: the `metadata` folder of the data directory. `self`: the node and the id of its data directory. */
  static readonly layerSingle = (options: {
    readonly directory: string
    readonly self: Member
  }): Layer.Layer<MetadataLog, MetadataUnreadable | WalFailed, Wal | Disk> =>
    Layer.effect(MetadataLog, makeSingle(options.directory, options.self))
}

const makeSingle = Effect.fnUntraced(function* (directory: string, self: Member) {
  const wal = yield* Wal
  const files = SnapshotFile.make(yield* Disk, directory)
  const log = yield* recoverLog(wal, files, { bootstrap: { voters: [self], learners: [] }, isAlone: true })
  const seed = yield* Random.nextIntBetween(0, 2 ** 32 - 1)
  const raft = new Raft(defaultRaftOptions(self), log.recovered, { read: noPeer }, new Prng(seed), nowMillis())
  yield* refuseOthers(raft, self)
  const stalls = yield* Queue.sliding<void>(1)
  const alone = new Alone(stalls, log.snapshot)
  const shell = new RaftShell(raft, wal, log, alone, nowMillis)
  yield* lead(shell, wal)
  yield* supervise({ name: "metadata log", restart: "never" }, writeWhenThereIsRoom(shell, wal, stalls))
  return serviceOf(shell, alone, wal, files, log.snapshot?.endOffset ?? 0)
})

const serviceOf = (
  shell: RaftShell,
  alone: Alone,
  wal: Wal["Service"],
  files: SnapshotFile.SnapshotFiles,
  recoveredOffset: number
): MetadataLog["Service"] => {
  const { places } = shell
  let snapshotOffset = recoveredOffset
  return MetadataLog.of({
    takeRecovered: () => alone.takeRecovered(),
    attach: (to) => alone.attach(to),
    propose: (payload, ticket) => {
      if (ENTRY_HEADER_BYTES + payload.length > wal.frameBytesMax) return "too-large"
      const outcome = shell.propose(payload, ticket)
      assert(outcome !== "not-leader" && outcome !== "transferring", "a quorum of one leads for as long as it runs")
      return outcome === "busy" ? alone.refuse() : outcome
    },
    room: alone.room,
    durable: () => {
      shell.durable()
      alone.progressed()
    },
    failed: (error) => {
      shell.end()
      alone.failed(error)
    },
    sealed: (sequence) => {
      shell.keepVote((sequence + 1) * wal.segmentBytes)
    },
    saveSnapshot: (endOffset, payload) =>
      Effect.suspend(() => {
        assert(endOffset >= snapshotOffset, "a snapshot never goes back")
        return files.save({ endOffset, ...shell.headerAt(endOffset - 1), payload })
      }).pipe(
        Effect.tap(() =>
          Effect.sync(() => {
            snapshotOffset = endOffset
            shell.snapshotSaved(endOffset - 1, payload.length)
          })
        )
      ),
    snapshotOffset: () => snapshotOffset,
    bytesSinceSnapshot: () => places.bytes,
    endOffsetBelow: (address) => {
      const last = places.lastBelow(address)
      return last === undefined ? snapshotOffset : last + 1
    },
    keepVote: (address) => keepVote(shell, wal, address)
  })
}

const nowMillis = (): number => monotonicMicros() / 1000

/** The ports of a quorum of one, and who waits behind them. */
class Alone implements ShellPorts {
  readonly #stalls: Queue.Enqueue<void>
  /** What is handed out before there is an applier is what the log held when it was opened. */
  #recovered: { snapshot: SnapshotFile.StoredSnapshot | undefined; entries: Array<CommittedEntry> } | undefined
  #sink: LogSink | undefined
  #failure: WalFailed | undefined
  #refused = false
  #room: Deferred.Deferred<void, WalFailed> | undefined

  constructor(stalls: Queue.Enqueue<void>, snapshot: SnapshotFile.StoredSnapshot | undefined) {
    this.#stalls = stalls
    this.#recovered = { snapshot, entries: [] }
  }

  takeRecovered(): RecoveredEntries {
    const recovered = this.#recovered
    assert(recovered !== undefined, "what the metadata log held is taken once")
    this.#recovered = undefined
    return recovered
  }

  attach(sink: LogSink): void {
    assert(this.#sink === undefined, "the metadata log has one applier")
    this.#sink = sink
  }

  committed(entries: ReadonlyArray<CommittedEntry>): void {
    if (this.#sink !== undefined) return this.#sink.committed(entries)
    assert(this.#recovered !== undefined, "the metadata log has an applier before its first proposal")
    for (const entry of entries) this.#recovered.entries.push(entry)
  }

  readonly send = noPeer
  readonly reads = noPeer

  fates(): void {
    assert(false, "proposals of a quorum of one are committed or end with the node")
  }

  stalled(): void {
    Queue.offerUnsafe(this.#stalls, undefined)
  }

  broken(reason: string): void {
    this.#sink?.failed(`the metadata log is broken: ${reason}`)
  }

  failed(error: WalFailed): void {
    this.#failure = error
    if (this.#room !== undefined) Deferred.doneUnsafe(this.#room, Exit.fail(error))
    this.#sink?.failed(error.message)
  }

  refuse(): "no-room" {
    this.#refused = true
    return "no-room"
  }

  progressed(): void {
    const room = this.#room
    this.#refused = false
    this.#room = undefined
    if (room !== undefined) Deferred.doneUnsafe(room, Exit.void)
  }

  readonly room: Effect.Effect<void, WalFailed> = Effect.suspend(() => {
    if (this.#failure !== undefined) return Effect.fail(this.#failure)
    if (!this.#refused) return Effect.void
    this.#room ??= Deferred.makeUnsafe<void, WalFailed>()
    return Deferred.await(this.#room)
  })
}

function noPeer(): never {
  assert(false, "a quorum of one has nobody to talk to")
}

/** A log that names others as well cannot be led by this node alone, and one that does not name it not at all (rule 18). */
const refuseOthers = (raft: Raft, self: Member): Effect.Effect<void, MetadataUnreadable> => {
  const { voters, learners } = raft.configuration
  const [voter] = voters
  if (voters.length === 1 && learners.length === 0 && sameMember(voter!, self)) return Effect.void
  const named = [...voters, ...learners].map(({ node, directoryId }) => `${node} (${directoryId})`).join(", ")
  return Effect.fail(
    new MetadataUnreadable({
      message: `The metadata log belongs to ${named}, and this is ${self.node} (${self.directoryId}) on its own: put back the metadata folder that belongs here.`
    })
  )
}

/** Campaigns and waits for the writes that this needs: the vote, then the first entry of the term. Nobody else is asked. */
const lead = Effect.fnUntraced(function* (shell: RaftShell, wal: Wal["Service"]) {
  shell.campaign()
  while (!shell.isReady) {
    assert(shell.writesUnderWay > 0, "a sole voter waits for nothing but its own writes")
    yield* shell.isStalled ? wal.room : wal.flushed
    shell.resume()
    shell.durable()
  }
  assert(shell.raft.nextDeadline() === Number.POSITIVE_INFINITY, "a sole voter that leads needs no clock")
})

/** Ends with the WAL, which tells `failed`. Who was refused is woken when what was held up is durable. */
const writeWhenThereIsRoom = (
  shell: RaftShell,
  wal: Wal["Service"],
  stalls: Queue.Dequeue<void>
): Effect.Effect<void> =>
  Effect.forever(
    Effect.gen(function* () {
      yield* Queue.take(stalls)
      yield* wal.room
      shell.resume()
    })
  ).pipe(Effect.catchTag("WalFailed", () => Effect.void))

const keepVote = (shell: RaftShell, wal: Wal["Service"], address: number): Effect.Effect<void, WalFailed> =>
  Effect.suspend(() => {
    const kept = shell.keepVote(address)
    if (kept === "durable") return Effect.void
    if (kept === "written") return wal.flushed
    return Effect.andThen(wal.room, keepVote(shell, wal, address))
  })
