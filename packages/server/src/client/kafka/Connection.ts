/**
 * One connection to one broker: requests are pipelined, answers come back in order, versions are negotiated once.
 *
 * Nothing is retried here: a broken connection fails everything that waits on it, and a new one is the caller's decision. A
 * broker that does not answer in time loses its connection, because after that the order of answers is worth nothing.
 * One fiber per connection watches the oldest request; a request costs no timer of its own.
 *
 * **Bytes** records inside a decoded answer are views of the frame. Nobody reuses it, so they may be kept; with
 * `reuseFrames` they hold until the next request.
 */
import { readInt32 } from "@chronik-effect/core/base/Bytes.ts"
import { ErrorCode } from "@chronik-effect/core/model/ErrorCode.ts"
import type { Api } from "@chronik-effect/core/protocol/Api.ts"
import { decodeResponse, encodeRequestFrame } from "@chronik-effect/core/protocol/Frame.ts"
import type { Partially } from "@chronik-effect/core/protocol/Message.ts"
import { ApiVersionsApi, type ApiVersionsResponse } from "@chronik-effect/core/protocol/messages/18_ApiVersions.ts"
import { ProtocolError } from "@chronik-effect/core/protocol/ProtocolError.ts"
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { supervise } from "../../actor/Supervisor.ts"
import { type ClientSocket, connectSocket } from "../../io/NetClient.ts"
import { brokerError, type ClientError, clientError } from "./ClientError.ts"
import { FrameAssembler } from "./FrameAssembler.ts"

export interface ConnectionOptions {
  readonly host: string
  readonly port: number
  readonly clientId: string
  /** For connecting, and for each answer beyond the time that the request itself asks the broker to wait. */
  readonly timeoutMs: number
  readonly maxFrameBytes?: number | undefined
  /** The bytes of an answer hold only until the next request: for one who reads much and keeps nothing. */
  readonly reuseFrames?: boolean | undefined
}

/** What happens with the answer to one request. Exactly one of the two is called, once. */
export interface Answer {
  /** The frame without its length, in place. Called on the socket's callback: it must not throw and should be quick. */
  readonly received: (bytes: Uint8Array, start: number, end: number) => void
  readonly failed: (error: ClientError) => void
}

interface Pending extends Answer {
  readonly correlationId: number
  readonly deadlineMs: number
}

export interface VersionBounds {
  readonly minVersion: number
  readonly maxVersion: number
}

const MAX_FRAME_BYTES = 512 * 1024 * 1024
const SOFTWARE_NAME = "chronik-effect"
const SOFTWARE_VERSION = "0.1.0"
/** Sent first to any broker; one that does not know it answers in version 0 with what it knows. */
const API_VERSIONS_FIRST = 3

export class Connection {
  readonly address: string
  readonly clientId: string
  /** By API key, from ApiVersions; empty until negotiated. */
  offered: ReadonlyMap<number, VersionBounds> = new Map()
  private readonly timeoutMs: number
  private readonly clock: Clock.Clock
  private readonly pending: Array<Pending> = []
  /** Requests answered already at the front of `pending`, so that taking one is not a shift of the whole array. */
  private head = 0
  private nextCorrelationId = 1
  private socket: ClientSocket | undefined
  private closedBy: ClientError | undefined
  /** Completed when a request is sent while none was under way: wakes the watch. */
  private busy: Deferred.Deferred<void> = Deferred.makeUnsafe()

  constructor(options: ConnectionOptions, clock: Clock.Clock) {
    this.address = `${options.host}:${options.port}`
    this.clientId = options.clientId
    this.timeoutMs = options.timeoutMs
    this.clock = clock
  }

  get isOpen(): boolean {
    return this.closedBy === undefined
  }

  get inFlight(): number {
    return this.pending.length - this.head
  }

  attach(socket: ClientSocket): void {
    this.socket = socket
  }

  /** The newest version that both sides speak, or a failure that names what is missing. */
  versionOf(api: Pick<Api<unknown, unknown>, "key" | "name" | "maxVersion" | "serves">): number | ClientError {
    const bounds = this.offered.get(api.key)
    if (bounds === undefined)
      return clientError("unsupported", `The broker ${this.address} does not offer ${api.name}.`)
    const version = Math.min(bounds.maxVersion, api.maxVersion)
    if (version < bounds.minVersion || !api.serves(version)) {
      return clientError(
        "unsupported",
        `The broker ${this.address} offers ${api.name} in versions ${bounds.minVersion}-${bounds.maxVersion}, and this client speaks up to ${api.maxVersion}.`
      )
    }
    return version
  }

  takeCorrelationId(): number {
    const id = this.nextCorrelationId
    this.nextCorrelationId = id === 0x7fff_ffff ? 1 : id + 1
    return id
  }

  /** Sends a frame whose answer is awaited. `waitMs`: how long the broker was asked to wait at most. */
  submit(parts: ReadonlyArray<Uint8Array>, correlationId: number, waitMs: number, answer: Answer): void {
    if (this.closedBy !== undefined) {
      answer.failed(this.closedBy)
      return
    }
    this.pending.push({
      correlationId,
      deadlineMs: this.clock.currentTimeMillisUnsafe() + waitMs + this.timeoutMs,
      received: answer.received,
      failed: answer.failed
    })
    if (this.inFlight === 1) Deferred.doneUnsafe(this.busy, Effect.void)
    this.socket!.write(parts)
  }

  /** Sends a frame that has no answer (acks=0). */
  submitUnanswered(parts: ReadonlyArray<Uint8Array>): ClientError | undefined {
    if (this.closedBy === undefined) this.socket!.write(parts)
    return this.closedBy
  }

  /** Bytes that the broker has not taken yet. */
  bufferedBytes(): number {
    return this.socket?.bufferedBytes() ?? 0
  }

  receive(bytes: Uint8Array, start: number, end: number): void {
    const entry = this.pending[this.head]
    const correlationId = readInt32(bytes, start)
    if (entry === undefined || entry.correlationId !== correlationId) {
      this.close(
        clientError("protocol", `The broker ${this.address} answered a request that was not asked (${correlationId}).`)
      )
      return
    }
    this.head++
    if (this.head === this.pending.length) {
      this.pending.length = 0
      this.head = 0
    } else if (this.head > 1024) {
      this.pending.splice(0, this.head)
      this.head = 0
    }
    entry.received(bytes, start, end)
  }

  close(error: ClientError): void {
    if (this.closedBy !== undefined) return
    this.closedBy = error
    this.socket?.close()
    const waiting = this.pending.splice(this.head)
    this.pending.length = 0
    this.head = 0
    for (const entry of waiting) entry.failed(error)
    Deferred.doneUnsafe(this.busy, Effect.void)
  }

  /** One typed call in the newest common version. */
  request<Req, Res>(api: Api<Req, Res>, value: Partially<Req>, waitMs = 0): Effect.Effect<Res, ClientError> {
    return Effect.suspend(() => {
      const version = this.versionOf(api)
      return typeof version === "number" ? this.requestIn(api, version, value, waitMs) : Effect.fail(version)
    })
  }

  requestIn<Req, Res>(
    api: Api<Req, Res>,
    version: number,
    value: Partially<Req>,
    waitMs = 0
  ): Effect.Effect<Res, ClientError> {
    return Effect.callback((resume) => {
      const correlationId = this.takeCorrelationId()
      const parts = encodeRequestFrame(api, version, correlationId, this.clientId, value)
      this.submit(parts, correlationId, waitMs, {
        received: (bytes, start, end) => resume(this.decoded(api, version, bytes, start, end)),
        failed: (error) => resume(Effect.fail(error))
      })
    })
  }

  private decoded<Req, Res>(
    api: Api<Req, Res>,
    version: number,
    bytes: Uint8Array,
    start: number,
    end: number
  ): Effect.Effect<Res, ClientError> {
    try {
      return Effect.succeed(decodeResponse(api, version, bytes, start, end).value)
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error
      const failure = clientError(
        "protocol",
        `The broker ${this.address} answered ${api.name} v${version} with bytes that are no such answer: ${error.message}`
      )
      this.close(failure)
      return Effect.fail(failure)
    }
  }

  /** Ends the connection when its oldest request is overdue. Runs for as long as the connection. */
  readonly watch: Effect.Effect<void> = Effect.gen({ self: this }, function* () {
    while (this.isOpen) {
      const oldest = this.pending[this.head]
      if (oldest === undefined) {
        this.busy = Deferred.makeUnsafe()
        yield* Deferred.await(this.busy)
        continue
      }
      const leftMs = oldest.deadlineMs - this.clock.currentTimeMillisUnsafe()
      if (leftMs > 0) yield* Effect.sleep(leftMs)
      else this.close(clientError("timeout", `The broker ${this.address} did not answer in time.`))
    }
  })
}

/** Connects and negotiates versions. The connection is closed with the scope. */
export const connect = Effect.fnUntraced(function* (
  options: ConnectionOptions
): Effect.fn.Return<Connection, ClientError, Scope.Scope> {
  const connection = new Connection(options, yield* Clock.Clock)
  const frames = new FrameAssembler(
    options.maxFrameBytes ?? MAX_FRAME_BYTES,
    (bytes, start, end) => connection.receive(bytes, start, end),
    options.reuseFrames
  )
  const data = (chunk: Uint8Array) => {
    try {
      frames.push(chunk)
    } catch (error) {
      if (!(error instanceof RangeError)) throw error
      connection.close(
        clientError("protocol", `The broker ${connection.address} sent no Kafka frame: ${error.message}.`)
      )
    }
  }
  const closed = (reason: string) =>
    connection.close(clientError("closed", `The connection to ${connection.address} is closed: ${reason}.`))
  const socket = yield* Effect.acquireRelease(
    connectSocket(options, { data, closed }).pipe(
      Effect.mapError((error) => clientError(error.code === "timeout" ? "timeout" : "connect", error.message))
    ),
    () => Effect.sync(() => closed("it was closed here"))
  )
  connection.attach(socket)
  yield* supervise({ name: `client connection ${connection.address}`, restart: "never" }, connection.watch)
  connection.offered = yield* negotiate(connection)
  return connection
})

const negotiate = Effect.fnUntraced(function* (connection: Connection) {
  const ask = { clientSoftwareName: SOFTWARE_NAME, clientSoftwareVersion: SOFTWARE_VERSION }
  const first = yield* apiVersions(connection, API_VERSIONS_FIRST, ask)
  const answer = first ?? (yield* apiVersions(connection, 0, {}))
  if (answer === undefined) {
    return yield* clientError("unsupported", `The broker ${connection.address} answers no version of ApiVersions.`)
  }
  if (answer.errorCode !== ErrorCode.NONE) return yield* brokerError(answer.errorCode, "ApiVersions")
  return new Map(answer.apiKeys.map(({ apiKey, minVersion, maxVersion }) => [apiKey, { minVersion, maxVersion }]))
})

/**
 * Undefined when the broker does not know the version. It says so in the form of version 0 whatever was asked, with the
 * error code in the first two bytes of the body: that is looked at before anything is decoded.
 */
const apiVersions = (
  connection: Connection,
  version: number,
  value: { readonly clientSoftwareName?: string; readonly clientSoftwareVersion?: string }
): Effect.Effect<ApiVersionsResponse | undefined, ClientError> =>
  Effect.callback((resume) => {
    const correlationId = connection.takeCorrelationId()
    const parts = encodeRequestFrame(ApiVersionsApi, version, correlationId, connection.clientId, value)
    connection.submit(parts, correlationId, 0, {
      received: (bytes, start, end) => {
        const code = end - start >= 6 ? (bytes[start + 4]! << 8) | bytes[start + 5]! : 0
        if (code === ErrorCode.UNSUPPORTED_VERSION) {
          resume(Effect.succeed(undefined))
          return
        }
        resume(
          Effect.try({
            try: () => decodeResponse(ApiVersionsApi, version, bytes, start, end).value,
            catch: (error) => clientError("protocol", `${connection.address} is no Kafka broker: ${String(error)}`)
          })
        )
      },
      failed: (error) => resume(Effect.fail(error))
    })
  })
