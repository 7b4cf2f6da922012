/**
 * Memory that sockets receive into: pooled, pre-touched, reference-counted.
 *
 * All sockets read into one `receive` buffer that stays hot in the cache (Node gives the address of the next read when the
 * last one ended, so a buffer that moves with every read cannot be shared). Complete frames are copied from there into the
 * current *slab* with one copy a read, before anybody sees them: a frame never moves under its reader. A slab whose
 * references are all gone rewinds to its start; one that is still referenced when it is full is put aside and comes back
 * when the last reference goes. Frames larger than a read are assembled in slabs of their own size class.
 *
 * The memory is the CRC's own (`crcMemory`) as far as that reaches, so that record batches are checked in place. Regions
 * are never given back there, hence the free lists are the process's, not a listener's.
 *
 * **Ownership** a slab is born with one reference, its taker's. The last `release` makes the memory somebody else's.
 */
import { assert } from "@chronik-effect/core/base/Assert.ts"
import { crcMemory, isCrcMemory } from "@chronik-effect/core/base/Crc32c.ts"

/** A claim on memory that somebody else owns. `release` is called exactly once for each lease. */
export interface Lease {
  readonly release: () => void
}

const KIB = 1024
export const SLAB_BYTES = 256 * KIB
/** Room before the place where reads land, for the first bytes of a frame that an earlier read ended in. */
export const RECEIVE_LEAD_BYTES = 16 * KIB
/** The classes of 1 and 4 MiB have room for the rest of a request around a batch of that size. */
const SIZE_CLASSES = [KIB, 16 * KIB, 64 * KIB, SLAB_BYTES, 1088 * KIB, 4160 * KIB]
const SLAB_CLASS = SIZE_CLASSES.indexOf(SLAB_BYTES)
const NO_CLASS = -1
/** Slabs that change places without going through the process's lists. */
const FREE_SLABS_MAX = 4
/** The CRC's memory is 64 MiB for the whole process; this is our part of it. */
const CRC_BYTES_MAX = 40 * 1024 * KIB
/** Ordinary memory that is kept for the next burst; what is more goes back to the runtime. */
const FREE_BYTES_MAX = 32 * 1024 * KIB

const freeRegions: ReadonlyArray<Array<Uint8Array>> = SIZE_CLASSES.map(() => [])
let crcBytes = 0
let freeOrdinaryBytes = 0

function takeRegion(sizeClass: number): Uint8Array {
  const region = freeRegions[sizeClass]!.pop()
  if (region !== undefined) {
    if (!isCrcMemory(region)) freeOrdinaryBytes -= region.length
    return region
  }
  const bytes = SIZE_CLASSES[sizeClass]!
  // Small pieces are stashes of frames' first bytes: no batch is ever checked in them.
  if (bytes < 16 * KIB || crcBytes + bytes > CRC_BYTES_MAX) return new Uint8Array(bytes)
  crcBytes += bytes
  return crcMemory(bytes)
}

function giveRegion(sizeClass: number, region: Uint8Array): void {
  if (!isCrcMemory(region)) {
    if (freeOrdinaryBytes + region.length > FREE_BYTES_MAX) return
    freeOrdinaryBytes += region.length
  }
  freeRegions[sizeClass]!.push(region)
}

/** A piece of memory with a count of those who need its bytes to stay. */
export class Slab implements Lease {
  readonly bytes: Uint8Array
  readonly sizeClass: number
  private readonly owner: Slabs
  references = 1
  /** Bytes taken from the start; only of meaning for the current slab. */
  used = 0

  constructor(owner: Slabs, sizeClass: number, bytes: Uint8Array) {
    this.owner = owner
    this.sizeClass = sizeClass
    this.bytes = bytes
  }

  retain(): void {
    assert(this.references > 0, "a slab that nobody holds cannot be retained")
    this.references++
  }

  release(): void {
    assert(this.references > 0, "a slab is released once for each reference")
    if (--this.references === 0) this.owner.reclaim(this)
  }
}

/** The slabs of one listener, and how much memory their holders keep from being reused. */
export class Slabs {
  /** Reads land in `receive` from `RECEIVE_LEAD_BYTES` on. */
  readonly receive: Uint8Array
  /** What a socket is told to read into. */
  readonly receiveTarget: Uint8Array
  /** Bytes of all slabs that are taken, the current one not counted. Zero when nothing is in flight. */
  bytesInUse = 0
  /** Called whenever a slab came back. */
  onFree: () => void = () => {}
  private current: Slab
  private readonly freeSlabs: Array<Slab> = []
  private closed = false

  constructor() {
    this.receive = takeRegion(SLAB_CLASS).fill(0)
    this.receiveTarget = this.receive.subarray(RECEIVE_LEAD_BYTES)
    this.current = this.newSlab(SLAB_CLASS)
    this.current.bytes.fill(0)
    this.current.references = 0
  }

  /** References held by anyone to any slab: what is put in the current slab included. */
  get hasReferences(): boolean {
    return this.bytesInUse > 0 || this.current.references > 0
  }

  /**
   * Copies `source[start, end)` behind what the current slab holds, at most `SLAB_BYTES`. The copy lies at `slab.used`
   * minus its length, and carries one reference of the caller.
   */
  stage(source: Uint8Array, start: number, end: number): Slab {
    const length = end - start
    assert(length <= SLAB_BYTES, "what is staged at once must fit into a slab")
    let slab = this.current
    if (slab.used + length > SLAB_BYTES) {
      // A slab without references has used === 0, so this one is held: it comes back through `reclaim`.
      this.bytesInUse += SLAB_BYTES
      slab = this.freeSlabs.pop() ?? this.newSlab(SLAB_CLASS)
      slab.references = 0
      this.current = slab
    }
    slab.bytes.set(source.subarray(start, end), slab.used)
    slab.used += length
    slab.references++
    return slab
  }

  /** A slab of its own with at least `bytes` bytes of room. */
  take(bytes: number): Slab {
    const sizeClass = SIZE_CLASSES.findIndex((size) => size >= bytes)
    const slab = this.newSlab(sizeClass, bytes)
    this.bytesInUse += slab.bytes.length
    return slab
  }

  /** For `Slab.release` only. */
  reclaim(slab: Slab): void {
    slab.used = 0
    if (slab === this.current) {
      if (this.closed) giveRegion(slab.sizeClass, slab.bytes)
      return
    }
    this.bytesInUse -= slab.bytes.length
    assert(this.bytesInUse >= 0, "no more memory comes back than was taken")
    if (slab.sizeClass === SLAB_CLASS && this.freeSlabs.length < FREE_SLABS_MAX && !this.closed)
      this.freeSlabs.push(slab)
    else if (slab.sizeClass !== NO_CLASS) giveRegion(slab.sizeClass, slab.bytes)
    this.onFree()
  }

  /** Gives the memory back to the process's lists, what is still referenced when it is released. Nothing is taken after. */
  close(): void {
    this.closed = true
    giveRegion(SLAB_CLASS, this.receive)
    if (this.current.references === 0) giveRegion(SLAB_CLASS, this.current.bytes)
    for (const slab of this.freeSlabs) giveRegion(SLAB_CLASS, slab.bytes)
    this.freeSlabs.length = 0
  }

  private newSlab(sizeClass: number, bytes = 0): Slab {
    return new Slab(this, sizeClass, sizeClass === NO_CLASS ? new Uint8Array(bytes) : takeRegion(sizeClass))
  }
}
