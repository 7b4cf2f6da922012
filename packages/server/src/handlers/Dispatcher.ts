/**
 * What stands behind the listener: finds the handler of a request, decodes, runs, encodes, answers.
 *
 * An API or version that is not served closes the connection, as Kafka does; ApiVersions alone answers for every version,
 * since it is how a client learns. A body that does not parse closes the connection with the reason. Handlers of records
 * work in the socket's callback; all others are forked, so that one that waits (a create, a join) holds up nobody, and the
 * connection puts their answers into order.
 *
 * An answer that tells its client to pause (`throttleTimeMs`) mutes the connection for that time, whoever decided it. While a
 * quota of processor time is set, the time of each request's synchronous part is charged to its client: that is where a
 * request costs others something, since what is forked only waits.
 */

import { encodeResponseFrame } from "@chronik-effect/core/protocol/Frame.ts"
import { codecOf } from "@chronik-effect/core/protocol/Message.ts"
import { ProtocolError } from "@chronik-effect/core/protocol/ProtocolError.ts"
import { Reader } from "@chronik-effect/core/protocol/Reader.ts"
import { Cause, Effect, Layer, Scope } from "effect"
import { monotonicMicros } from "../io/Turn.ts"
import { type Request, RequestHandler } from "../network/RequestHandler.ts"
import { ClientQuotas } from "../quota/ClientQuotas.ts"
import type { AnyHandler, HotHandler, RequestContext } from "./Handler.ts"

export interface Handlers {
  readonly hot: ReadonlyArray<HotHandler>
  readonly forked: ReadonlyArray<AnyHandler>
  /** Answers whatever version was asked for. */
  readonly apiVersions: AnyHandler
}

export const layer = <E, R>(handlers: Effect.Effect<Handlers, E, R>) => Layer.effect(RequestHandler, make(handlers))

const make = Effect.fnUntraced(function* <E, R>(handlers: Effect.Effect<Handlers, E, R>) {
  const { hot, forked, apiVersions } = yield* handlers
  const quotas = yield* ClientQuotas
  const scope = yield* Effect.scope
  const runFork = Effect.runForkWith(yield* Effect.context<never>())
  const run = (effect: Effect.Effect<void>) => void runFork(Scope.provide(Effect.forkScoped(effect), scope))
  const hotByKey: Array<HotHandler | undefined> = []
  for (const handler of hot) hotByKey[handler.api.key] = handler
  const byKey: Array<AnyHandler | undefined> = []
  for (const handler of [...forked, apiVersions]) byKey[handler.api.key] = handler

  const handle = (request: Request): void => {
    const { apiKey, apiVersion } = request
    const quick = hotByKey[apiKey]
    if (quick?.api.serves(apiVersion) === true) return attempt(request, quick.handleHot)
    const handler = byKey[apiKey]
    if (handler === undefined) return request.close(unserved(request, `the API key ${apiKey}`))
    if (handler === apiVersions || handler.api.serves(apiVersion)) {
      return attempt(request, () => run(answer(handler, request, quotas)))
    }
    request.close(unserved(request, `version ${apiVersion} of ${handler.api.name}`))
  }
  const handleTimed = (request: Request): void => {
    const started = monotonicMicros()
    handle(request)
    quotas.processed(request, monotonicMicros() - started)
  }
  return RequestHandler.of({
    handle: (request) => (quotas.active.time ? handleTimed(request) : handle(request)),
    closed: (connection) => {
      quotas.forget(connection)
      for (const handler of hot) handler.closed?.(connection)
    },
    admit: (remoteAddress, close) => !quotas.active.connections || quotas.admit(remoteAddress, close)
  })
})

const unserved = (request: Request, what: string): string =>
  `${what} of client ${request.clientId ?? "(unnamed)"} is not served here; ApiVersions says what is`

/** A body that does not parse is the client's mistake, anything else is ours; both end this connection only. */
const attempt = (request: Request, work: (request: Request) => void): void => {
  try {
    work(request)
  } catch (cause) {
    if (!(cause instanceof ProtocolError)) throw cause
    request.close(
      `the request of API key ${request.apiKey} version ${request.apiVersion} does not parse: ${cause.message}`
    )
  }
}

const answer = (handler: AnyHandler, request: Request, quotas: ClientQuotas["Service"]): Effect.Effect<void> => {
  const version = handler.api.serves(request.apiVersion) ? request.apiVersion : 0
  const context: RequestContext = {
    apiVersion: request.apiVersion,
    clientId: request.clientId,
    clientHost: `/${request.connection.remoteAddress}`,
    connectionId: request.connection.id
  }
  // Kafka: an ApiVersions of a version that we do not know is answered without a look at its body.
  const known = handler.api.serves(request.apiVersion)
  const body: unknown = known
    ? codecOf(handler.api.request, version).decode(new Reader(request.bytes, request.start, request.end))
    : {}
  return handler.handle(body as never, context).pipe(
    // The encoding is inside: a value that does not fit its field must end this connection, not a fiber in silence.
    Effect.map((value) => throttled(value as Throttled, request, quotas)),
    Effect.map((told) => request.respond(encodeResponseFrame(handler.api, version, request.correlationId, told))),
    Effect.catchCause((cause) => {
      request.close(`the handler of ${handler.api.name} failed; this is a defect of the broker, please report it`)
      return Cause.hasInterruptsOnly(cause)
        ? Effect.void
        : Effect.logError(`The handler of ${handler.api.name} failed: ${Cause.pretty(cause)}`)
    })
  )
}

/** Nearly every answer has the field; the few that have none cannot tell, and their connections are muted all the same. */
interface Throttled {
  readonly throttleTimeMs?: number
}

const throttled = (value: Throttled, request: Request, quotas: ClientQuotas["Service"]): object => {
  const own = value.throttleTimeMs ?? 0
  const pauseMs = quotas.active.time ? Math.max(own, quotas.timeThrottleMs(request)) : own
  if (pauseMs === 0) return value
  quotas.mute(request.connection, pauseMs)
  return value.throttleTimeMs === undefined ? value : { ...value, throttleTimeMs: pauseMs }
}
