/**
 * Kafka's raw answers through our codec: decoded, encoded again, compared byte by byte; and which (API, version) pairs
 * have been seen with something in them.
 */
import type { Api } from "@chronik-effect/core/protocol/Api.ts"
import { includes } from "@chronik-effect/core/protocol/Descriptor.ts"
import { encodeResponseFrame } from "@chronik-effect/core/protocol/Frame.ts"
import type { Value } from "./Compare.ts"

interface Seen {
  answers: number
  withContent: number
}

const holdsContent = (value: unknown): boolean => {
  if (Array.isArray(value)) return value.length > 0
  if (value === null || value === undefined) return false
  return typeof value === "object" ? Object.values(value).some(holdsContent) : true
}

/** A list with something in it, or, where this version of the message has none, an answer that is no error. */
const hasContent = (api: Api, version: number, value: Value): boolean => {
  const lists = Object.entries(api.response.fields).filter(
    ([, field]) => field.type.kind === "array" && includes(field.versions, version) && !includes(field.tagged, version)
  )
  if (lists.length > 0) return lists.some(([name]) => holdsContent(value[name]))
  return value.errorCode === undefined || value.errorCode === 0
}

export class RoundTrips {
  readonly #seen = new Map<string, Seen>()
  identical = 0
  /** What did not come back as it was: a defect of our codec. */
  readonly broken: Array<string> = []

  check(api: Api, version: number, correlationId: number, raw: Uint8Array, value: Value): void {
    const again = Buffer.concat(encodeResponseFrame(api, version, correlationId, value)).subarray(4)
    if (Buffer.compare(again, raw) === 0) this.identical++
    else
      this.broken.push(
        `${api.name} ${version}: Kafka ${Buffer.from(raw).toString("hex")}, again ${again.toString("hex")}`
      )
    const key = `${api.key} ${version}`
    const seen = this.#seen.get(key) ?? { answers: 0, withContent: 0 }
    this.#seen.set(key, seen)
    seen.answers++
    if (hasContent(api, version, value)) seen.withContent++
  }

  /** Of the pairs that were asked: how many were seen with content, and which were not. */
  coverage(asked: ReadonlyArray<{ readonly api: Api; readonly version: number }>): {
    readonly full: number
    readonly missing: ReadonlyArray<string>
  } {
    const missing = asked.filter(
      ({ api, version }) => (this.#seen.get(`${api.key} ${version}`)?.withContent ?? 0) === 0
    )
    return { full: asked.length - missing.length, missing: missing.map(({ api, version }) => `${api.name} ${version}`) }
  }
}
