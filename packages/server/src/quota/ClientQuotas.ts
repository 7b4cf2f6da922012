/**
 * The quotas of clients in force: who is measured, and who must pause.
 *
 * What somebody uses is taken from a token bucket (`core/quota`), one for each entity that a quota counts together. Whoever
 * has used too much gets his answer at once, with the time to pause in it, and his connection is not read for that long
 * (KIP-219). That is one entry of the deadline heap for each muted connection, and no timer.
 *
 * While no quota of a kind is set, nobody is measured: callers ask `active` first, which is one branch.
 *
 * **Kinds** bytes of produce requests as they come; bytes of records fetched; processor time; partitions created and deleted;
 * connections made, by address. Clients are the user ANONYMOUS: there is no authentication.
 * @see KIP-13, KIP-124 (processor time), KIP-219, KIP-599 (mutations), KIP-612 (connections)
 */
import type { QuotaKey } from "@chronik-effect/core/metadata/ClientQuotas.ts"
import { Context, Effect, Layer } from "effect"
import { Deadlines } from "../actor/Deadlines.ts"
import { MetadataStore } from "../metadata/MetadataStore.ts"
import type { Connection } from "../network/RequestHandler.ts"
import { type Meter, Meters } from "./Meters.ts"
import { MutedConnections } from "./MutedConnections.ts"

/** A percent of one processor, in microseconds a second: there is one event loop. */
const PERCENT_MICROS = 10_000
const PAUSE_MS_MAX = 0x7fffffff

/** What quotas know of a request. */
export interface Asker {
  readonly clientId: string | null
  readonly connection: Connection
}

/** Which kinds have any quota at all. */
export interface ActiveQuotas {
  readonly produce: boolean
  readonly fetch: boolean
  readonly time: boolean
  readonly mutations: boolean
  readonly connections: boolean
}

/** One request's way of asking for changes of partitions. */
export interface MutationQuota {
  /** False: refuse this change with THROTTLING_QUOTA_EXCEEDED. */
  readonly take: (partitions: number) => boolean
  /** What the answer tells. */
  readonly throttleMs: () => number
}

const UNLIMITED: MutationQuota = { take: () => true, throttleMs: () => 0 }

export class ClientQuotas extends Context.Service<
  ClientQuotas,
  {
    readonly active: ActiveQuotas
    /** A produce request has come. Mutes the connection for the time that is returned. */
    readonly produced: (asker: Asker, bytes: number) => number
    /** How many bytes an answer may hold at most, so that it can be within the quota at all. */
    readonly fetchBytesMax: (asker: Asker) => number
    /** Greater than 0: the client has fetched too much already, and its connection is muted for that long. */
    readonly fetchThrottleMs: (asker: Asker) => number
    /** An answer of `bytes` is ready. Greater than 0: it must not be sent now, and the connection is muted for that long. */
    readonly fetched: (asker: Asker, bytes: number) => number
    /** A request took so much of the event loop's time. Mutes the connection when that was too much. */
    readonly processed: (asker: Asker, micros: number) => void
    /** What an answer must tell of processor time that was used up. */
    readonly timeThrottleMs: (asker: Asker) => number
    /** `strict`: the version of the request knows THROTTLING_QUOTA_EXCEEDED. */
    readonly mutations: (clientId: string | null, strict: boolean) => MutationQuota
    /** False: the connection is one too many; `close` is called when its peer has waited long enough. */
    readonly admit: (remoteAddress: string, close: () => void) => boolean
    /** Reads nothing from the connection for this time. */
    readonly mute: (connection: Connection, pauseMs: number) => void
    readonly forget: (connection: Connection) => void
    /** Connections that are muted now. */
    readonly muted: () => number
  }
>()("chronik/ClientQuotas") {
  static readonly layer = Layer.effect(
    ClientQuotas,
    Effect.suspend(() => make)
  )
}

/** How long use is averaged over: what an idle client may use at once is that much of its quota. */
interface Spans {
  readonly seconds: number
  readonly mutationSeconds: number
  readonly windowMs: number
}

/** The buckets, and what is done with them. */
class Quotas {
  readonly produce: Meters
  readonly fetch: Meters
  readonly time: Meters
  readonly mutation: Meters
  readonly connections: Meters
  readonly muted: MutedConnections
  readonly #deadlines: Deadlines["Service"]
  readonly #windowMs: number
  readonly #nowMs: () => number

  constructor(store: MetadataStore["Service"], deadlines: Deadlines["Service"], nowMs: () => number) {
    const { seconds, mutationSeconds, windowMs } = spansOf(store)
    const meters = (key: QuotaKey, span: number, unit: number) => new Meters(key, span, unit, store.image, nowMs)
    this.produce = meters("producer_byte_rate", seconds, 1)
    this.fetch = meters("consumer_byte_rate", seconds, 1)
    this.time = meters("request_percentage", seconds, PERCENT_MICROS)
    this.mutation = meters("controller_mutation_rate", mutationSeconds, 1)
    this.connections = meters("connection_creation_rate", seconds, 1)
    this.muted = new MutedConnections(deadlines, nowMs)
    this.#deadlines = deadlines
    this.#windowMs = windowMs
    this.#nowMs = nowMs
  }

  changed(): void {
    for (const each of [this.produce, this.fetch, this.time, this.mutation, this.connections]) each.changed()
  }

  readonly produced: ClientQuotas["Service"]["produced"] = (asker, bytes) => {
    const meter = this.produce.of(nameOf(asker))
    if (meter === undefined) return 0
    meter.bucket.take(bytes, this.#nowMs())
    return this.#muteFor(asker, this.#pause(meter))
  }

  readonly fetchBytesMax: ClientQuotas["Service"]["fetchBytesMax"] = (asker) =>
    Math.floor(this.fetch.of(nameOf(asker))?.burst ?? Number.MAX_SAFE_INTEGER)

  readonly fetchThrottleMs: ClientQuotas["Service"]["fetchThrottleMs"] = (asker) => {
    const meter = this.fetch.of(nameOf(asker))
    return meter === undefined ? 0 : this.#muteFor(asker, this.#pause(meter))
  }

  readonly fetched: ClientQuotas["Service"]["fetched"] = (asker, bytes) => {
    const meter = this.fetch.of(nameOf(asker))
    if (meter === undefined) return 0
    meter.bucket.take(bytes, this.#nowMs())
    const pauseMs = this.#pause(meter)
    // A batch that is larger than all that may be used at once would never come.
    if (pauseMs === 0 || bytes > meter.burst) return 0
    meter.bucket.take(-bytes, this.#nowMs())
    return this.#muteFor(asker, pauseMs)
  }

  readonly processed: ClientQuotas["Service"]["processed"] = (asker, micros) => {
    this.time.of(nameOf(asker))?.bucket.take(micros, this.#nowMs())
    this.#muteFor(asker, this.timeThrottleMs(asker))
  }

  /** As with Kafka the pause for processor time is one window at most: it is told for the next request anew. */
  readonly timeThrottleMs: ClientQuotas["Service"]["timeThrottleMs"] = (asker) => {
    const meter = this.time.of(nameOf(asker))
    return meter === undefined ? 0 : Math.min(this.#windowMs, this.#pause(meter))
  }

  readonly mutations: ClientQuotas["Service"]["mutations"] = (clientId, strict) => {
    const meter = this.mutation.active ? this.mutation.of(clientId ?? "") : undefined
    return meter === undefined ? UNLIMITED : mutationQuota(meter, strict, this.#nowMs)
  }

  readonly admit: ClientQuotas["Service"]["admit"] = (remoteAddress, close) => {
    const meter = this.connections.of(remoteAddress.replace(/^::ffff:/, ""))
    if (meter === undefined) return true
    meter.bucket.take(1, this.#nowMs())
    const pauseMs = this.#pause(meter)
    if (pauseMs === 0) return true
    meter.bucket.take(-1, this.#nowMs())
    this.#deadlines.add(Math.min(this.#windowMs, pauseMs), close)
    return false
  }

  #pause({ bucket }: Meter): number {
    return Math.min(PAUSE_MS_MAX, bucket.throttleMs(this.#nowMs()))
  }

  #muteFor(asker: Asker, pauseMs: number): number {
    this.muted.mute(asker.connection, pauseMs)
    return pauseMs
  }
}

/** Kafka's name of who does not name himself. */
const nameOf = ({ clientId }: Asker): string => clientId ?? ""

const make = Effect.gen(function* () {
  const store = yield* MetadataStore
  const clock = yield* Effect.clockWith(Effect.succeed)
  const quotas = new Quotas(store, yield* Deadlines, () => Number(clock.monotonicTimeNanosUnsafe()) / 1e6)
  const unsubscribe = store.subscribe((delta) => {
    if (delta.clientQuotasChanged) quotas.changed()
  })
  yield* Effect.addFinalizer(() => Effect.sync(unsubscribe))
  return ClientQuotas.of({
    active: activeOf(quotas),
    produced: quotas.produced,
    fetchBytesMax: quotas.fetchBytesMax,
    fetchThrottleMs: quotas.fetchThrottleMs,
    fetched: quotas.fetched,
    processed: quotas.processed,
    timeThrottleMs: quotas.timeThrottleMs,
    mutations: quotas.mutations,
    admit: quotas.admit,
    mute: quotas.muted.mute,
    forget: quotas.muted.forget,
    muted: () => quotas.muted.size
  })
})

const activeOf = ({ produce, fetch, time, mutation, connections }: Quotas): ActiveQuotas => ({
  get produce() {
    return produce.active
  },
  get fetch() {
    return fetch.active
  },
  get time() {
    return time.active
  },
  get mutations() {
    return mutation.active
  },
  get connections() {
    return connections.active
  }
})

const spansOf = (store: MetadataStore["Service"]): Spans => {
  const broker = store.brokerConfig()
  const windowSeconds = broker.integer("quota.window.size.seconds")
  return {
    // Kafka's windows: all but the one that is under way are full.
    seconds: windowSeconds * Math.max(1, broker.integer("quota.window.num") - 1),
    mutationSeconds:
      broker.integer("controller.quota.window.num") * broker.integer("controller.quota.window.size.seconds"),
    windowMs: windowSeconds * 1000
  }
}

/** Strict: what comes after the quota is used up is refused. Otherwise it is carried out, and the client pauses afterwards. */
const mutationQuota = ({ bucket }: Meter, strict: boolean, nowMs: () => number): MutationQuota => {
  let refused = false
  return {
    take: (partitions) => {
      if (strict && bucket.throttleMs(nowMs()) > 0) {
        refused = true
        return false
      }
      bucket.take(partitions, nowMs())
      return true
    },
    throttleMs: () => (strict && !refused ? 0 : bucket.throttleMs(nowMs()))
  }
}
