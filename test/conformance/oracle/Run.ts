/**
 * One seed's conversation: each request goes to both brokers, their answers are compared, and Kafka's is the truth from
 * which the script goes on.
 *
 * Requests are written in Kafka's ids and translated for ours. Both sides are asked at the same moment and the next request
 * leaves when both have answered, except where the script holds several requests open on purpose (`begin`).
 */
import type { Prng } from "@chronik-effect/core/base/Prng.ts"
import type { Api } from "@chronik-effect/core/protocol/Api.ts"
import { apis } from "@chronik-effect/core/protocol/ApiKeys.ts"
import { decodeResponse, encodeRequestFrame } from "@chronik-effect/core/protocol/Frame.ts"
import type { Partially } from "@chronik-effect/core/protocol/Message.ts"
import { ApiVersionsApi } from "@chronik-effect/core/protocol/messages/18_ApiVersions.ts"
import { compare, type Difference, type Sides, type Value } from "./Compare.ts"
import type { Findings } from "./Findings.ts"
import { pruned } from "./Questions.ts"
import { Symbols } from "./Symbols.ts"
import { translated } from "./Translate.ts"
import type { Answer, Side } from "./Wire.ts"

const MAIN = "main"
const SETTLE_MS_MAX = 20_000

export interface AskOptions {
  /** Of this API, instead of any that both serve. */
  readonly version?: number
  /** Inclusive bounds for the choice of a version. */
  readonly from?: number
  readonly to?: number
  /** Name of the connection. */
  readonly on?: string
  readonly clientId?: string | null
}

export interface Asked<Res> {
  /** Kafka's answer; undefined when it closed the connection. */
  readonly answer: Res | undefined
  readonly version: number
  /** Whether ours was the same, reasons aside. */
  readonly same: boolean
}

export interface Offered {
  readonly min: number
  readonly max: number
}

export class Run {
  readonly seed: number
  readonly random: Prng
  readonly kafka: Side
  readonly ours: Side
  readonly findings: Findings
  readonly symbols = new Symbols()
  /** A moment of the script that both sides share; record times are counted from it. */
  readonly startedMs = Date.now()
  /** Versions that both brokers serve, by key. */
  readonly offered = new Map<number, Offered>()
  step = 0
  #correlationId = 0

  constructor(seed: number, random: Prng, kafka: Side, ours: Side, findings: Findings) {
    this.seed = seed
    this.random = random
    this.kafka = kafka
    this.ours = ours
    this.findings = findings
  }

  get sides(): Sides {
    return {
      symbols: this.symbols,
      kafkaPort: this.kafka.port,
      oursPort: this.ours.port,
      kafkaHost: this.kafka.host,
      oursHost: this.ours.host,
      // Both clocks are this machine's or near it; the script's own times lie elsewhere.
      startedMs: this.startedMs - 60_000
    }
  }

  serves(api: Api): boolean {
    return this.offered.has(api.key)
  }

  /** Learns what both serve. Throws when one of them cannot be asked. */
  async learn(): Promise<void> {
    const value = { clientSoftwareName: "oracle", clientSoftwareVersion: "1" }
    const [kafka, ours] = await Promise.all(
      [this.kafka, this.ours].map((side) => this.askSide(side, ApiVersionsApi, 3, value, MAIN))
    )
    if (kafka === undefined || ours === undefined) throw new Error("a broker closed the connection on ApiVersions")
    const mine = new Map(ours.apiKeys.map((each) => [each.apiKey, each]))
    for (const theirs of kafka.apiKeys) {
      const api = apis.get(theirs.apiKey)
      const other = mine.get(theirs.apiKey)
      if (api === undefined || other === undefined) continue
      const min = Math.max(theirs.minVersion, other.minVersion, api.request.versions.first)
      this.offered.set(api.key, { min, max: Math.min(theirs.maxVersion, other.maxVersion) })
    }
  }

  versionOf(api: Api, options: AskOptions = {}): number {
    if (options.version !== undefined) return options.version
    const offered = this.offered.get(api.key)
    if (offered === undefined) throw new Error(`${api.name} is not served by both: the script must not ask it`)
    const first = Math.max(offered.min, options.from ?? 0)
    return this.random.between(first, Math.max(first, Math.min(offered.max, options.to ?? offered.max)))
  }

  async ask<Req, Res>(api: Api<Req, Res>, value: Partially<Req>, options: AskOptions = {}): Promise<Asked<Res>> {
    return (await this.begin(api, value, options)).finish()
  }

  /** Sends; the answers are taken and compared by `finish`. */
  async begin<Req, Res>(
    api: Api<Req, Res>,
    value: Partially<Req>,
    options: AskOptions = {}
  ): Promise<{ readonly finish: () => Promise<Asked<Res>> }> {
    const version = this.versionOf(api, options)
    const request = pruned(api.request, version, value as Value)
    const step = ++this.step
    const correlationId = ++this.#correlationId
    const on = options.on ?? MAIN
    const frames = this.frames(api, version, correlationId, request, options.clientId)
    this.findings.asked(this.seed, step, api, version, request)
    const wires = await Promise.all([this.kafka.wire(on), this.ours.wire(on)])
    const answers = Promise.all(wires.map((wire, at) => wire.ask(frames[at]!)))
    const finish = async (): Promise<Asked<Res>> => {
      const [kafka, ours] = await answers
      const judged = this.judge(api, version, step, correlationId, request, kafka!, ours!)
      return { ...judged, version }
    }
    return { finish }
  }

  /** Frames of any bytes, each on a fresh connection: both answer, or both close it. */
  async askRaw(api: Api, version: number, frame: Uint8Array, what: string): Promise<void> {
    const step = ++this.step
    const on = `raw ${step}`
    this.findings.asked(this.seed, step, api, version, { what, frame }, false)
    const wires = await Promise.all([this.kafka.wire(on), this.ours.wire(on)])
    const [kafka, ours] = await Promise.all(wires.map((wire) => wire.ask(frame)))
    await Promise.all([this.kafka.drop(on), this.ours.drop(on)])
    const differences = connectionDifference(kafka!, ours!)
    this.findings.compared(this.seed, step, api, version, { what, frame }, differences)
  }

  /** A request of which no answer comes. */
  async tell<Req>(api: Api<Req, unknown>, value: Partially<Req>, options: AskOptions = {}): Promise<void> {
    const version = this.versionOf(api, options)
    const request = pruned(api.request, version, value as Value)
    this.findings.asked(this.seed, ++this.step, api, version, request)
    const on = options.on ?? MAIN
    const frames = this.frames(api, version, ++this.#correlationId, request, options.clientId)
    const wires = await Promise.all([this.kafka.wire(on), this.ours.wire(on)])
    for (const [at, wire] of wires.entries()) wire.send(frames[at]!)
  }

  /** Asks each side by itself until its answer is as wanted: brokers apply some changes after they have answered. */
  async settle<Req, Res>(
    what: string,
    api: Api<Req, Res>,
    value: Partially<Req> | ((side: Side) => Partially<Req>),
    wanted: (answer: Res, side: Side) => boolean,
    version: number = this.offered.get(api.key)!.max
  ): Promise<boolean> {
    const deadline = performance.now() + SETTLE_MS_MAX
    const until = async (side: Side): Promise<boolean> => {
      while (performance.now() < deadline) {
        const asked = typeof value === "function" ? value(side) : value
        const answer = await this.askSide(side, api, version, asked, "settle")
        if (answer !== undefined && wanted(answer, side)) return true
      }
      this.findings.unsettled(this.seed, this.step, api, version, side.name, what)
      return false
    }
    const settled = await Promise.all([until(this.kafka), until(this.ours)])
    return settled.every((each) => each)
  }

  /** A question to one side, not compared; its answer is in that side's own ids. */
  async askSide<Req, Res>(
    side: Side,
    api: Api<Req, Res>,
    version: number,
    value: Partially<Req>,
    on: string
  ): Promise<Res | undefined> {
    const wire = await side.wire(on)
    const request = pruned(api.request, version, value as Value)
    const given = side === this.kafka ? request : translated(this.symbols, api.name, api.request, version, request)
    const parts = encodeRequestFrame(api, version, ++this.#correlationId, "oracle", given as Partially<Req>)
    const answer = await wire.ask(Buffer.concat(parts))
    return typeof answer === "string" ? undefined : decodeResponse(api, version, answer, 0, answer.length).value
  }

  private frames(api: Api, version: number, correlationId: number, request: Value, clientId?: string | null) {
    const client = clientId === undefined ? "oracle" : clientId
    const frame = (value: Value) => Buffer.concat(encodeRequestFrame(api, version, correlationId, client, value))
    return [frame(request), frame(translated(this.symbols, api.name, api.request, version, request))]
  }

  private judge<Res>(
    api: Api<unknown, Res>,
    version: number,
    step: number,
    correlationId: number,
    request: Value,
    kafka: Answer,
    ours: Answer
  ): { readonly answer: Res | undefined; readonly same: boolean } {
    const read = (answer: Answer) =>
      typeof answer === "string" ? undefined : decodeResponse(api, version, answer, 0, answer.length)
    const theirs = read(kafka)
    const mine = read(ours)
    if (theirs !== undefined) {
      this.findings.roundTrips.check(api, version, theirs.correlationId, kafka as Uint8Array, theirs.value as Value)
    }
    let differences = connectionDifference(kafka, ours)
    if (theirs !== undefined && mine !== undefined) {
      if (theirs.correlationId !== correlationId || mine.correlationId !== correlationId) {
        throw new Error(
          `seed ${this.seed} step ${step}: the answers are to ${theirs.correlationId}, ${mine.correlationId}`
        )
      }
      differences = compare(this.sides, api.name, api.response, version, theirs.value, mine.value)
    }
    const same = this.findings.compared(this.seed, step, api, version, request, differences)
    return { answer: theirs?.value, same: same && differences.length === 0 }
  }
}

const connectionDifference = (kafka: Answer, ours: Answer): ReadonlyArray<Difference> => {
  const [theirs, mine] = [kafka, ours].map((answer) => (typeof answer === "string" ? answer : "answered"))
  const place = "(connection)"
  return theirs === mine ? [] : [{ path: place, place, kafka: theirs, ours: mine, kafkaAround: [] }]
}
