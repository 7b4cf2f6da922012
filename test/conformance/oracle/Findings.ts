/**
 * What came of the comparisons: counts, differences with a reason, and differences without one, grouped.
 */
import type { Api } from "@chronik-effect/core/protocol/Api.ts"
import type { Difference, Value } from "./Compare.ts"
import { type Rule, ruleFor, rules } from "./Differences.ts"
import { RoundTrips } from "./RoundTrips.ts"

export interface Unexplained {
  readonly seed: number
  readonly step: number
  readonly api: string
  readonly version: number
  readonly difference: Difference
  readonly request: Value
  count: number
  /** All versions in which it was seen. */
  readonly versions: Set<number>
}

/** A Buffer comes to a replacer as what its `toJSON` has made of it. */
const bytesOf = (value: unknown): string | undefined => {
  if (value instanceof Uint8Array) return Buffer.from(value).toString("hex")
  const { type, data } = (value ?? {}) as { type?: unknown; data?: ReadonlyArray<number> }
  return type === "Buffer" && data !== undefined ? Buffer.from(data).toString("hex") : undefined
}

export const shown = (value: unknown, lengthMax = 600): string => {
  const text = JSON.stringify(value, (_, each: unknown) => {
    if (typeof each === "bigint") return `${each}n`
    const bytes = bytesOf(each)
    if (bytes !== undefined) return bytes.length > 160 ? `${bytes.slice(0, 160)}… ${bytes.length / 2} bytes` : bytes
    return each === undefined ? "(none)" : each
  })
  if (text === undefined) return "(none)"
  return text.length > lengthMax ? `${text.slice(0, lengthMax)}… (${text.length} characters)` : text
}

/** Values that vary from case to case do not make a difference a new one. */
const grouped = (value: unknown): string => {
  if (value === undefined) return "none"
  if (value === null || typeof value === "boolean") return String(value)
  if (typeof value === "number") return Math.abs(value) < 200 ? String(value) : "number"
  return typeof value
}

export class Findings {
  requests = 0
  malformed = 0
  compares = 0
  explained = 0
  readonly perApi = new Map<string, number>()
  readonly askedVersions = new Map<string, { readonly api: Api; readonly version: number }>()
  readonly roundTrips = new RoundTrips()
  readonly matched = new Map<Rule, number>()
  readonly unexplained = new Map<string, Unexplained>()
  readonly #trace: ((line: string) => void) | undefined

  constructor(trace?: (line: string) => void) {
    this.#trace = trace
    for (const rule of rules) this.matched.set(rule, 0)
  }

  /** `whole`: a request of that version, of which an answer can be expected. */
  asked(seed: number, step: number, api: Api, version: number, request: Value, whole = true): void {
    this.requests++
    if (!whole) this.malformed++
    else this.perApi.set(api.name, (this.perApi.get(api.name) ?? 0) + 1)
    if (whole) this.askedVersions.set(`${api.key} ${version}`, { api, version })
    this.#trace?.(`${seed}/${step} ${api.name} ${version} ${shown(request, 4000)}`)
  }

  /** Whether every difference has a reason. */
  compared(
    seed: number,
    step: number,
    api: Api,
    version: number,
    request: Value,
    differences: ReadonlyArray<Difference>
  ): boolean {
    this.compares++
    let same = true
    for (const difference of differences) {
      const rule = ruleFor(api.name, version, difference, request)
      this.#trace?.(
        `${seed}/${step}   ${difference.place}: Kafka ${shown(difference.kafka)}, ours ${shown(difference.ours)}`
      )
      if (rule !== undefined) {
        this.explained++
        this.matched.set(rule, (this.matched.get(rule) ?? 0) + 1)
        continue
      }
      same = false
      this.#keep({ seed, step, api: api.name, version, difference, request, count: 1, versions: new Set([version]) })
    }
    return same
  }

  unsettled(seed: number, step: number, api: Api, version: number, side: string, what: string): void {
    const difference = { path: "(settled)", place: `(${what})`, kafka: side, ours: side, kafkaAround: [] }
    this.#keep({
      seed,
      step,
      api: api.name,
      version,
      difference,
      request: { what },
      count: 1,
      versions: new Set([version])
    })
  }

  #keep(found: Unexplained): void {
    const { path, kafka, ours } = found.difference
    const key = `${found.api} ${path.replace(/\.$/, "")} ${grouped(kafka)} ${grouped(ours)}`
    const known = this.unexplained.get(key)
    if (known === undefined) {
      this.unexplained.set(key, found)
      return
    }
    known.count++
    known.versions.add(found.version)
  }
}
