/** A node that has nothing but its metadata: over the real WAL, or over a log that the test commits by hand. Tests only. */
import type { Command, CreateTopic } from "@chronik-effect/core/metadata/Command.ts"
import type { Member } from "@chronik-effect/core/raft/Entry.ts"
import { NodeConfig, type NodeConfigValues } from "@chronik-effect/server/config/NodeConfig.ts"
import { Disk } from "@chronik-effect/server/io/Disk.ts"
import { type LogSink, MetadataLog } from "@chronik-effect/server/metadata/MetadataLog.ts"
import { MetadataStore } from "@chronik-effect/server/metadata/MetadataStore.ts"
import { METADATA_STREAM } from "@chronik-effect/server/metadata/RaftFrames.ts"
import type { CommittedEntry } from "@chronik-effect/server/metadata/RaftShell.ts"
import { Wal, WalEvents, type WalOptions } from "@chronik-effect/server/storage/Wal.ts"
import * as WalLayer from "@chronik-effect/server/storage/WalLayer.ts"
import { Context, Deferred, Effect, Exit, Layer, Scope } from "effect"

export const CLUSTER = "test-cluster"
export const SELF: Member = { node: 1, directoryId: "directory-1" }
const DATA = "/data"

export interface MetadataNode {
  readonly store: MetadataStore["Service"]
  readonly log: MetadataLog["Service"]
  readonly wal: Wal["Service"]
  /** Blocks that the WAL has committed: one fsync each. */
  readonly blocks: () => number
  readonly close: Effect.Effect<void>
}

const SMALL: Partial<WalOptions> = { chunkBytes: 64 * 1024, segmentChunks: 2, blockBytesMax: 64 * 1024 }

export const startNode = (
  disk: Disk["Service"],
  options: {
    readonly config?: Partial<NodeConfigValues>
    readonly wal?: Partial<WalOptions>
    readonly clusterId?: string
    readonly self?: Member
  } = {}
) =>
  Effect.gen(function* () {
    const scope = yield* Scope.make()
    let log: MetadataLog["Service"] | undefined
    let blocks = 0
    const events = WalEvents.of({
      committed: (n) => {
        blocks++
        for (let i = 0; i < n.count; i++) if (n.streams[i] === METADATA_STREAM && n.endOffsets[i]! > 0) log?.durable()
      },
      failed: (error) => log?.failed(error),
      sealed: (sequence) => log?.sealed(sequence)
    })
    const below = Layer.mergeAll(
      WalLayer.layer({ directory: `${DATA}/wal`, durability: "durable", ...SMALL, ...options.wal }),
      NodeConfig.layer(options.config ?? {})
    ).pipe(Layer.provideMerge(Layer.mergeAll(Layer.succeed(Disk, disk), Layer.succeed(WalEvents, events))))
    const all = MetadataStore.layer({ clusterId: options.clusterId ?? CLUSTER }).pipe(
      Layer.provideMerge(MetadataLog.layerSingle({ directory: `${DATA}/metadata`, self: options.self ?? SELF })),
      Layer.provideMerge(below)
    )
    const built = yield* Effect.exit(Layer.buildWithScope(all, scope))
    if (Exit.isFailure(built)) {
      yield* Scope.close(scope, built)
      return yield* Effect.failCause(built.cause)
    }
    const context = built.value
    log = Context.get(context, MetadataLog)
    const node: MetadataNode = {
      store: Context.get(context, MetadataStore),
      log,
      wal: Context.get(context, Wal),
      blocks: () => blocks,
      close: Scope.close(scope, Exit.void)
    }
    return node
  })

/** A log in memory. `commit` hands over what was proposed; with `auto` that happens at once. */
export class LogByHand {
  auto = true
  hasRoom = true
  readonly proposed: Array<CommittedEntry> = []
  #sink: LogSink | undefined
  #committed = 0
  #room = Deferred.makeUnsafe<void>()
  readonly service: MetadataLog["Service"]

  constructor() {
    this.service = MetadataLog.of({
      takeRecovered: () => ({ snapshot: undefined, entries: [] }),
      attach: (sink) => {
        this.#sink = sink
      },
      propose: (payload, ticket) => {
        if (payload.length > 1_000_000) return "too-large"
        if (!this.hasRoom) return "no-room"
        this.proposed.push({ index: this.proposed.length, payload, ticket })
        if (this.auto) queueMicrotask(() => this.commit())
        return "proposed"
      },
      room: Effect.suspend(() => Deferred.await(this.#room)),
      durable: () => {},
      failed: (error) => this.#sink?.failed(error.message),
      sealed: () => {},
      saveSnapshot: () => Effect.void,
      snapshotOffset: () => 0,
      bytesSinceSnapshot: () => 0,
      endOffsetBelow: () => 0,
      keepVote: () => Effect.void
    })
  }

  commit(): void {
    const entries = this.proposed.slice(this.#committed)
    this.#committed = this.proposed.length
    if (entries.length > 0) this.#sink?.committed(entries)
  }

  /** Commits something that nobody here proposed. */
  inject(payload: Uint8Array): void {
    const entry = { index: this.proposed.length, payload, ticket: undefined }
    this.proposed.push(entry)
    this.#committed = this.proposed.length
    this.#sink?.committed([entry])
  }

  makeRoom(): void {
    this.hasRoom = true
    Deferred.doneUnsafe(this.#room, Exit.void)
    this.#room = Deferred.makeUnsafe()
  }
}

export const layerByHand = (
  log: LogByHand,
  config: Partial<NodeConfigValues> = {}
): Layer.Layer<MetadataStore | NodeConfig, unknown> =>
  MetadataStore.layer({ clusterId: CLUSTER }).pipe(
    Layer.provide(Layer.succeed(MetadataLog, log.service)),
    Layer.provideMerge(NodeConfig.layer(config))
  )

export const topicId = (n: number): string => `${String(n).padStart(20, "0")}AA`

export const creation = (name: string, n: number, partitions = 1): CreateTopic => ({
  _tag: "CreateTopic",
  name,
  topicId: topicId(n),
  internal: false,
  partitions: Array.from({ length: partitions }, () => ({ replicas: [1], isr: [1], leader: 1 })),
  configs: []
})

export const registration = (nodeId = 1, incarnation = 1): Command => ({
  _tag: "RegisterNode",
  nodeId,
  incarnation,
  directoryId: "directory",
  endpoints: [{ listener: "PLAINTEXT", host: "127.0.0.1", port: 9092, securityProtocol: "PLAINTEXT" }],
  rack: null
})
