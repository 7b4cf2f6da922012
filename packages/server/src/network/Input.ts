/**
 * The receiving half of a connection: bytes to frames, in order, each whole and in place.
 *
 * A read lands in the listener's shared buffer. Its complete frames are copied into a slab and handled at once. The
 * incomplete rest is kept: a short one as a *stash* which is put before the next read's bytes, a long one in an *assembly*
 * slab that the socket then reads into directly. An assembly grows with what has really come, never with what a length
 * prefix claims. Frames that have come when no more may be handled are the *backlog*: they are first when it goes on.
 *
 * Deliberately absent: what is in a frame, and when reading stops.
 *
 * **Ownership** `stash`, `assembly` and `backlog` each hold one reference to their slab.
 */
import { assert } from "@chronik-effect/core/base/Assert.ts"
import { RECEIVE_LEAD_BYTES, type Slab } from "../io/Slabs.ts"
import { monotonicMicros } from "../io/Turn.ts"
import type { Participant, Traffic } from "./Traffic.ts"

const LENGTH_BYTES = 4
/** Frames up to this size wait in the shared buffer's lead for their rest; larger ones are worth a slab of their own. */
const STASHED_FRAME_BYTES_MAX = 64 * 1024
const ASSEMBLY_GROWTH = 4
/** A batch of Kafka's usual largest size, with its request around it. */
const TRUSTED_FRAME_BYTES_MAX = 1024 * 1024 + 64 * 1024

/** The connection, as its receiving half sees it. */
export interface FrameOwner extends Participant {
  readonly isOpen: boolean
  readonly mayHandle: () => boolean
  /** The frame without its length. */
  readonly handleFrame: (slab: Slab, start: number, end: number) => void
  readonly closeMalformed: (reason: string) => void
}

export class Input {
  /** When the bytes of the frame that is being handled came. */
  receivedAtMicros = 0
  private readonly owner: FrameOwner
  private readonly traffic: Traffic
  private stash: Slab | undefined = undefined
  private stashBytes = 0
  private assembly: Slab | undefined = undefined
  private assemblyBytes = 0
  private assemblyNeed = 0
  /** Whether the socket was last told to read into the assembly. */
  private direct = false
  private backlog: Slab | undefined = undefined
  private backlogStart = 0
  private backlogEnd = 0

  constructor(owner: FrameOwner, traffic: Traffic) {
    this.owner = owner
    this.traffic = traffic
  }

  get hasBacklog(): boolean {
    return this.backlog !== undefined
  }

  /** Forgets what is half received or not yet handled. */
  drop(): void {
    if (this.stash !== undefined) this.dropStash()
    this.assembly?.release()
    this.assembly = undefined
    this.backlog?.release()
    this.backlog = undefined
  }

  /** Where the socket's next read goes. */
  readonly target = (): Uint8Array => {
    this.direct = this.assembly !== undefined && this.backlog === undefined && this.owner.isOpen
    if (!this.direct) return this.traffic.slabs.receiveTarget
    const { bytes } = this.assembly!
    return bytes.subarray(this.assemblyBytes, Math.min(this.assemblyNeed, bytes.length))
  }

  /** `count` bytes have come to where `target` said. */
  received(count: number): void {
    this.receivedAtMicros = monotonicMicros()
    if (this.direct) {
      this.assemblyBytes += count
      this.assemble()
    } else this.receive(count)
  }

  private receive(count: number): void {
    const { receive } = this.traffic.slabs
    let start = RECEIVE_LEAD_BYTES
    const end = start + count
    if (this.assembly !== undefined) start += this.appendToAssembly(receive, start, end)
    else if (this.stash !== undefined) {
      start -= this.stashBytes
      receive.set(this.stash.bytes.subarray(0, this.stashBytes), start)
      this.dropStash()
    }
    if (start < end && this.owner.isOpen) this.take(receive, start, end)
  }

  /** Handles the complete frames of `bytes[start, end)`, which is not ours to keep, and keeps the rest. */
  private take(bytes: Uint8Array, start: number, end: number): void {
    if (!this.owner.mayHandle()) {
      this.keepBacklog(bytes, start, end)
      return
    }
    const complete = this.completeFrames(bytes, start, end)
    if (complete < 0) return
    let handled = start
    if (complete > start) {
      const slab = this.traffic.slabs.stage(bytes, start, complete)
      const from = slab.used - (complete - start)
      handled += this.handleFrames(slab, from, slab.used) - from
      slab.release()
    }
    if (!this.owner.isOpen || handled === end) return
    if (handled === complete) this.keepRest(bytes, complete, end)
    else this.keepBacklog(bytes, handled, end)
  }

  /** End of the last complete frame, or -1 when a length is out of bounds and the connection was closed. */
  private completeFrames(bytes: Uint8Array, start: number, end: number): number {
    let pos = start
    while (end - pos >= LENGTH_BYTES) {
      const length = this.frameLength(bytes, pos)
      if (length < 0) return -1
      if (end - pos - LENGTH_BYTES < length) break
      pos += LENGTH_BYTES + length
    }
    return pos
  }

  /** The length prefix at `pos`; -1 when it is out of bounds: then the connection was closed. */
  private frameLength(bytes: Uint8Array, pos: number): number {
    const length = (bytes[pos]! << 24) | (bytes[pos + 1]! << 16) | (bytes[pos + 2]! << 8) | bytes[pos + 3]!
    const max = this.traffic.limits.requestBytesMax
    if (length >= 0 && length <= max) return length
    this.owner.closeMalformed(
      `a frame claims ${length} bytes, which is not between 0 and socket.request.max.bytes=${max}`
    )
    return -1
  }

  /** Hands out the frames in `slab` until no more may be handled; returns where it stopped. */
  private handleFrames(slab: Slab, start: number, end: number): number {
    const { bytes } = slab
    let pos = start
    while (pos < end && this.owner.mayHandle()) {
      const body = pos + LENGTH_BYTES
      const length = (bytes[pos]! << 24) | (bytes[pos + 1]! << 16) | (bytes[pos + 2]! << 8) | bytes[pos + 3]!
      pos = body + length
      this.owner.handleFrame(slab, body, pos)
    }
    return pos
  }

  private keepRest(bytes: Uint8Array, start: number, end: number): void {
    const have = end - start
    const length = have < LENGTH_BYTES ? 0 : this.frameLength(bytes, start)
    if (length < 0) return
    const need = LENGTH_BYTES + length
    if (need <= STASHED_FRAME_BYTES_MAX && have <= RECEIVE_LEAD_BYTES) {
      this.stash = this.traffic.slabs.take(have)
      this.stash.bytes.set(bytes.subarray(start, end))
      this.stashBytes = have
      return
    }
    this.assemblyNeed = need
    this.assemblyBytes = 0
    const trusted = need <= TRUSTED_FRAME_BYTES_MAX && this.traffic.mayTrustClaims
    this.growAssembly(trusted ? need : Math.min(need, Math.max(STASHED_FRAME_BYTES_MAX, have * ASSEMBLY_GROWTH)))
    this.assembly!.bytes.set(bytes.subarray(start, end))
    this.assemblyBytes = have
  }

  private growAssembly(room: number): void {
    const old = this.assembly
    this.assembly = this.traffic.slabs.take(room)
    if (old !== undefined) {
      this.assembly.bytes.set(old.bytes.subarray(0, this.assemblyBytes))
      old.release()
    }
    this.traffic.assembles(this.owner, this.assembly.bytes.length)
  }

  /** Moves what the frame still needs from the shared buffer; returns how many bytes it took. */
  private appendToAssembly(bytes: Uint8Array, start: number, end: number): number {
    const count = Math.min(end - start, this.assemblyNeed - this.assemblyBytes)
    const needed = this.assemblyBytes + count
    if (needed > this.assembly!.bytes.length) {
      this.growAssembly(Math.min(this.assemblyNeed, Math.max(needed, this.assemblyBytes * ASSEMBLY_GROWTH)))
    }
    this.assembly!.bytes.set(bytes.subarray(start, start + count), this.assemblyBytes)
    this.assemblyBytes += count
    this.assemble()
    return count
  }

  /** The assembly has grown: handle the frame when it is complete, make room when it is full. */
  private assemble(): void {
    const slab = this.assembly!
    const need = this.assemblyNeed
    if (this.assemblyBytes < need) {
      if (this.assemblyBytes < slab.bytes.length) return
      this.growAssembly(Math.min(need, this.assemblyBytes * ASSEMBLY_GROWTH))
      return
    }
    assert(this.assemblyBytes === need, "an assembly holds one frame")
    this.assembly = undefined
    this.traffic.assembles(this.owner, 0)
    if (this.owner.mayHandle()) {
      this.handleFrames(slab, 0, need)
      slab.release()
    } else {
      this.backlog = slab
      this.backlogStart = 0
      this.backlogEnd = need
    }
  }

  private keepBacklog(bytes: Uint8Array, start: number, end: number): void {
    const old = this.backlog
    const kept = old === undefined ? 0 : this.backlogEnd - this.backlogStart
    const backlog = this.traffic.slabs.take(kept + end - start)
    if (old !== undefined) {
      backlog.bytes.set(old.bytes.subarray(this.backlogStart, this.backlogEnd))
      old.release()
    }
    backlog.bytes.set(bytes.subarray(start, end), kept)
    this.backlog = backlog
    this.backlogStart = 0
    this.backlogEnd = kept + end - start
  }

  /** The backlog's frames are handled where they lie: one that was assembled alone is larger than a slab of the ring. */
  takeBacklog(): void {
    const backlog = this.backlog
    if (backlog === undefined) return
    const end = this.backlogEnd
    this.backlog = undefined
    this.receivedAtMicros = monotonicMicros()
    const complete = this.completeFrames(backlog.bytes, this.backlogStart, end)
    if (complete >= 0) {
      const handled = this.handleFrames(backlog, this.backlogStart, complete)
      if (this.owner.isOpen && handled < complete) {
        this.backlog = backlog
        this.backlogStart = handled
        return
      }
      if (this.owner.isOpen && complete < end) this.keepRest(backlog.bytes, complete, end)
    }
    backlog.release()
  }

  private dropStash(): void {
    this.stash!.release()
    this.stash = undefined
    this.stashBytes = 0
  }
}
