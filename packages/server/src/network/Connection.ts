/**
 * One client's connection: bytes in, requests out in their order; answers in any order, bytes out in the requests' order.
 *
 * No fiber and no timer of its own: everything is driven by the socket's callbacks and by the end of the turn. What
 * `handle` throws, and whatever is malformed, ends this connection and no other.
 *
 * **Waiting** Nothing is read while too many requests are unanswered, too many bytes of answers are not taken by the peer,
 * or the node holds too much.
 */
import { assert } from "@chronik-effect/core/base/Assert.ts"
import type { NetSocket, SocketEvents } from "../io/Net.ts"
import type { Lease, Slab } from "../io/Slabs.ts"
import type { Turnable } from "../io/Turn.ts"
import { IncomingRequest, type RequestOwner, RequestState } from "./IncomingRequest.ts"
import { type FrameOwner, Input } from "./Input.ts"
import { Output, releaseAll } from "./Output.ts"
import { type Connection as HandlerConnection, REFERENCED_BYTES_MIN, type Request } from "./RequestHandler.ts"
import { RequestHeader } from "./RequestHeader.ts"
import type { Traffic } from "./Traffic.ts"

const NO_LEASES: ReadonlyArray<Lease> = []

export interface ConnectionHandler {
  readonly handle: (request: Request) => void
  /** All is answered and sent; what remains is the peer's part of the end. */
  readonly finished: (connection: HandlerConnection) => void
  /** Called once for each connection, when nothing of it is left. */
  readonly closed: (connection: HandlerConnection) => void
}

export class Connection implements RequestOwner, SocketEvents, FrameOwner, Turnable {
  readonly id: number
  readonly remoteAddress: string
  readonly remotePort: number
  isOpen = true
  private readonly socket: NetSocket
  private readonly traffic: Traffic
  private readonly handler: ConnectionHandler
  private readonly input: Input
  private readonly output: Output
  private readonly header = new RequestHeader()
  /** Requests whose answer has not left yet, in order. */
  private first: IncomingRequest | undefined = undefined
  private last: IncomingRequest | undefined = undefined
  private inFlight = 0
  private paused = false
  /** Its client has to pause: what it sends is not even read. */
  private muted = false
  /** No further request is read; when all is answered and sent the connection ends. */
  private ending = false
  private finished = false
  private inTurn = false
  private active = true
  private idleSweeps = 0

  constructor(id: number, socket: NetSocket, traffic: Traffic, handler: ConnectionHandler) {
    this.id = id
    this.socket = socket
    this.remoteAddress = socket.remoteAddress
    this.remotePort = socket.remotePort
    this.traffic = traffic
    this.handler = handler
    this.input = new Input(this, traffic)
    this.output = new Output(socket, traffic.stats, this.drained)
    traffic.participants.add(this)
    traffic.stats.connectionsOpen++
  }

  // ---- requests in ---------------------------------------------------------------------------------------------------

  /** Where the socket's next read goes. */
  readonly target = (): Uint8Array => this.input.target()

  /** `count` bytes have come to where `target` said. False stops the reading. */
  readonly onRead = (count: number): boolean => {
    if (!this.isOpen) return false
    this.active = true
    this.traffic.stats.bytesIn += count
    if (this.finished) return true
    const { turn } = this.traffic
    turn.polling = true
    try {
      this.input.received(count)
      return this.isOpen && !this.pauseIfNeeded()
    } catch (cause) {
      return this.fail(cause)
    } finally {
      turn.polling = false
    }
  }

  handleFrame(slab: Slab, start: number, end: number): void {
    const wrong = this.header.read(slab.bytes, start, end)
    if (wrong !== undefined) {
      this.closeMalformed(`a request cannot be read: ${wrong}`)
      return
    }
    const request = new IncomingRequest(this, this.header, slab, slab.bytes, end, this.input.receivedAtMicros)
    if (this.last === undefined) this.first = request
    else this.last.next = request
    this.last = request
    this.inFlight++
    this.traffic.stats.requests++
    try {
      this.handler.handle(request)
    } catch (cause) {
      this.traffic.stats.closedFailed++
      this.close(`handling ${describe(request)} failed: ${causeText(cause)}`)
    }
  }

  // ---- answers out ---------------------------------------------------------------------------------------------------

  answer(request: IncomingRequest, parts: ReadonlyArray<Uint8Array>, leases: ReadonlyArray<Lease> | undefined): void {
    assert(request.state === RequestState.PENDING, "a request is answered exactly once")
    if (!this.isOpen) {
      request.ended()
      if (leases !== undefined) releaseAll(leases)
      return
    }
    if (request === this.first) {
      this.output.stage(parts, leases)
      this.leave(request)
      this.leaveHeld()
      this.endOfTurn()
      return
    }
    const held = keptParts(parts, leases)
    let bytes = 0
    for (const part of held) bytes += part.length
    this.output.hold(bytes)
    request.hold(held, leases ?? NO_LEASES, bytes)
  }

  private leaveHeld(): void {
    for (let request = this.first; request?.state === RequestState.HELD; request = this.first) {
      this.output.hold(-request.heldBytes)
      this.output.stage(request.heldParts, request.heldLeases)
      this.leave(request)
    }
  }

  private leave(request: IncomingRequest): void {
    this.first = request.next
    if (this.first === undefined) this.last = undefined
    this.inFlight--
    request.ended()
  }

  private endOfTurn(): void {
    if (this.inTurn) return
    this.inTurn = true
    this.traffic.turn.add(this)
  }

  /** Runs at the end of each turn in which something was answered, sent or freed. */
  turn(): void {
    this.inTurn = false
    if (!this.isOpen) return
    try {
      this.output.flush()
      if (this.output.isStuck && !this.traffic.stuck.has(this)) {
        this.traffic.stuck.add(this)
        this.traffic.shedStuck()
      }
      if (!this.isOpen) return
      if (this.ending) this.finishIfAnswered()
      else if (this.paused && this.mayHandle()) this.goOn()
    } catch (cause) {
      this.fail(cause)
    }
  }

  private readonly drained = (): void => {
    this.traffic.stuck.delete(this)
    this.active = true
    this.endOfTurn()
  }

  // ---- waiting -------------------------------------------------------------------------------------------------------

  mayHandle(): boolean {
    const { limits } = this.traffic
    return (
      this.isOpen &&
      !this.ending &&
      !this.muted &&
      this.inFlight < limits.requestsInFlightMax &&
      this.output.bytes <= limits.outputBytesMax
    )
  }

  /** True when the connection is to read no more for now. */
  private pauseIfNeeded(): boolean {
    const needed = this.traffic.mustWait(this) || this.input.hasBacklog || !this.mayHandle()
    if (needed && !this.paused) {
      this.paused = true
      this.traffic.stats.connectionsPaused++
      this.traffic.stats.pauses++
    }
    return needed
  }

  private goOn(): void {
    this.input.takeBacklog()
    if (!this.isOpen || this.pauseIfNeeded()) return
    this.read()
  }

  private read(): void {
    if (this.paused) {
      this.paused = false
      this.traffic.stats.connectionsPaused--
    }
    this.socket.resumeReading()
  }

  halt(): void {
    if (!this.isOpen || this.finished || this.paused) return
    this.paused = true
    this.traffic.stats.connectionsPaused++
    this.traffic.stats.pauses++
    this.socket.pauseReading()
  }

  resume(): void {
    if (this.isOpen && this.paused && this.mayHandle()) this.goOn()
  }

  get mayRead(): boolean {
    return !this.muted
  }

  readonly mute = (): void => {
    if (!this.isOpen || this.finished) return
    this.muted = true
    this.halt()
    this.traffic.yields(this)
  }

  readonly unmute = (): void => {
    if (!this.muted) return
    this.muted = false
    this.endOfTurn()
  }

  // ---- the end -------------------------------------------------------------------------------------------------------

  /** The peer has sent all that it will. */
  readonly onEnd = (): void => this.close(null)

  /** The socket is gone: the kernel and Node read and write none of our memory any more. */
  readonly onClose = (): void => {
    this.close(null)
    this.output.socketClosed()
    this.handler.closed(this)
  }

  readonly close = (reason: string | null): void => {
    if (!this.isOpen) return
    this.isOpen = false
    if (reason !== null) this.log("closed", reason)
    this.socket.destroy()
    this.traffic.forget(this)
    this.traffic.stats.connectionsOpen--
    if (this.paused) this.traffic.stats.connectionsPaused--
    this.paused = false
    this.dropRequests()
    this.output.drop()
    this.input.drop()
  }

  readonly closeWhenAnswered = (reason: string | null): void => {
    if (!this.isOpen || this.ending) return
    if (reason !== null) this.log("closed", reason)
    this.ending = true
    this.idleSweeps = 0
    this.halt()
    this.endOfTurn()
  }

  shed(reason: string): void {
    this.close(reason)
  }

  /** Once per period. Not idle is who has sent or taken something since the last one. */
  sweep(): void {
    if (this.active) {
      this.active = false
      this.idleSweeps = 0
      return
    }
    const { idleSweepsMax, stuckSweepsMax } = this.traffic.limits
    this.idleSweeps++
    if (this.idleSweeps >= stuckSweepsMax && (this.finished || (this.traffic.isPrivileged(this) && this.mayHandle()))) {
      if (!this.finished) this.traffic.stats.closedStuck++
      this.close(this.finished ? null : "it keeps the node's receive memory for a frame that it does not send")
      return
    }
    // Who waits for us, for an answer or for the node's memory, is not idle. Who is muted may be gone: nobody would notice.
    const waits = this.inFlight > 0 || (this.paused && !this.muted)
    if (this.idleSweeps < idleSweepsMax || (waits && !this.output.isStuck)) return
    this.traffic.stats.closedIdle++
    this.close(this.output.isStuck ? "its peer has not read for connections.max.idle.ms" : null)
  }

  private finishIfAnswered(): void {
    if (this.finished || this.first !== undefined || !this.output.isEmpty) return
    // Bytes left unread at a close would make the kernel send a reset, which can overtake the answers: read them away.
    this.finished = true
    this.socket.endWriting()
    this.read()
    this.handler.finished(this)
  }

  private dropRequests(): void {
    for (let request = this.first; request !== undefined; ) {
      const { next } = request
      if (request.state === RequestState.HELD) {
        this.output.hold(-request.heldBytes)
        const leases = request.heldLeases
        request.ended()
        if (leases !== undefined) releaseAll(leases)
      }
      request = next
    }
    this.first = undefined
    this.last = undefined
    this.inFlight = 0
  }

  /** A defect of ours must not reach the other connections of the turn. */
  private fail(cause: unknown): false {
    this.traffic.stats.closedFailed++
    this.close(`serving it failed: ${causeText(cause)}`)
    return false
  }

  closeMalformed(reason: string): void {
    this.traffic.stats.closedMalformed++
    this.close(reason)
  }

  private log(kind: string, reason: string): void {
    this.traffic.warn(
      kind,
      `The connection ${this.id} from ${this.remoteAddress}:${this.remotePort} was closed: ${reason}.`
    )
  }
}

/** What `respond` promises to keep unchanged, and copies of the rest. */
function keptParts(
  parts: ReadonlyArray<Uint8Array>,
  leases: ReadonlyArray<Lease> | undefined
): ReadonlyArray<Uint8Array> {
  return parts.map((part) => (leases === undefined || part.length < REFERENCED_BYTES_MIN ? part.slice() : part))
}

const describe = (request: Request): string =>
  `a request (key ${request.apiKey}, version ${request.apiVersion}, correlation id ${request.correlationId})`

const causeText = (cause: unknown): string => (cause instanceof Error ? (cause.stack ?? cause.message) : String(cause))
