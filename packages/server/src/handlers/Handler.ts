/**
 * How a handler module looks: one Kafka API a file, `NN_Name.ts`, exporting a `make` that takes the services it needs and
 * yields a `Handler`.
 *
 * The dispatcher decodes the body, runs `handle`, encodes the answer and sends it in the connection's order. Expected
 * errors are values inside the response; a failure or a defect of the effect closes that one connection with a logged
 * reason. `HotHandler` is for the two APIs that carry records: it works on the request's bytes synchronously and answers
 * by itself.
 */
import type { Api } from "@chronik-effect/core/protocol/Api.ts"
import type { Partially } from "@chronik-effect/core/protocol/Descriptor.ts"
import type { Effect } from "effect"
import type { Connection, Request } from "../network/RequestHandler.ts"

export interface RequestContext {
  readonly apiVersion: number
  readonly clientId: string | null
  /** `/127.0.0.1`, as Kafka shows it. */
  readonly clientHost: string
  readonly connectionId: number
}

export interface Handler<Req, Res> {
  readonly api: Api<Req, Res>
  /** Called in the socket's callback. Bytes in `request` are views that die when the call returns: copy what is kept. */
  readonly handle: (request: Req, context: RequestContext) => Effect.Effect<Partially<Res>>
}

/** A handler of whatever messages: what a list of them holds. Its request is what the codec of its own `api` decodes. */
export interface AnyHandler {
  readonly api: Api<unknown, unknown>
  readonly handle: (request: never, context: RequestContext) => Effect.Effect<unknown>
}

export interface HotHandler {
  readonly api: Api<unknown, unknown>
  readonly handleHot: (request: Request) => void
  /** The connection is gone: end what waits for it. */
  readonly closed?: (connection: Connection) => void
}
