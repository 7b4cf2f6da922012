import { entityKey, type QuotaEntity } from "@chronik-effect/core/metadata/ClientQuotas.ts"
import type { Command } from "@chronik-effect/core/metadata/Command.ts"
import { Deadlines } from "@chronik-effect/server/actor/Deadlines.ts"
import { MetadataStore } from "@chronik-effect/server/metadata/MetadataStore.ts"
import type { Connection } from "@chronik-effect/server/network/RequestHandler.ts"
import { ClientQuotas } from "@chronik-effect/server/quota/ClientQuotas.ts"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Layer, type Scope } from "effect"
import { TestClock } from "effect/testing"
import { LogByHand, layerByHand } from "../metadata/MetadataHarness.ts"

/** A connection that only remembers whether it is muted. */
class Client implements Connection {
  static ids = 0
  readonly id = ++Client.ids
  readonly remoteAddress = "10.0.0.1"
  readonly remotePort = 1
  isOpen = true
  isMuted = false
  readonly clientId: string | null
  readonly mute = () => {
    expect(this.isMuted).toBe(false)
    this.isMuted = true
  }
  readonly unmute = () => {
    this.isMuted = false
  }
  readonly close = () => {
    this.isOpen = false
  }
  readonly closeWhenAnswered = this.close
  readonly connection = this

  constructor(clientId: string | null) {
    this.clientId = clientId
  }
}

const quota = (key: string, value: number | null, ...entity: QuotaEntity): Command => ({
  _tag: "AlterClientQuotas",
  entity,
  changes: [{ key, value }]
})
const onNode = <A>(
  commands: ReadonlyArray<Command>,
  body: (
    quotas: ClientQuotas["Service"],
    store: MetadataStore["Service"]
  ) => Effect.Effect<A, unknown, Deadlines | Scope.Scope>
) =>
  Effect.gen(function* () {
    const store = yield* MetadataStore
    for (const command of commands) yield* store.propose(command)
    return yield* body(yield* ClientQuotas, store)
  }).pipe(
    Effect.provide(
      ClientQuotas.layer.pipe(Layer.provideMerge(layerByHand(new LogByHand())), Layer.provideMerge(Deadlines.layer))
    ),
    Effect.scoped
  )

const MB = 1_000_000
const PRODUCE = "producer_byte_rate"
const FETCH = "consumer_byte_rate"

describe("ClientQuotas", () => {
  it.effect("without a quota nothing is active, and nobody is muted", () =>
    onNode([], (quotas) =>
      Effect.sync(() => {
        const client = new Client("c")
        expect({ ...quotas.active }).toEqual({
          produce: false,
          fetch: false,
          time: false,
          mutations: false,
          connections: false
        })
        expect(quotas.produced(client, 1e12)).toBe(0)
        expect(quotas.fetched(client, 1e12)).toBe(0)
        expect(quotas.fetchThrottleMs(client)).toBe(0)
        expect(quotas.fetchBytesMax(client)).toBe(Number.MAX_SAFE_INTEGER)
        expect(quotas.mutations("c", true).take(1e9)).toBe(true)
        expect(quotas.admit("10.0.0.1", () => {})).toBe(true)
        expect([client.isMuted, quotas.muted()]).toEqual([false, 0])
      })
    )
  )

  it.effect("a producer with 1 MB/s stays within a tenth of it over five spans of its windows", () =>
    onNode([quota(PRODUCE, MB, ["client-id", "c"])], (quotas) =>
      Effect.gen(function* () {
        const client = new Client("c")
        const requestBytes = 128 * 1024
        let sent = 0
        let now = 0
        const send = Effect.gen(function* () {
          const pauseMs = quotas.produced(client, requestBytes)
          sent += requestBytes
          expect(client.isMuted).toBe(pauseMs > 0)
          now += pauseMs + 1
          yield* TestClock.adjust(pauseMs + 1)
          expect(client.isMuted).toBe(false)
        })
        // What an idle client may use at once: ten seconds' worth.
        while (sent < 11 * MB) yield* send
        const [from, before] = [now, sent]
        while (now < from + 5 * 11_000) yield* send
        const rate = ((sent - before) * 1000) / (now - from)
        expect(rate / MB).toBeGreaterThan(0.9)
        expect(rate / MB).toBeLessThan(1.1)
      })
    )
  )

  it.effect(
    "the connection is not read for as long as the answer tells, and a longer pause replaces a shorter one",
    () =>
      onNode([quota(PRODUCE, 1000, ["client-id", "c"])], (quotas) =>
        Effect.gen(function* () {
          const client = new Client("c")
          const other = new Client("d")
          expect(quotas.produced(client, 10_500)).toBe(500)
          expect(quotas.produced(client, 500)).toBe(1000)
          expect(quotas.produced(other, 1e9)).toBe(0)
          expect([client.isMuted, other.isMuted, quotas.muted()]).toEqual([true, false, 1])
          quotas.mute(client, 200)
          yield* TestClock.adjust(999)
          expect(client.isMuted).toBe(true)
          yield* TestClock.adjust(1)
          expect([client.isMuted, quotas.muted()]).toEqual([false, 0])
        })
      )
  )

  it.effect("a connection that goes leaves no deadline", () =>
    onNode([quota(PRODUCE, 1, ["client-id", null])], (quotas) =>
      Effect.gen(function* () {
        const { size } = yield* Deadlines
        const client = new Client(null)
        quotas.produced(client, 1_000_000)
        expect([quotas.muted(), size()]).toEqual([1, 1])
        quotas.forget(client)
        expect([quotas.muted(), size()]).toEqual([0, 0])
        client.close()
        quotas.produced(client, 1_000_000)
        expect([quotas.muted(), size()]).toEqual([0, 0])
      })
    )
  )

  it.effect("connections of one client count together; those of a default each alone", () =>
    onNode([quota(PRODUCE, 1000, ["client-id", "c"]), quota(PRODUCE, 1000, ["client-id", null])], (quotas) =>
      Effect.sync(() => {
        expect(quotas.produced(new Client("c"), 6000)).toBe(0)
        expect(quotas.produced(new Client("c"), 6000)).toBe(2000)
        expect(quotas.produced(new Client("d"), 6000)).toBe(0)
        expect(quotas.produced(new Client("e"), 6000)).toBe(0)
        expect(quotas.produced(new Client("d"), 6000)).toBe(2000)
        // Who does not name himself is the client "".
        expect(quotas.produced(new Client(null), 11_000)).toBe(1000)
      })
    )
  )

  it.effect("the closest entity counts, and a change of it at once", () =>
    onNode([quota(PRODUCE, 10, ["client-id", "c"])], (quotas, store) =>
      Effect.gen(function* () {
        const client = new Client("c")
        expect(quotas.produced(client, 101)).toBe(100)
        yield* store.propose(quota(PRODUCE, 1000, ["user", "ANONYMOUS"]))
        expect(quotas.produced(client, 10_001)).toBe(1)
        yield* store.propose(quota(PRODUCE, null, ["user", "ANONYMOUS"]))
        // Back at the old one, with what was used of it.
        expect(quotas.produced(client, 0)).toBe(100)
        yield* store.propose(quota(PRODUCE, null, ["client-id", "c"]))
        expect([quotas.active.produce, quotas.produced(client, 1e9)]).toEqual([false, 0])
        expect(entityKey([["client-id", "c"]])).not.toBe(entityKey([["user", "c"]]))
      })
    )
  )

  it.effect("a fetch that would be too much is not given, and counts for nothing", () =>
    onNode([quota(FETCH, 1000, ["user", null])], (quotas) =>
      Effect.gen(function* () {
        const client = new Client("c")
        expect(quotas.fetchBytesMax(client)).toBe(10_000)
        expect([quotas.fetchThrottleMs(client), quotas.fetched(client, 6000)]).toEqual([0, 0])
        expect([quotas.fetchThrottleMs(client), quotas.fetched(client, 6000)]).toEqual([0, 2000])
        expect(client.isMuted).toBe(true)
        yield* TestClock.adjust(2000)
        expect([quotas.fetchThrottleMs(client), quotas.fetched(client, 6000)]).toEqual([0, 0])
        expect(client.isMuted).toBe(false)
      })
    )
  )

  it.effect("a batch larger than all that may be used at once is given to who owes nothing, and paid for", () =>
    onNode([quota(FETCH, 1000, ["user", null])], (quotas) =>
      Effect.gen(function* () {
        const client = new Client("c")
        expect([quotas.fetchThrottleMs(client), quotas.fetched(client, 50_000)]).toEqual([0, 0])
        expect(quotas.fetchThrottleMs(client)).toBe(40_000)
        yield* TestClock.adjust(40_000)
        expect([quotas.fetchThrottleMs(client), quotas.fetched(client, 50_000)]).toEqual([0, 0])
      })
    )
  )

  it.effect("processor time: a share of the one processor, pauses of a window at most", () =>
    onNode([quota("request_percentage", 1, ["client-id", "c"])], (quotas) =>
      Effect.gen(function* () {
        const client = new Client("c")
        // One percent of ten seconds.
        quotas.processed(client, 100_000)
        expect([client.isMuted, quotas.timeThrottleMs(client)]).toEqual([false, 0])
        quotas.processed(client, 5_000)
        expect([client.isMuted, quotas.timeThrottleMs(client)]).toEqual([true, 500])
        yield* TestClock.adjust(500)
        expect([client.isMuted, quotas.timeThrottleMs(client)]).toEqual([false, 0])
        quotas.processed(client, 1e6)
        expect(quotas.timeThrottleMs(client)).toBe(1000)
        yield* TestClock.adjust(1000)
        expect(client.isMuted).toBe(false)
        quotas.processed(new Client("d"), 1e9)
        expect(quotas.timeThrottleMs(new Client("d"))).toBe(0)
      })
    )
  )

  it.effect("mutations: strict versions are refused, older ones pause afterwards", () =>
    onNode([quota("controller_mutation_rate", 1, ["user", null])], (quotas) =>
      Effect.gen(function* () {
        const older = quotas.mutations("c", false)
        expect([older.take(8), older.throttleMs()]).toEqual([true, 0])
        expect([older.take(8), older.throttleMs()]).toEqual([true, 5000])
        expect([older.take(8), older.throttleMs()]).toEqual([true, 13_000])
        const strict = quotas.mutations("c", true)
        expect([strict.take(1), strict.throttleMs()]).toEqual([false, 13_000])
        yield* TestClock.adjust(13_000)
        const later = quotas.mutations("c", true)
        expect([later.take(5), later.throttleMs()]).toEqual([true, 0])
        expect([later.take(1), later.throttleMs()]).toEqual([false, 5000])
      })
    )
  )

  it.effect("connections: those of an address that are too many wait until they are closed", () =>
    onNode([quota("connection_creation_rate", 1, ["ip", "10.0.0.1"])], (quotas) =>
      Effect.gen(function* () {
        const closed: Array<number> = []
        const come = (address: string, i: number) => quotas.admit(address, () => void closed.push(i))
        const admitted = Array.from({ length: 12 }, (_, i) => come("::ffff:10.0.0.1", i))
        expect(admitted.filter((yes) => yes)).toHaveLength(10)
        expect(come("10.0.0.2", 99)).toBe(true)
        expect(closed).toEqual([])
        yield* TestClock.adjust(1000)
        expect(closed).toEqual([10, 11])
        expect(come("10.0.0.1", 100)).toBe(true)
        expect(come("10.0.0.1", 101)).toBe(false)
      })
    )
  )

  it.effect("thousands of clients under a default do not grow without bound", () =>
    onNode([quota(PRODUCE, 1000, ["client-id", null])], (quotas) =>
      Effect.sync(() => {
        for (let i = 0; i < 25_000; i++) quotas.produced(new Client(`client-${i}`), 10_500)
        expect(quotas.muted()).toBe(25_000)
        // The newest ones are still known.
        expect(quotas.produced(new Client("client-24999"), 0)).toBe(500)
      })
    )
  )
})
