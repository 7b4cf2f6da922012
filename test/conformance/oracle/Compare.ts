/**
 * Two answers to one request, compared field by field as the descriptor of the message lays them out.
 *
 * Gives the differences that are left when ids are taken for each other, times of the present for equal, and wording for
 * what it is. Deliberately knows no excuse: whether a difference has a reason is for the table in `Differences.ts`.
 */
import { ZERO_UUID } from "@chronik-effect/core/base/Uuid.ts"
import { type Fields, type FieldType, includes, type Message } from "@chronik-effect/core/protocol/Descriptor.ts"
import { LOG_APPEND_TIME_FLAG } from "@chronik-effect/core/record/RecordBatch.ts"
import { type BatchView, batchesOf } from "./Batches.ts"
import { meaningOf, merged, unordered } from "./Fields.ts"
import type { Kind, Symbols } from "./Symbols.ts"

export interface Difference {
  /** Names of fields only: what rules are about. */
  readonly path: string
  /** With the keys of array elements: what a reader wants to see. */
  readonly place: string
  /** `undefined`: not there. */
  readonly kafka: unknown
  readonly ours: unknown
  /** The structs around the field, innermost last: what a rule may look at. */
  readonly kafkaAround: ReadonlyArray<Value>
}

export type Value = Readonly<Record<string, unknown>>

export interface Sides {
  readonly symbols: Symbols
  readonly kafkaPort: number
  readonly oursPort: number
  readonly kafkaHost: string
  readonly oursHost: string
  /** Milliseconds: everything after it is the present. */
  readonly startedMs: number
}

class Comparison {
  readonly found: Array<Difference> = []
  readonly #sides: Sides
  readonly #api: string
  readonly #version: number
  #around: ReadonlyArray<Value> = []
  /** Elements are being compared of which it is not sure that they belong together. */
  #uncertain = false

  constructor(sides: Sides, api: string, version: number) {
    this.#sides = sides
    this.#api = api
    this.#version = version
  }

  struct(fields: Fields, path: string, place: string, kafka: Value, ours: Value): void {
    const outer = this.#around
    this.#around = [...outer, kafka]
    for (const [name, field] of Object.entries(fields)) {
      if (!includes(field.versions, this.#version)) continue
      const dot = path === "" ? "" : "."
      this.value(field.type, name, path + dot + name, place + dot + name, kafka[name], ours[name])
    }
    this.#around = outer
  }

  value(type: FieldType, name: string, path: string, place: string, kafka: unknown, ours: unknown): void {
    const nothing = (given: unknown) => given === null || given === undefined
    if (nothing(kafka) || nothing(ours)) {
      const same = nothing(kafka) === nothing(ours) || this.same(type.kind, name, path, kafka, ours)
      if (!same) this.differ(path, place, kafka, ours)
      return
    }
    if (type.kind === "struct") return this.struct(type.fields, path, place, kafka as Value, ours as Value)
    if (type.kind === "array") return this.array(type.element, name, path, place, kafka as [], ours as [])
    if (type.kind === "records") return this.records(path, place, kafka as Uint8Array, ours as Uint8Array)
    if (!this.same(type.kind, name, path, kafka, ours)) this.differ(path, place, kafka, ours)
  }

  differ(path: string, place: string, kafka: unknown, ours: unknown): void {
    this.found.push({ path, place, kafka, ours, kafkaAround: this.#around })
  }

  array(
    element: FieldType,
    name: string,
    path: string,
    place: string,
    kafka: ReadonlyArray<unknown>,
    ours: ReadonlyArray<unknown>
  ): void {
    const keys = unordered[`${this.#api}.${path}`]
    if (keys !== undefined) return this.unordered(keys, element, name, path, place, kafka, ours)
    if (kafka.length !== ours.length) return this.differ(`${path}[]`, `${place}[]`, kafka, ours)
    for (const [at, each] of kafka.entries()) this.value(element, name, path, `${place}[${at}]`, each, ours[at])
  }

  /** Elements with the same key are matched in the order in which they stand, so that a repeated element counts. */
  unordered(
    keys: ReadonlyArray<string>,
    element: FieldType,
    name: string,
    path: string,
    place: string,
    kafka: ReadonlyArray<unknown>,
    ours: ReadonlyArray<unknown>
  ): void {
    const left = this.merge(keys, path, ours, false)
    const unmatched: Array<unknown> = []
    for (const each of this.merge(keys, path, kafka, true)) {
      const key = this.keyOf(keys, each, true)
      const at = left.findIndex((other) => this.keyOf(keys, other, false) === key)
      if (at < 0) unmatched.push(each)
      else this.value(element, name, path, `${place}[${key}]`, each, left.splice(at, 1)[0])
    }
    // An id that has not been seen yet, of a member that still waits for its answer, has no other way to its like.
    const pairs =
      unmatched.length === left.length && keys.length > 0 && keys.every((key) => this.isId(key)) ? unmatched.length : 0
    for (const each of unmatched) {
      const inPlace = `${place}[${this.keyOf(keys, each, true)}]`
      if (pairs > 0) {
        this.#uncertain = pairs > 1
        this.value(element, name, path, inPlace, each, this.likely(keys, each, left))
        this.#uncertain = false
      } else this.differ(`${path}[]`, inPlace, each, undefined)
    }
    for (const each of left) this.differ(`${path}[]`, `${place}[${this.keyOf(keys, each, false)}]`, undefined, each)
  }

  /** Takes the first of `left` that may be what `kafka` is: what a client said of itself is the same. */
  likely(keys: ReadonlyArray<string>, kafka: unknown, left: Array<unknown>): unknown {
    const texts = (element: unknown) => keys.map((key) => saidByClient(String((element as Value)[key]))).join(" ")
    const at = left.findIndex((each) => texts(each) === texts(kafka))
    return left.splice(Math.max(0, at), 1)[0]
  }

  isId(key: string): boolean {
    return typeof meaningOf(this.#api, key, key, "") === "object"
  }

  merge(keys: ReadonlyArray<string>, path: string, elements: ReadonlyArray<unknown>, kafka: boolean): Array<unknown> {
    const list = merged[`${this.#api}.${path}`]
    if (list === undefined) return [...elements]
    const byKey = new Map<string, Value>()
    for (const element of elements as ReadonlyArray<Value>) {
      const key = this.keyOf(keys, element, kafka)
      const known = byKey.get(key)
      const more = element[list] as ReadonlyArray<unknown>
      const all = known === undefined ? more : [...(known[list] as ReadonlyArray<unknown>), ...more]
      byKey.set(key, { ...element, [list]: all })
    }
    return [...byKey.values()]
  }

  /** Kafka's ids are shown as ours: an element is found again by an id that has been seen. */
  keyOf(keys: ReadonlyArray<string>, element: unknown, kafka: boolean): string {
    const part = (alternatives: string): unknown => {
      const names = alternatives.split("|")
      const name = names.find((each) => !isEmpty((element as Value)[each])) ?? names[0]!
      return kafka ? this.asOurs(name, (element as Value)[name]) : (element as Value)[name]
    }
    return keys.length === 0 ? JSON.stringify(element) : keys.map((key) => keyText(part(key))).join(" ")
  }

  asOurs(name: string, value: unknown): unknown {
    const kind = typeof value === "string" && name.endsWith("Id") ? "uuid" : ""
    const meaning = meaningOf(this.#api, name, name, kind)
    return typeof meaning === "object" ? this.#sides.symbols.toOurs(meaning.id, value) : value
  }

  same(kind: string, name: string, path: string, kafka: unknown, ours: unknown): boolean {
    const meaning = meaningOf(this.#api, path, name, kind)
    const sides = this.#sides
    if (typeof meaning === "object") return this.sameId(meaning.id, kafka, ours)
    switch (meaning) {
      case "ignored":
        return true
      case "wording":
        return isEmpty(kafka) === isEmpty(ours)
      case "present":
        return kafka === ours || (Number(kafka) >= sides.startedMs && Number(ours) >= sides.startedMs)
      case "host":
        return (kafka === sides.kafkaHost && ours === sides.oursHost) || (kafka === "" && ours === "")
      case "port":
        return (kafka === sides.kafkaPort && ours === sides.oursPort) || (kafka === -1 && ours === -1)
      default:
        if (kafka instanceof Uint8Array) return Buffer.compare(kafka, ours as Uint8Array) === 0
        return Object.is(kafka, ours)
    }
  }

  sameId(kind: Kind, kafka: unknown, ours: unknown): boolean {
    if (isNone(kind, kafka) || isNone(kind, ours)) return kafka === ours
    if (kind === "member" && unlike(String(kafka), String(ours))) return false
    return this.#sides.symbols.matches(kind, kafka, ours, this.#uncertain)
  }

  records(path: string, place: string, kafka: Uint8Array, ours: Uint8Array): void {
    const [theirs, mine] = [batchesOf(kafka), batchesOf(ours)]
    if (theirs.length !== mine.length) return this.differ(`${path}[]`, `${place}[]`, theirs, mine)
    for (const [at, batch] of theirs.entries()) {
      for (const [field, value] of Object.entries(batch)) {
        const other = mine[at]![field as keyof BatchView]
        if (value !== other && !this.sameInBatch(field, batch, mine[at]!)) {
          this.differ(`${path}.${field}`, `${place}[${at}].${field}`, value, other)
        }
      }
    }
  }

  sameInBatch(field: string, kafka: BatchView, ours: BatchView): boolean {
    if (field === "producerId") return this.sameId("producer", kafka.producerId, ours.producerId)
    const appendTime = (kafka.attributes & ours.attributes & LOG_APPEND_TIME_FLAG) !== 0
    return (
      field === "maxTimestamp" &&
      appendTime &&
      this.same("int64", "timestamp", "", kafka.maxTimestamp, ours.maxTimestamp)
    )
  }
}

/** What stands where there is no id; 0 is a producer id as good as any. */
const isNone = (kind: Kind, id: unknown): boolean =>
  id === -1 || id === "" || id === ZERO_UUID || (id === 0 && kind !== "producer")

const isEmpty = (value: unknown): boolean =>
  value === undefined || value === null || value === "" || value === ZERO_UUID

/** A list that is a key is one whatever its order. */
const keyText = (value: unknown): string =>
  Array.isArray(value)
    ? `[${value
        .map((each) => JSON.stringify(each))
        .sort()
        .join(",")}]`
    : JSON.stringify(value)

/** A member id is what the client said of itself, then what the broker made. */
const unlike = (kafka: string, ours: string): boolean => saidByClient(kafka) !== saidByClient(ours)
const saidByClient = (memberId: string): string =>
  memberId.replace(/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$|[A-Za-z0-9_-]{22}$/, "")

export const compare = (
  sides: Sides,
  api: string,
  message: Message<unknown>,
  version: number,
  kafka: unknown,
  ours: unknown
): ReadonlyArray<Difference> => {
  const comparison = new Comparison(sides, api, version)
  comparison.struct(message.fields, "", "", kafka as Value, ours as Value)
  return comparison.found
}
