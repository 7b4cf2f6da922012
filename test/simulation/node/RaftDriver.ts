/**
 * The shell around `core/raft` on a simulated node: persists, sends, applies, answers, in that order, as `raft/Ready` says.
 * It decides nothing. Snapshots of the image are taken by log growth.
 */
import { assert } from "../../../packages/core/src/base/Assert.ts"
import type { MetadataImage } from "../../../packages/core/src/metadata/MetadataImage.ts"
import { encodeSnapshot } from "../../../packages/core/src/metadata/Snapshot.ts"
import { decodeConfiguration } from "../../../packages/core/src/raft/ConfigurationCodec.ts"
import {
  type Configuration,
  EMPTY_CONFIGURATION,
  EntryKind,
  type Snapshot
} from "../../../packages/core/src/raft/Entry.ts"
import type { Message } from "../../../packages/core/src/raft/Message.ts"
import { Raft } from "../../../packages/core/src/raft/Raft.ts"
import type { RaftOptions } from "../../../packages/core/src/raft/RaftOptions.ts"
import type { Apply, ProposalFate, ReadOutcome, Write } from "../../../packages/core/src/raft/Ready.ts"
import type { DurableState } from "./DurableState.ts"
import type { Host } from "./Host.ts"

export interface RaftEvents {
  readonly apply: (apply: Apply) => void
  readonly fate: (fate: ProposalFate) => void
  readonly read: (read: ReadOutcome) => void
  readonly image: () => MetadataImage
}

const ENTRY_OVERHEAD_BYTES = 32

const messageBytes = (message: Message): number => {
  if (message._tag === "SnapshotChunk") return 128 + message.bytes.length
  if (message._tag !== "Append") return 64
  return message.entries.reduce((sum, entry) => sum + ENTRY_OVERHEAD_BYTES + entry.payload.length, 64)
}

export class RaftDriver {
  readonly raft: Raft
  readonly #host: Host
  readonly #events: RaftEvents
  #snapshot: Snapshot | undefined
  #snapshotUnderWay = false
  /** In force at the applied index: what a snapshot taken there must say. */
  #applied: Configuration
  #role = ""
  #term = 0
  #commit = 0

  constructor(host: Host, options: RaftOptions, bootstrap: Configuration, found: DurableState, events: RaftEvents) {
    this.#host = host
    this.#events = events
    this.#snapshot = found.snapshot
    this.#applied = found.snapshot?.configuration ?? bootstrap
    this.raft = new Raft(
      options,
      {
        hardState: found.hardState,
        snapshot: found.snapshot,
        entries: [...found.entries],
        bootstrap: found.snapshot === undefined ? bootstrap : EMPTY_CONFIGURATION
      },
      { read: (index, offset, maxBytes) => this.#readSnapshot(index, offset, maxBytes) },
      host.random.fork(),
      host.nowMs()
    )
  }

  /** Takes everything that the machine has to say. True when there was something. */
  pump(): boolean {
    let any = false
    for (let ready = this.raft.ready(); ready !== undefined; ready = this.raft.ready()) {
      any = true
      if (ready.write !== undefined) this.#write(ready.write)
      for (const message of ready.messages) {
        this.#host.cover(`raft ${message._tag}`)
        if ("granted" in message && !message.granted) this.#host.cover(`raft ${message._tag} denied`)
        this.#host.send(message.to.node, "raft", message, messageBytes(message))
      }
      for (const apply of ready.apply) this.#apply(apply)
      for (const fate of ready.fates) this.#events.fate(fate)
      for (const read of ready.reads) this.#events.read(read)
      this.#tell()
    }
    this.#maybeSnapshot()
    return any
  }

  #write(write: Write): void {
    const { host } = this
    if (write.hardState !== undefined) host.write({ _tag: "HardState", hardState: write.hardState }, undefined)
    if (write.snapshot !== undefined) {
      const { snapshot } = write
      host.write({ _tag: "RaftSnapshot", snapshot, installed: true }, undefined)
      this.#snapshot = snapshot
      host.observe({ _tag: "RaftSnapshot", ...this.#at(), index: snapshot.index, term: snapshot.term })
      host.cover("snapshot installed")
    }
    if (write.entries.length > 0) {
      host.write({ _tag: "Entries", entries: write.entries }, undefined)
      const previousTerm = this.raft.termAt(write.entries[0]!.index - 1) ?? -1
      host.observe({ _tag: "RaftAppended", ...this.#at(), entries: write.entries, previousTerm })
    }
    // An empty record: its durability stands for everything before it.
    const vote = write.hardState
    host.write({ _tag: "Entries", entries: [] }, () => {
      if (vote !== undefined) {
        host.observe({ _tag: "RaftVoteDurable", ...this.#at(), term: vote.term, candidate: vote.vote?.node ?? null })
      }
      this.raft.advance(write.sequence)
    })
  }

  #apply(apply: Apply): void {
    if (apply._tag === "Entry") {
      const { entry } = apply
      if (entry.kind === EntryKind.Configuration) {
        const configuration = decodeConfiguration(entry.payload)
        assert(configuration !== undefined, "a committed configuration must be readable")
        this.#applied = configuration
      }
      this.#host.observe({ _tag: "RaftApplied", ...this.#at(), entry })
      this.#events.apply(apply)
      this.raft.applied(entry.index)
    } else {
      this.#applied = apply.snapshot.configuration
      this.#events.apply(apply)
      this.raft.applied(apply.snapshot.index)
    }
  }

  /** By growth of the log, one under way at a time. */
  #maybeSnapshot(): void {
    const { raft } = this
    const due = raft.snapshotWanted || raft.bytesSinceSnapshot >= this.#host.settings.snapshotAfterBytes
    if (this.#snapshotUnderWay || !due) return
    const index = raft.appliedIndex
    const term = raft.termAt(index)
    if (term === undefined || index <= (this.#snapshot?.index ?? 0)) return
    const image = this.#events.image()
    assert(image.offset === index + 1, "a snapshot is taken of what has been applied")
    const snapshot: Snapshot = { index, term, configuration: this.#applied, payload: encodeSnapshot(image) }
    this.#snapshotUnderWay = true
    this.#host.cover("snapshot taken")
    this.#host.write({ _tag: "RaftSnapshot", snapshot, installed: false }, () => {
      this.#snapshotUnderWay = false
      // An installed one may have overtaken it.
      if (this.#snapshot !== undefined && this.#snapshot.index >= index) return
      this.#snapshot = snapshot
      raft.snapshotSaved({ index, term, configuration: snapshot.configuration, totalBytes: snapshot.payload.length })
    })
  }

  #readSnapshot(index: number, offset: number, maxBytes: number): Uint8Array | undefined {
    if (this.#snapshot?.index !== index) return undefined
    return this.#snapshot.payload.subarray(offset, offset + maxBytes)
  }

  #tell(): void {
    const { raft, host } = this
    if (raft.role !== this.#role || raft.term !== this.#term) {
      this.#role = raft.role
      this.#term = raft.term
      host.cover(`raft ${raft.role}`)
      host.trace(() => `raft ${raft.role} term ${raft.term} last ${raft.lastIndex}`)
      host.observe({ _tag: "RaftRole", ...this.#at(), role: raft.role, term: raft.term, lastIndex: raft.lastIndex })
    }
    if (raft.commitIndex !== this.#commit) {
      this.#commit = raft.commitIndex
      host.observe({ _tag: "RaftCommit", ...this.#at(), index: raft.commitIndex })
    }
  }

  get host(): Host {
    return this.#host
  }

  #at(): { readonly node: number; readonly incarnation: number } {
    return { node: this.#host.node, incarnation: this.#host.incarnation }
  }
}
