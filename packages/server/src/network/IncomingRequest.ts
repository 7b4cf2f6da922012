/**
 * One request of a connection: the decoded header, the claim on the frame's bytes and the place of its answer.
 *
 * The only object that the hot path allocates per request; it is its own slot in the connection's queue of answers (a
 * linked list, so that the queue costs nothing).
 *
 * **Bytes** belong to `slab`. The connection holds it while `handle` runs, `retain` for longer.
 */
import { assert } from "@chronik-effect/core/base/Assert.ts"
import type { Lease, Slab } from "../io/Slabs.ts"
import type { Connection, Request } from "./RequestHandler.ts"
import type { RequestHeader } from "./RequestHeader.ts"

/** What a request needs of the connection that it came by. */
export interface RequestOwner extends Connection {
  readonly answer: (
    request: IncomingRequest,
    parts: ReadonlyArray<Uint8Array>,
    leases: ReadonlyArray<Lease> | undefined
  ) => void
}

export const RequestState = { PENDING: 0, HELD: 1, ENDED: 2 } as const
export type RequestState = (typeof RequestState)[keyof typeof RequestState]

const NO_PARTS: ReadonlyArray<Uint8Array> = []

export class IncomingRequest implements Request {
  readonly connection: RequestOwner
  readonly apiKey: number
  readonly apiVersion: number
  readonly correlationId: number
  readonly clientId: string | null
  readonly bytes: Uint8Array
  readonly start: number
  readonly end: number
  readonly receivedAtMicros: number
  private readonly slab: Slab
  private retained = 0
  /** The request after this one on the same connection, while this one waits for its answer to leave. */
  next: IncomingRequest | undefined = undefined
  state: RequestState = RequestState.PENDING
  /** The answer, while requests before this one are not answered yet. */
  heldParts: ReadonlyArray<Uint8Array> = NO_PARTS
  heldLeases: ReadonlyArray<Lease> | undefined = undefined
  heldBytes = 0

  constructor(
    connection: RequestOwner,
    header: RequestHeader,
    slab: Slab,
    bytes: Uint8Array,
    end: number,
    receivedAtMicros: number
  ) {
    this.connection = connection
    this.apiKey = header.apiKey
    this.apiVersion = header.apiVersion
    this.correlationId = header.correlationId
    this.clientId = header.clientId
    this.bytes = bytes
    this.start = header.bodyStart
    this.end = end
    this.receivedAtMicros = receivedAtMicros
    this.slab = slab
  }

  retain(): void {
    this.retained++
    this.slab.retain()
  }

  release(): void {
    assert(this.retained > 0, "a request's bytes are released once for each retain")
    this.retained--
    this.slab.release()
  }

  respond(parts: ReadonlyArray<Uint8Array>, leases?: ReadonlyArray<Lease>): void {
    this.connection.answer(this, parts, leases)
  }

  respondNothing(): void {
    this.connection.answer(this, NO_PARTS, undefined)
  }

  close(reason: string): void {
    this.connection.close(reason)
  }

  /** Keeps an answer until those before it have left. */
  hold(parts: ReadonlyArray<Uint8Array>, leases: ReadonlyArray<Lease>, bytes: number): void {
    this.state = RequestState.HELD
    this.heldParts = parts
    this.heldLeases = leases
    this.heldBytes = bytes
  }

  /** The answer has left or is dropped: nothing of it may be kept alive by whoever still holds the request. */
  ended(): void {
    this.state = RequestState.ENDED
    this.next = undefined
    this.heldParts = NO_PARTS
    this.heldLeases = undefined
    this.heldBytes = 0
  }
}
