/**
 * A simulated node's view of the metadata log: applies what Raft commits, proposes on the leader, forwards from elsewhere,
 * and answers linearizable reads. Waiters are registered before the proposal and woken after the apply.
 */

import type { Command } from "../../../packages/core/src/metadata/Command.ts"
import { decodeCommand, encodeCommand } from "../../../packages/core/src/metadata/CommandCodec.ts"
import { EMPTY_DELTA, type MetadataDelta } from "../../../packages/core/src/metadata/MetadataDelta.ts"
import {
  type CommandResult,
  emptyImage,
  type MetadataImage
} from "../../../packages/core/src/metadata/MetadataImage.ts"
import { replay } from "../../../packages/core/src/metadata/Replay.ts"
import { decodeSnapshot } from "../../../packages/core/src/metadata/Snapshot.ts"
import { EntryKind, type Snapshot } from "../../../packages/core/src/raft/Entry.ts"
import type { Raft } from "../../../packages/core/src/raft/Raft.ts"
import type { Apply, ProposalFate, ReadOutcome } from "../../../packages/core/src/raft/Ready.ts"
import type { ErrorName } from "../workload/ClientPort.ts"
import type { Host } from "./Host.ts"

export const CLUSTER_ID = "simulated"

export type ProposeAnswer = (error: ErrorName, result: CommandResult | undefined, endOffset: number) => void

export interface ImageListener {
  readonly applied: (image: MetadataImage, delta: MetadataDelta) => void
  readonly restored: (image: MetadataImage) => void
}

/** A write on its way to the controller, and the answer to it. */
export type ForwardMessage =
  | { readonly _tag: "ForwardWrite"; readonly id: number; readonly command: Command }
  | {
      readonly _tag: "ForwardAnswer"
      readonly id: number
      readonly error: ErrorName
      readonly result: CommandResult | undefined
      readonly endOffset: number
    }

const WAITERS_MAX = 10_000
/** R5: a write or a read that is not settled by then is answered; it may still happen. */
const WAIT_MS = 2_000

interface Waiting {
  readonly expiresMs: number
  /** The wait is over without an outcome. */
  readonly expire: () => void
}

export class MetadataDriver {
  image: MetadataImage
  readonly #host: Host
  readonly #listener: ImageListener
  #raft: Raft | undefined
  /** Of tickets and forwards. */
  #next: number
  readonly #tickets = new Map<number, ProposeAnswer>()
  readonly #forwards = new Map<number, Waiting & { readonly answer: ProposeAnswer }>()
  readonly #reads = new Map<number, Waiting & { readonly done: (ok: boolean, lease: boolean) => void }>()
  #offsetWaiters: Array<{ readonly offset: number; readonly wake: () => void }> = []

  constructor(host: Host, snapshot: Snapshot | undefined, listener: ImageListener) {
    this.#host = host
    this.#listener = listener
    this.#next = host.firstId
    this.image = snapshot === undefined ? emptyImage(CLUSTER_ID) : decodeSnapshot(snapshot.payload)
  }

  attach(raft: Raft): void {
    this.#raft = raft
  }

  #due(waiting: Iterable<readonly [number, Waiting]>): void {
    const nowMs = this.#host.nowMs()
    for (const [, { expiresMs, expire }] of [...waiting]) if (expiresMs <= nowMs) expire()
  }

  tick(): void {
    this.#due(this.#forwards)
    this.#due(this.#reads)
  }

  nextDeadline(): number {
    let next = Number.POSITIVE_INFINITY
    for (const { expiresMs } of this.#forwards.values()) next = Math.min(next, expiresMs)
    for (const { expiresMs } of this.#reads.values()) next = Math.min(next, expiresMs)
    return next
  }

  /** Those who wait here; a process that dies takes them with it. */
  get pending(): number {
    return this.#tickets.size + this.#forwards.size + this.#reads.size + this.#offsetWaiters.length
  }

  // --- applying

  apply(apply: Apply): void {
    if (apply._tag === "Snapshot") {
      this.image = decodeSnapshot(apply.snapshot.payload)
      this.#host.cover("image restored")
      this.#listener.restored(this.image)
      return this.#wake()
    }
    const { entry, ticket } = apply
    if (entry.kind !== EntryKind.Command) {
      this.image = this.image.with({ offset: entry.index + 1 })
      this.#listener.applied(this.image, EMPTY_DELTA)
      if (ticket !== undefined) this.#settle(ticket, "NONE", { _tag: "Applied" }, entry.index + 1)
      return this.#wake()
    }
    const before = this.image
    const { image, delta, result } = replay(before, decodeCommand(entry.payload), entry.index)
    this.image = image
    this.#tellElections(before, delta)
    if (result._tag === "Rejected") this.#host.cover("command rejected")
    this.#listener.applied(image, delta)
    if (ticket !== undefined) this.#settle(ticket, "NONE", result, entry.index + 1)
    this.#wake()
  }

  /** By each node when it applies the command; checkers take the first. */
  #tellElections(before: MetadataImage, delta: MetadataDelta): void {
    for (const { topic, partition } of delta.partitionsChanged) {
      const { topicId } = topic
      const { leaderEpoch: epoch, leader, unclean, replicas, adding } = topic.partitions[partition]!
      if (before.topicById(topicId)?.partitions[partition]?.leaderEpoch === epoch) continue
      const counted = replicas.filter((node) => !adding.includes(node))
      this.#host.cover(unclean ? "unclean election" : leader < 0 ? "partition offline" : "partition election")
      this.#host.observe({ _tag: "Elected", topicId, partition, epoch, leader, unclean, counted })
    }
  }

  fate({ ticket, fate }: ProposalFate): void {
    this.#host.cover(`proposal ${fate}`)
    this.#settle(ticket, fate === "Lost" ? "NOT_CONTROLLER" : "REQUEST_TIMED_OUT", undefined, -1)
  }

  #settle(ticket: number, error: ErrorName, result: CommandResult | undefined, endOffset: number): void {
    const answer = this.#tickets.get(ticket)
    this.#tickets.delete(ticket)
    answer?.(error, result, endOffset)
  }

  #wake(): void {
    const { offset } = this.image
    const ready = this.#offsetWaiters.filter((waiter) => waiter.offset <= offset)
    if (ready.length === 0) return
    this.#offsetWaiters = this.#offsetWaiters.filter((waiter) => waiter.offset > offset)
    for (const waiter of ready) waiter.wake()
  }

  #await(offset: number, wake: () => void): void {
    if (this.image.offset >= offset) wake()
    else if (this.#offsetWaiters.length < WAITERS_MAX) this.#offsetWaiters.push({ offset, wake })
  }

  // --- writing

  /** On the leader only; everybody else forwards. */
  proposeHere(command: Command, answer: ProposeAnswer): void {
    const ticket = this.ticket(answer)
    const outcome = this.#raft!.propose(this.#host.nowMs(), ticket, encodeCommand(command))
    if (outcome === "proposed") return
    this.#host.cover(`propose ${outcome}`)
    this.#settle(ticket, outcome === "busy" ? "THROTTLING_QUOTA_EXCEEDED" : "NOT_CONTROLLER", undefined, -1)
  }

  /** A ticket for something that goes through Raft other than by `proposeHere`. */
  ticket(answer: ProposeAnswer): number {
    const ticket = this.#next++
    this.#tickets.set(ticket, answer)
    return ticket
  }

  refused(ticket: number, error: ErrorName): void {
    this.#settle(ticket, error, undefined, -1)
  }

  propose(command: Command, answer: ProposeAnswer): void {
    const raft = this.#raft!
    if (raft.role === "leader") return this.proposeHere(command, answer)
    if (raft.leader === undefined) return answer("NOT_CONTROLLER", undefined, -1)
    const id = this.#next++
    const expire = () => {
      this.#forwards.delete(id)
      answer("REQUEST_TIMED_OUT", undefined, -1)
    }
    this.#forwards.set(id, { answer, expire, expiresMs: this.#host.nowMs() + WAIT_MS })
    this.#host.cover("write forwarded")
    this.#host.send(raft.leader.node, "control", { _tag: "ForwardWrite", id, command } satisfies ForwardMessage, 256)
  }

  receive(from: number, message: ForwardMessage): void {
    if (message._tag === "ForwardWrite") {
      return this.proposeHere(message.command, (error, result, endOffset) =>
        this.#host.send(
          from,
          "control",
          { _tag: "ForwardAnswer", id: message.id, error, result, endOffset } satisfies ForwardMessage,
          128
        )
      )
    }
    const waiting = this.#forwards.get(message.id)
    this.#forwards.delete(message.id)
    if (waiting === undefined) return
    const { answer } = waiting
    // After a forwarded write the same node reads its own write (R17).
    this.#await(message.endOffset, () => answer(message.error, message.result, message.endOffset))
  }

  // --- reading

  /** `read` sees an image that is linearizable; not `ok` when nobody could say that of any. */
  linearizable<A>(read: (image: MetadataImage) => A, answer: (value: A | undefined, ok: boolean) => void): void {
    const raft = this.#raft!
    const ticket = this.#next++
    const expire = () => {
      this.#reads.delete(ticket)
      answer(undefined, false)
    }
    const done = (ok: boolean, lease: boolean) => {
      const value = ok ? read(this.image) : undefined
      // Rule 28: the lease is checked after the image was read. One that is over by then proves nothing: a round decides.
      if (!lease || raft.leaseHolds(this.#host.nowMs())) return answer(value, ok)
      this.#host.cover("lease over")
      this.linearizable(read, answer)
    }
    this.#reads.set(ticket, { done, expire, expiresMs: this.#host.nowMs() + WAIT_MS })
    raft.readIndex(this.#host.nowMs(), ticket)
  }

  readOutcome({ ticket, index, lease }: ReadOutcome): void {
    const waiting = this.#reads.get(ticket)
    this.#reads.delete(ticket)
    if (waiting === undefined) return
    this.#host.cover(index === null ? "read refused" : lease ? "lease read" : "read index")
    if (index === null) waiting.done(false, false)
    else this.#await(index + 1, () => waiting.done(true, lease))
  }
}
