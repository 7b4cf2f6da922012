/**
 * The Kafka port: binds, accepts, bounds and ends connections.
 *
 * `KafkaPort` binds; it needs nothing of the node, so a port that is taken ends the start before anything else is touched.
 * `KafkaListener` accepts on it and hands requests to the `RequestHandler`. Connections that come in between wait unread.
 *
 * At the end of its scope: no new connections, no new requests; answers in flight leave (for `drainMs` at most); then
 * everything is closed.
 *
 * One supervised fiber sweeps all connections for idleness; a connection itself has neither fiber nor timer.
 */
import { Context, Deferred, Duration, Effect, Exit, Layer, type Scope } from "effect"
import { supervise } from "../actor/Supervisor.ts"
import { type ListenError, type Listening, listen, type NetSocket } from "../io/Net.ts"
import { Connection, type ConnectionHandler } from "./Connection.ts"
import { RequestHandler } from "./RequestHandler.ts"
import { Traffic, type TrafficLimits, type TrafficStats } from "./Traffic.ts"

export interface KafkaPortOptions {
  readonly host: string
  /** 0: any free port. */
  readonly port: number
  /** `data`: read by Node's ordinary events instead of into our own memory. */
  readonly receive?: "onread" | "data"
}

/** The bound port. */
export class KafkaPort extends Context.Service<KafkaPort, Listening>()("chronik/KafkaPort") {
  static readonly layer = (options: KafkaPortOptions): Layer.Layer<KafkaPort, ListenError> =>
    Layer.effect(KafkaPort, listen(options))
}

export interface ConnectionLimits {
  /** `max.connections`. */
  readonly connectionsMax: number
  /** `max.connections.per.ip`. */
  readonly connectionsPerIpMax: number
}

export interface KafkaListenerOptions extends Partial<Omit<TrafficLimits, "idleSweepsMax" | "stuckSweepsMax">> {
  /** Asked for each new connection: they may change while the node runs. */
  readonly connectionLimits?: () => ConnectionLimits
  /** `connections.max.idle.ms`. */
  readonly connectionsMaxIdleMs?: number
  /** After this time a peer is given up that holds the node's receive memory and sends nothing. */
  readonly stuckMs?: number
  /** How long answers in flight are waited for at shutdown. */
  readonly drainMs?: number
}

export const listenerDefaults: Required<KafkaListenerOptions> = {
  connectionLimits: () => ({ connectionsMax: 10_000, connectionsPerIpMax: 10_000 }),
  connectionsMaxIdleMs: 600_000,
  stuckMs: 10_000,
  drainMs: 5_000,
  requestBytesMax: 104_857_600,
  requestsInFlightMax: 1024,
  inFlightBytesMax: 128 * 1024 * 1024,
  outputBytesMax: 16 * 1024 * 1024,
  outputBytesTotalMax: 256 * 1024 * 1024
}

/** Sweeps in the shortest of the times after which a connection is closed. */
const SWEEPS = 4
const WARNINGS_PER_SWEEP_MAX = 5
/** How long peers have to close their half after the last answer of a shutdown. */
const LINGER_MS = 250

export class KafkaListener extends Context.Service<
  KafkaListener,
  {
    readonly host: string
    /** The port that was really bound. */
    readonly port: number
    /** Live counters, read by metrics. */
    readonly stats: TrafficStats
    /** Bytes of receive memory in use; 0 when no request is in flight. */
    readonly receivedBytesInUse: () => number
    /** True while any request's bytes are still claimed by somebody. */
    readonly hasReferences: () => boolean
    /** No new connections, no new requests; completes when all is answered and closed. Runs by itself at the scope's end. */
    readonly shutdown: Effect.Effect<void>
  }
>()("chronik/KafkaListener") {
  /** Over a port that is bound already. */
  static readonly layerOnPort = (
    options: KafkaListenerOptions = {}
  ): Layer.Layer<KafkaListener, never, KafkaPort | RequestHandler> => Layer.effect(KafkaListener, make(options))

  static readonly layer = (
    options: KafkaListenerOptions & KafkaPortOptions
  ): Layer.Layer<KafkaListener, ListenError, RequestHandler> =>
    KafkaListener.layerOnPort(options).pipe(Layer.provide(KafkaPort.layer(options)))
}

const make = Effect.fnUntraced(function* (given: KafkaListenerOptions) {
  const options = { ...listenerDefaults, ...given }
  const port = yield* KafkaPort
  const handler = yield* RequestHandler
  const sweepMs = Math.max(1, Math.min(options.connectionsMaxIdleMs, options.stuckMs) / SWEEPS)
  const warnings = yield* makeWarnings
  const traffic = new Traffic(
    {
      ...options,
      idleSweepsMax: Math.ceil(options.connectionsMaxIdleMs / sweepMs),
      stuckSweepsMax: Math.ceil(options.stuckMs / sweepMs)
    },
    warnings.warn
  )
  const connections = new Connections(traffic, handler, options.connectionLimits)
  const shutdown = yield* Effect.cached(shutDown(port, connections, options.drainMs))
  yield* Effect.addFinalizer(() =>
    Effect.andThen(
      shutdown,
      Effect.sync(() => traffic.slabs.close())
    )
  )
  yield* sweeping(connections, warnings, sweepMs)
  port.accept(connections.add, connections.acceptFailed)
  return KafkaListener.of({
    host: port.host,
    port: port.port,
    stats: traffic.stats,
    receivedBytesInUse: () => traffic.slabs.bytesInUse,
    hasReferences: () => traffic.slabs.hasReferences,
    shutdown
  })
})

/** The open connections, from accept until the socket is gone. */
class Connections implements ConnectionHandler {
  readonly all: Set<Connection> = new Set()
  readonly handle: ConnectionHandler["handle"]
  private readonly traffic: Traffic
  private readonly notify: ConnectionHandler["closed"]
  private readonly admit: (typeof RequestHandler.Service)["admit"]
  /** Connections that were not admitted and whose peers have to wait before they learn it. */
  private readonly turnedAway: Set<NetSocket> = new Set()
  private readonly limits: () => ConnectionLimits
  /** Open connections by the address of their peer. */
  private readonly byAddress = new Map<string, number>()
  private lastId = 0
  /** Those that still owe answers to their peer. */
  private readonly owing: Set<unknown> = new Set()
  private onSettled: (() => void) | undefined = undefined
  private onEmpty: (() => void) | undefined = undefined

  constructor(traffic: Traffic, handler: typeof RequestHandler.Service, limits: () => ConnectionLimits) {
    this.traffic = traffic
    this.handle = handler.handle
    this.notify = handler.closed
    this.admit = handler.admit
    this.limits = limits
  }

  readonly add = (socket: NetSocket): void => {
    const full = this.fullFor(socket.remoteAddress)
    if (full !== undefined) {
      this.traffic.stats.connectionsRefused++
      this.traffic.warn("refused", `A connection from ${socket.remoteAddress} was refused: ${full} are open already.`)
      socket.destroy()
      return
    }
    if (this.admit !== undefined && !this.admit(socket.remoteAddress, () => this.turnAway(socket))) {
      this.traffic.stats.connectionsRefused++
      this.turnedAway.add(socket)
      return
    }
    this.traffic.stats.connectionsAccepted++
    const connection = new Connection(++this.lastId, socket, this.traffic, this)
    this.all.add(connection)
    this.byAddress.set(socket.remoteAddress, (this.byAddress.get(socket.remoteAddress) ?? 0) + 1)
    this.owing.add(connection)
    socket.start(connection)
  }

  /** The limit that one more connection would break. */
  private fullFor(address: string): string | undefined {
    const { connectionsMax, connectionsPerIpMax } = this.limits()
    if (this.all.size + this.turnedAway.size >= connectionsMax) return `max.connections=${connectionsMax}`
    return (this.byAddress.get(address) ?? 0) >= connectionsPerIpMax
      ? `max.connections.per.ip=${connectionsPerIpMax}`
      : undefined
  }

  private turnAway(socket: NetSocket): void {
    this.turnedAway.delete(socket)
    socket.destroy()
  }

  readonly acceptFailed = (message: string): void =>
    this.traffic.warn(
      "accept",
      `A connection could not be accepted: ${message}. If descriptors have run out, raise "ulimit -n" or lower max.connections.`
    )

  /** Ends all connections as soon as they are answered; each callback runs once. */
  end(onSettled: () => void, onEmpty: () => void): void {
    this.onSettled = onSettled
    this.onEmpty = onEmpty
    for (const socket of this.turnedAway) this.turnAway(socket)
    for (const connection of this.all) connection.closeWhenAnswered(null)
    this.report()
  }

  readonly finished: ConnectionHandler["finished"] = (connection) => {
    this.owing.delete(connection)
    this.report()
  }

  readonly closed: ConnectionHandler["closed"] = (connection) => {
    if (this.all.delete(connection as Connection)) this.forget(connection.remoteAddress)
    this.owing.delete(connection)
    try {
      this.notify(connection)
    } catch (cause) {
      this.traffic.warn("handler", `Forgetting the closed connection ${connection.id} failed: ${String(cause)}.`)
    }
    this.report()
  }

  private forget(address: string): void {
    const left = (this.byAddress.get(address) ?? 1) - 1
    if (left === 0) this.byAddress.delete(address)
    else this.byAddress.set(address, left)
  }

  private report(): void {
    if (this.owing.size === 0) this.onSettled?.()
    if (this.all.size === 0) this.onEmpty?.()
  }
}

const shutDown = Effect.fnUntraced(function* (port: Listening, connections: Connections, drainMs: number) {
  port.stopAccepting()
  const settled = Deferred.makeUnsafe<void>()
  const empty = Deferred.makeUnsafe<void>()
  connections.end(
    () => Deferred.doneUnsafe(settled, Exit.void),
    () => Deferred.doneUnsafe(empty, Exit.void)
  )
  // A finalizer is uninterruptible, and a timeout cannot cut what cannot be interrupted.
  yield* Effect.timeoutOption(Effect.interruptible(Deferred.await(settled)), Duration.millis(drainMs))
  yield* Effect.timeoutOption(Effect.interruptible(Deferred.await(empty)), Duration.millis(LINGER_MS))
  for (const connection of connections.all) connection.close(null)
  yield* Deferred.await(empty)
})

const sweeping = (
  connections: Connections,
  warnings: Warnings,
  periodMs: number
): Effect.Effect<unknown, never, Scope.Scope> =>
  supervise(
    { name: "kafka listener sweep", restart: "always" },
    Effect.gen(function* () {
      while (true) {
        yield* Effect.sleep(Duration.millis(periodMs))
        for (const connection of connections.all) connection.sweep()
        warnings.nextPeriod()
      }
    })
  )

interface Warnings {
  readonly warn: (kind: string, message: string) => void
  readonly nextPeriod: () => void
}

/** A few warnings of each kind per sweep period; then only their number, when the period ends. */
const makeWarnings: Effect.Effect<Warnings> = Effect.map(Effect.context<never>(), (context): Warnings => {
  const log = (message: string) => Effect.runForkWith(context)(Effect.logWarning(message))
  const counts = new Map<string, number>()
  return {
    warn: (kind, message) => {
      const count = (counts.get(kind) ?? 0) + 1
      counts.set(kind, count)
      if (count <= WARNINGS_PER_SWEEP_MAX) log(message)
    },
    nextPeriod: () => {
      for (const [kind, count] of counts) {
        const more = count - WARNINGS_PER_SWEEP_MAX
        if (more > 0) log(`${more} more warnings of the kind "${kind}" about Kafka connections were left out.`)
      }
      counts.clear()
    }
  }
})
