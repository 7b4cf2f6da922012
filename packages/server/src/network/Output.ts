/**
 * What leaves a connection: answers staged during a turn, written together at its end.
 *
 * Small parts are copied behind one another into one reusable buffer, large leased ones are kept by reference between them;
 * `flush` hands everything to the socket under one cork, so that a turn costs one write call. Usually the kernel takes it
 * all at once; then the buffer is used again and the leases are released. When it does not, the peer reads too slowly:
 * nothing more is written until the socket says that it is empty, so that what piles up is counted and in one place.
 *
 * **Ownership** the buffer belongs to this object until a flush gets stuck, then to the socket, and a fresh one is taken.
 */
import type { NetSocket } from "../io/Net.ts"
import type { Lease } from "../io/Slabs.ts"
import { REFERENCED_BYTES_MIN } from "./RequestHandler.ts"
import type { TrafficStats } from "./Traffic.ts"

const BUFFER_BYTES_MIN = 1024
const BUFFER_BYTES_MAX = 64 * 1024
const NO_BUFFER = new Uint8Array(0)

export class Output {
  /** Staged, held for order, or in the air: all that the peer has not taken. */
  bytes = 0
  /** True while the socket holds bytes that the kernel has not taken. */
  isStuck = false
  private readonly socket: NetSocket
  private readonly stats: TrafficStats
  private readonly onDrained: () => void
  private buffer: Uint8Array = NO_BUFFER
  /** `buffer[from, length)` is staged and not yet among `chunks`. */
  private from = 0
  private length = 0
  private chunks: Array<Uint8Array> = []
  private stagedBytes = 0
  private airBytes = 0
  private stagedLeases: Array<Lease> = []
  private airLeases: ReadonlyArray<Lease> = []

  constructor(socket: NetSocket, stats: TrafficStats, onDrained: () => void) {
    this.socket = socket
    this.stats = stats
    this.onDrained = onDrained
  }

  get hasStaged(): boolean {
    return this.stagedBytes > 0
  }

  get isEmpty(): boolean {
    return this.stagedBytes === 0 && !this.isStuck
  }

  /** Counts bytes that wait elsewhere for their turn, or with a negative number, that they do so no more. */
  hold(bytes: number): void {
    this.bytes += bytes
    this.stats.outputBytes += bytes
  }

  stage(parts: ReadonlyArray<Uint8Array>, leases: ReadonlyArray<Lease> | undefined): void {
    let referenced = false
    for (let i = 0; i < parts.length; i++) {
      const part = parts[i]!
      this.stagedBytes += part.length
      this.hold(part.length)
      if (leases === undefined || part.length < REFERENCED_BYTES_MIN) this.copy(part)
      else {
        referenced = true
        this.pushSmall()
        this.chunks.push(part)
      }
    }
    if (leases === undefined) return
    if (referenced) for (const lease of leases) this.stagedLeases.push(lease)
    else releaseAll(leases)
  }

  /** Writes all that is staged, unless the socket still holds an earlier part. */
  flush(): void {
    const bytes = this.stagedBytes
    if (bytes === 0 || this.isStuck) return
    this.stagedBytes = 0
    this.stats.bytesOut += bytes
    if (this.chunks.length === 0) this.socket.write(this.buffer.subarray(0, this.length))
    else {
      this.pushSmall()
      this.socket.writeAll(this.chunks)
      this.chunks = []
    }
    this.from = 0
    this.length = 0
    const leases = this.stagedLeases
    if (leases.length > 0) this.stagedLeases = []
    if (this.socket.unsentBytes === 0) {
      this.hold(-bytes)
      releaseAll(leases)
      return
    }
    this.isStuck = true
    this.airBytes = bytes
    this.airLeases = leases
    this.buffer = NO_BUFFER
    this.socket.whenSent(this.sent)
  }

  /**
   * Drops what has not been given to the socket. What has been, it may still be reading (see `socketClosed`), but it counts
   * no more: the end of the socket is a turn away, and until then whoever looks for bytes to shed would look at the next one.
   */
  drop(): void {
    const leases = this.stagedLeases
    this.hold(-this.stagedBytes - this.airBytes)
    this.stagedBytes = 0
    this.airBytes = 0
    this.chunks = []
    this.stagedLeases = []
    this.buffer = NO_BUFFER
    releaseAll(leases)
  }

  /** The socket is gone and reads nothing more. */
  socketClosed(): void {
    const leases = this.airLeases
    this.hold(-this.airBytes)
    this.airBytes = 0
    this.airLeases = []
    this.isStuck = false
    releaseAll(leases)
  }

  private readonly sent = (): void => {
    if (!this.isStuck) return
    this.socketClosed()
    this.onDrained()
  }

  private copy(part: Uint8Array): void {
    const bytes = part.length
    if (this.buffer.length - this.length < bytes && !this.makeRoom(bytes)) {
      this.pushSmall()
      this.chunks.push(part.slice())
      return
    }
    this.buffer.set(part, this.length)
    this.length += bytes
  }

  /** False when `bytes` are too many for the buffer. */
  private makeRoom(bytes: number): boolean {
    const wanted = this.length - this.from + bytes
    if (wanted > BUFFER_BYTES_MAX && bytes > BUFFER_BYTES_MAX / 4) return false
    // What is among the chunks already is a view of the old buffer and stays there.
    const kept = wanted <= BUFFER_BYTES_MAX && this.from === 0
    if (!kept) this.pushSmall()
    let size = Math.max(BUFFER_BYTES_MIN, this.buffer.length)
    while (size < BUFFER_BYTES_MAX && size < (kept ? wanted : bytes) * 2) size *= 2
    const fresh = new Uint8Array(size)
    if (kept) fresh.set(this.buffer.subarray(0, this.length))
    else {
      this.from = 0
      this.length = 0
    }
    this.buffer = fresh
    return true
  }

  private pushSmall(): void {
    if (this.length > this.from) this.chunks.push(this.buffer.subarray(this.from, this.length))
    this.from = this.length
  }
}

export function releaseAll(leases: ReadonlyArray<Lease>): void {
  for (let i = 0; i < leases.length; i++) leases[i]!.release()
}
