/**
 * The port up from the network floor: what a connection hands to the floor that answers Kafka requests.
 *
 * The listener decodes frames in the order of the wire and calls `handle` for each, synchronously, one after the other. The
 * handler may answer at once or later, in any order, from any callback; answers leave in the order of the requests.
 *
 * **Bytes** `request.bytes` from `start` to `end` is the body, in place in a receive slab that the listener owns. It is
 * valid until `handle` returns, or until the `release` that pairs the last `retain`. After that the slab is reused: nothing
 * may keep a view of it.
 *
 * Deliberately absent: Effect per request, decoding of bodies, versions that are not served (the handler decides whether an
 * unknown key or version is answered or closes the connection).
 */
import { Context } from "effect"
import type { Lease } from "../io/Slabs.ts"

export type { Lease } from "../io/Slabs.ts"

/** One client's TCP connection, as a handler may see it. */
export interface Connection {
  /** Unique for the life of the listener, counted from 1. */
  readonly id: number
  /** Numeric address of the peer, without port: `127.0.0.1`. */
  readonly remoteAddress: string
  readonly remotePort: number
  /** False from the moment of EOF, error or `close`. Answers to a closed connection are dropped, their leases released. */
  readonly isOpen: boolean
  /** No further request is handled until `unmute`; those that were handed out are answered as usual. Twice is once. */
  readonly mute: () => void
  readonly unmute: () => void
  /** Ends the connection at once; what was not yet written is lost. The reason is logged (rate-limited) when it is not null. */
  readonly close: (reason: string | null) => void
  /** Reads no further request; closes when all requests so far are answered and the answers have left. */
  readonly closeWhenAnswered: (reason: string | null) => void
}

/** One request. Exactly one of `respond`, `respondNothing` and `close` ends it. */
export interface Request {
  readonly connection: Connection
  readonly apiKey: number
  readonly apiVersion: number
  readonly correlationId: number
  readonly clientId: string | null
  /** The memory that holds the frame; see the module's note on how long. */
  readonly bytes: Uint8Array
  /** Where the body starts: after the header and, for a flexible version that we know, its tag buffer. */
  readonly start: number
  /** Exclusive end of the frame. */
  readonly end: number
  /** `monotonicMicros()` of io/Turn when the bytes that completed the frame came; one reading for all frames of a read. */
  readonly receivedAtMicros: number
  /** Keeps the frame's bytes beyond the return of `handle`. Each needs its own `release`. */
  retain(): void
  release(): void
  /**
   * Answers with a whole frame, length prefix included, in one or more parts.
   *
   * **Ownership** without `leases` every part is copied before this returns: the caller may reuse its memory at once. With
   * `leases` (an empty list too) parts of `REFERENCED_BYTES_MIN` and more are written from where they lie and must stay
   * unchanged until the leases are released, for ever when there are none; smaller parts are copied before this returns.
   * **Leases** each released exactly once: when the kernel has the bytes, or when the connection is gone.
   */
  respond(parts: ReadonlyArray<Uint8Array>, leases?: ReadonlyArray<Lease>): void
  /** The request has no answer (Produce with acks=0): the next one's may leave. */
  respondNothing(): void
  /** Closes the connection, as Kafka does for what cannot be answered. */
  close(reason: string): void
}

/** Parts of an answer from this size on are not copied when their memory is leased. */
export const REFERENCED_BYTES_MIN = 4096

export class RequestHandler extends Context.Service<
  RequestHandler,
  {
    /**
     * Called for each request, in the order of the connection. Must not block. What it throws closes that connection only.
     */
    readonly handle: (request: Request) => void
    /** Called once for each connection that was opened, when it is gone: drop state kept for it, complete its waiters. */
    readonly closed: (connection: Connection) => void
    /**
     * Whether a connection that has come may be served. False: it is kept unread until `close` is called, so that its peer
     * does not come again at once. Absent: all may.
     */
    readonly admit?: (remoteAddress: string, close: () => void) => boolean
  }
>()("chronik/RequestHandler") {}
