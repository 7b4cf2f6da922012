/**
 * The markers that a replica's log holds, as the protocol asks for them: which places are in the log, where an epoch ends, and
 * which epochs began uncleanly. Never empty: a log begins with the epoch that is in force at its start.
 *
 * The order and the bound are `LeaderEpochs`'. Where markers are dropped from the front (the log start moved, or there were too
 * many) the first that is left is unclean if one of them was: "an unclean election lies at or before this place".
 */
import { assert } from "../base/Assert.ts"
import { LeaderEpochs } from "../log/LeaderEpochs.ts"
import type { Marker } from "./Frame.ts"
import type { Point } from "./Point.ts"

/** Shared by all logs without an unclean epoch, which is nearly all of them. */
const NONE: ReadonlyArray<number> = []

export class Markers {
  #epochs = new LeaderEpochs()
  /** Rising. A part of the known epochs. */
  #unclean: ReadonlyArray<number> = NONE

  constructor(markers: ReadonlyArray<Marker>) {
    assert(markers.length > 0, "a log must hold the marker that is in force at its start")
    for (const marker of markers) this.append(marker)
  }

  get first(): Point {
    return { epoch: this.#epochs.firstEpoch, offset: this.#epochs.firstStart }
  }
  get latestEpoch(): number {
    return this.#epochs.latestEpoch
  }
  /** The newest epoch that began uncleanly, -1 for none. */
  get uncleanEpoch(): number {
    return this.#unclean.at(-1) ?? -1
  }

  has(epoch: number): boolean {
    return this.#epochs.startOf(epoch) >= 0
  }
  startOf(epoch: number): number {
    return this.#epochs.startOf(epoch)
  }
  endOf(epoch: number, logEndOffset: number): number {
    return this.#epochs.endOf(epoch, logEndOffset)
  }
  largestTo(epoch: number): number {
    return this.#epochs.largestTo(epoch)
  }
  epochAt(offset: number): number {
    return this.#epochs.epochAt(offset)
  }
  contains(point: Point, logEndOffset: number): boolean {
    return this.#epochs.contains(point.epoch, point.offset, logEndOffset)
  }

  /** The first marker of an epoch > `epoch`. */
  after(epoch: number): Marker | undefined {
    const next = this.#epochs.firstAfter(epoch)
    return next < 0 ? undefined : this.#marker(next)
  }

  /** Markers of epochs > `epoch` that begin at or before `endOffset`, in log order. */
  between(epoch: number, endOffset: number): Array<Marker> {
    const markers: Array<Marker> = []
    for (let marker = this.after(epoch); marker !== undefined && marker.offset <= endOffset; ) {
      markers.push(marker)
      marker = this.after(marker.epoch)
    }
    return markers
  }

  all(): Array<Marker> {
    return this.between(-1, Number.MAX_SAFE_INTEGER)
  }

  /**
   * Whether a log whose newest unclean epoch is `uncleanEpoch` has an unclean election that this log does not know: only then
   * may this log be cut below its high watermark (rule 21).
   */
  missUnclean(uncleanEpoch: number): boolean {
    if (uncleanEpoch < 0 || this.has(uncleanEpoch)) return false
    const first = this.#epochs.firstEpoch
    return !(this.#unclean.includes(first) && uncleanEpoch <= first)
  }

  append(marker: Marker): void {
    const first = this.#epochs.firstEpoch
    const added = this.#epochs.assign(marker.epoch, marker.offset)
    assert(added, "a marker must be of a newer epoch than the log's")
    if (marker.unclean) this.#unclean = [...this.#unclean, marker.epoch]
    if (this.#epochs.firstEpoch !== first) this.#carryUnclean()
  }

  cutTo(point: Point): void {
    this.#epochs.truncateToPoint(point.epoch, point.offset)
    if (this.#unclean.length > 0) this.#unclean = this.#unclean.filter((epoch) => epoch <= point.epoch)
  }

  startAt(offset: number): void {
    this.#epochs.startAt(offset)
    this.#carryUnclean()
  }

  /** The log begins anew at `point`. */
  reset(point: Point, unclean: boolean): void {
    this.#epochs.clear()
    this.#unclean = NONE
    this.append({ epoch: point.epoch, offset: point.offset, unclean })
  }

  #carryUnclean(): void {
    if (this.#unclean.length === 0) return
    const first = this.#epochs.firstEpoch
    const later = this.#unclean.filter((epoch) => epoch > first)
    if (later.length < this.#unclean.length) later.unshift(first)
    this.#unclean = later
  }

  #marker(epoch: number): Marker {
    return { epoch, offset: this.#epochs.startOf(epoch), unclean: this.#unclean.includes(epoch) }
  }
}
