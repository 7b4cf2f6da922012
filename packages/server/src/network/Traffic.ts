/**
 * What the connections of a listener share: the memory they receive into, the limits, the counters, and who must wait.
 *
 * Two things are bounded for the node as a whole. **Received bytes** (frames being assembled or still needed by handlers):
 * past the limit every connection stops reading, and they resume in the order in which they were stopped, as many at a
 * time as there is room for. If it is half-sent frames that fill the memory, nobody but their senders can free it: then the
 * one that began first goes on alone. **Undrained answers**: past the limit the connections whose peer has not read for
 * the longest time are closed.
 *
 * It deliberately has no clock: `sweep` is called at a steady period by the listener's fiber, and idleness is counted in
 * sweeps without activity.
 */
import { SLAB_BYTES, Slabs } from "../io/Slabs.ts"
import { Turn } from "../io/Turn.ts"

export interface TrafficLimits {
  /** `socket.request.max.bytes`: a longer frame closes its connection. */
  readonly requestBytesMax: number
  /** Requests of one connection that are not yet answered; further ones stay unread. */
  readonly requestsInFlightMax: number
  /** Received bytes in memory, all connections together. */
  readonly inFlightBytesMax: number
  /** Answers of one connection that its peer has not taken; past it no further request is read. */
  readonly outputBytesMax: number
  /** The same for all connections together; past it the longest-stuck are closed. */
  readonly outputBytesTotalMax: number
  /** Sweeps without activity after which an idle connection is closed. */
  readonly idleSweepsMax: number
  /** Sweeps after which a peer is given up that others wait for, or that does not close its half. */
  readonly stuckSweepsMax: number
}

/** Plain counters. The first group are levels, the others only grow. */
export class TrafficStats {
  connectionsOpen = 0
  connectionsPaused = 0
  outputBytes = 0
  connectionsAccepted = 0
  connectionsRefused = 0
  requests = 0
  bytesIn = 0
  bytesOut = 0
  pauses = 0
  closedMalformed = 0
  closedStuck = 0
  closedIdle = 0
  closedFailed = 0
}

/** A connection as the node-wide rules see it. */
export interface Participant {
  /** False while it is muted: then nobody may wait for what it would read. */
  readonly mayRead: boolean
  /** Called while the node is over its limit: read no more. */
  halt(): void
  /** Called once it may read again. It may be halted anew before it has read anything. */
  resume(): void
  shed(reason: string): void
}

export class Traffic {
  readonly slabs = new Slabs()
  readonly turn = new Turn()
  readonly stats = new TrafficStats()
  readonly limits: TrafficLimits
  /** Logs a warning unless the kind had too many of late. */
  readonly warn: (kind: string, message: string) => void
  readonly participants: Set<Participant> = new Set()
  /** Those whose output waits for their peer, the longest waiting first. */
  readonly stuck: Set<Participant> = new Set()
  /** Those with a large frame half received, the oldest first, and the memory they hold for it. */
  private readonly assembling: Map<Participant, number> = new Map()
  private assemblingBytes = 0
  /** Those that stopped because of the node's limit, in that order. */
  private readonly waiting: Set<Participant> = new Set()
  private overLimit = false
  private resuming = false
  private privileged: Participant | undefined = undefined

  constructor(limits: TrafficLimits, warn: (kind: string, message: string) => void) {
    this.limits = limits
    this.warn = warn
    this.slabs.onFree = () => {
      if (this.overLimit) this.scheduleResume()
    }
  }

  /** Whether `participant` must not read now because of the node's limit. A true answer puts it into the queue. */
  mustWait(participant: Participant): boolean {
    if (!this.overLimit) {
      if (this.handledBytes <= this.limits.inFlightBytesMax) return this.mustWaitToAssemble(participant)
      this.overLimit = true
      for (const other of this.participants) {
        if (other === participant) continue
        this.waiting.add(other)
        other.halt()
      }
      this.scheduleResume()
    }
    if (participant === this.privileged) return false
    this.waiting.add(participant)
    return true
  }

  /**
   * Half-received frames have a limit of their own, and past it only those wait that receive one: a peer that sends half a
   * frame and stops must not keep the others from sending whole ones.
   */
  private mustWaitToAssemble(participant: Participant): boolean {
    if (this.assemblingBytes <= this.limits.inFlightBytesMax || !this.assembling.has(participant)) return false
    this.choosePrivileged()
    if (participant === this.privileged) return false
    this.waiting.add(participant)
    return true
  }

  /** Half-received frames hold little: a claim of ordinary size may have its memory at once, which saves copies later. */
  get mayTrustClaims(): boolean {
    return this.assemblingBytes < this.limits.inFlightBytesMax / 4
  }

  /** Receive memory of whole frames. */
  private get handledBytes(): number {
    return this.slabs.bytesInUse - this.assemblingBytes
  }

  isPrivileged(participant: Participant): boolean {
    return participant === this.privileged
  }

  /** `bytes` of memory are held for a half-received frame; 0 when it is complete. */
  assembles(participant: Participant, bytes: number): void {
    this.assemblingBytes += bytes - (this.assembling.get(participant) ?? 0)
    if (bytes > 0) this.assembling.set(participant, bytes)
    else if (this.assembling.delete(participant)) {
      if (participant === this.privileged) this.privileged = undefined
      if (this.waiting.size > 0) this.scheduleResume()
    }
  }

  /** The connection is gone: whatever waited for it goes on. */
  forget(participant: Participant): void {
    this.participants.delete(participant)
    this.stuck.delete(participant)
    this.waiting.delete(participant)
    this.assembles(participant, 0)
  }

  /** Called when output got stuck: keeps the node's undrained bytes under their limit. */
  shedStuck(): void {
    for (const participant of this.stuck) {
      if (this.stats.outputBytes <= this.limits.outputBytesTotalMax) return
      this.stats.closedStuck++
      participant.shed("its peer does not read and the node's limit of undrained answers is reached")
    }
  }

  private scheduleResume(): void {
    if (this.resuming) return
    this.resuming = true
    this.turn.nextRound(() => {
      this.resuming = false
      this.resumeWaiting()
    })
  }

  private resumeWaiting(): void {
    const { inFlightBytesMax } = this.limits
    // A quarter of room first, so that the limit does not stop and start everybody at each frame.
    if (this.overLimit && this.handledBytes > inFlightBytesMax * 0.75) {
      this.choosePrivileged()
      return
    }
    this.overLimit = false
    const crowded = this.assemblingBytes > inFlightBytesMax * 0.75
    if (crowded) this.choosePrivileged()
    else this.privileged = undefined
    // Each may fill a slab before the limit is looked at again.
    let room = Math.max(1, Math.floor((inFlightBytesMax - this.handledBytes) / SLAB_BYTES))
    for (const participant of this.waiting) {
      if (crowded && this.assembling.has(participant)) continue
      if (room-- === 0) {
        this.scheduleResume()
        return
      }
      this.waiting.delete(participant)
      participant.resume()
      if (this.overLimit) return
    }
  }

  /** It is muted: whoever waited for it waits for the next one. */
  yields(participant: Participant): void {
    if (participant !== this.privileged) return
    this.privileged = undefined
    this.choosePrivileged()
  }

  private choosePrivileged(): void {
    if (this.privileged !== undefined || this.assemblingBytes < this.limits.inFlightBytesMax / 2) return
    for (const participant of this.assembling.keys()) {
      if (!participant.mayRead) continue
      this.privileged = participant
      this.waiting.delete(participant)
      participant.resume()
      return
    }
  }
}
