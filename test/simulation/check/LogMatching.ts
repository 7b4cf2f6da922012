/**
 * Log matching. Raft (section 5.3): the same (index, term) is the same entry with the same predecessor's term, so equal places
 * mean equal prefixes. Partitions: the same (epoch, offset) is the same batch with the same end, an epoch begins at one offset
 * everywhere and follows the same epoch, and only what the epoch's leader appended is ever found in it.
 */
import type { Entry } from "../../../packages/core/src/raft/Entry.ts"
import type { Observation } from "../Observation.ts"
import { type Checker, partitionKey, Violation } from "./Checker.ts"

type Of<Tag extends Observation["_tag"]> = Extract<Observation, { readonly _tag: Tag }>

interface KnownEntry {
  readonly entry: Entry
  readonly previousTerm: number
}

interface KnownEpoch {
  readonly offset: number
  readonly unclean: boolean
  /** Where the leader's next batch of this epoch must start. */
  endOffset: number
  readonly batches: Map<number, { readonly endOffset: number; readonly hash: number }>
}

export const sameEntry = (a: Entry, b: Entry): boolean =>
  a === b || (a.index === b.index && a.term === b.term && a.kind === b.kind && sameBytes(a.payload, b.payload))

export const sameBytes = (a: Uint8Array, b: Uint8Array): boolean => {
  if (a === b) return true
  if (a.length !== b.length) return false
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false
  return true
}

export class LogMatching implements Checker {
  readonly name = "log matching"
  /** By index; the entries of different terms that were ever there. */
  readonly #entries: Array<Array<KnownEntry>> = []
  readonly #epochs = new Map<string, KnownEpoch>()

  observe(o: Observation): void {
    switch (o._tag) {
      case "RaftAppended":
        return this.#raft(o)
      case "Leads":
        return this.#epoch(o, o.epoch, o.markerOffset, undefined)
      case "MarkerAppended":
        return this.#epoch(o, o.epoch, o.offset, o.unclean)
      case "Appended":
        return this.#batch(o)
    }
  }

  #raft(o: Of<"RaftAppended">): void {
    let previousTerm = o.previousTerm
    let index = o.entries[0]?.index ?? 0
    for (const entry of o.entries) {
      const at = `node ${o.node} appends index ${entry.index} of term ${entry.term}`
      if (entry.index !== index++) throw new Violation("raft-log-order", `${at} where ${index - 1} is due`)
      if (entry.term < previousTerm) throw new Violation("raft-log-order", `${at} behind term ${previousTerm}`)
      this.#entry(at, entry, previousTerm)
      previousTerm = entry.term
    }
  }

  #entry(at: string, entry: Entry, previousTerm: number): void {
    this.#entries[entry.index] ??= []
    const places = this.#entries[entry.index]!
    const known = places.find((place) => place.entry.term === entry.term)
    if (known === undefined) {
      places.push({ entry, previousTerm })
      return
    }
    if (!sameEntry(known.entry, entry)) throw new Violation("raft-log-matching", `${at} with other content than known`)
    // -1: the predecessor is under a snapshot, so its term is not known there.
    if (known.previousTerm !== previousTerm && known.previousTerm >= 0 && previousTerm >= 0) {
      throw new Violation("raft-log-matching", `${at} behind term ${previousTerm}, known behind ${known.previousTerm}`)
    }
    if (known.previousTerm < 0) places[places.indexOf(known)] = { entry: known.entry, previousTerm }
  }

  #epoch(o: Of<"Leads" | "MarkerAppended">, epoch: number, offset: number, unclean: boolean | undefined): void {
    const partition = partitionKey(o.topicId, o.partition)
    const known = this.#epochs.get(`${partition} ${epoch}`)
    if (known === undefined) {
      const batches: KnownEpoch["batches"] = new Map()
      this.#epochs.set(`${partition} ${epoch}`, { offset, unclean: unclean ?? false, endOffset: offset, batches })
      return
    }
    // A leader whose log start has passed its marker has the marker there.
    const trimmed = o._tag === "Leads" && offset > known.offset
    if ((known.offset !== offset && !trimmed) || (unclean !== undefined && unclean !== known.unclean)) {
      const text = `epoch ${epoch} of ${partition} begins at ${offset} (unclean ${unclean}) on node ${o.node}`
      throw new Violation("partition-log-matching", `${text}, known at ${known.offset} (unclean ${known.unclean})`)
    }
  }

  #batch(o: Of<"Appended">): void {
    const partition = partitionKey(o.topicId, o.partition)
    // Epoch 0 has no marker round: it begins where the log does.
    if (o.epoch === 0 && !this.#epochs.has(`${partition} 0`)) {
      this.#epochs.set(`${partition} 0`, { offset: 0, unclean: false, endOffset: 0, batches: new Map() })
    }
    const at = `node ${o.node} appends [${o.baseOffset}, ${o.endOffset}) of epoch ${o.epoch} to ${partition}`
    const epoch = this.#epochs.get(`${partition} ${o.epoch}`)
    if (epoch === undefined) throw new Violation("partition-log-matching", `${at}, an epoch without a marker`)
    if (o.byLeader) {
      if (o.baseOffset !== epoch.endOffset) {
        throw new Violation("partition-log-matching", `${at} where ${epoch.endOffset} is due`)
      }
      epoch.batches.set(o.baseOffset, { endOffset: o.endOffset, hash: o.hash })
      epoch.endOffset = o.endOffset
      return
    }
    const known = epoch.batches.get(o.baseOffset)
    if (known === undefined || known.endOffset !== o.endOffset || known.hash !== o.hash) {
      const leader = known === undefined ? "nothing" : `up to ${known.endOffset}`
      throw new Violation("partition-log-matching", `${at}: its leader appended ${leader} there, or other content`)
    }
  }
}
