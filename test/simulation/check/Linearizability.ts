/**
 * The metadata as its clients saw it is linearizable: for each key there is one order of the operations, each between its call
 * and its answer, in which every answer is right. Judged when the run is over.
 *
 * A history that is too concurrent to decide within `STEPS_MAX` is skipped and counted as `check.history undecided`.
 */
import type { Observation } from "../Observation.ts"
import { type Checker, Violation } from "./Checker.ts"
import type { Of } from "./CommittedLog.ts"
import { judge, type Operation } from "./TopicRegister.ts"

const STEPS_MAX = 50_000
const OPERATIONS_MAX = 100_000

/** Refusals that say something of the key's state; others (a bad request, a busy controller) say that nothing happened. */
const TELLING = new Set(["TOPIC_ALREADY_EXISTS", "UNKNOWN_TOPIC_ID", "UNKNOWN_TOPIC_OR_PARTITION"])

export class Linearizability implements Checker {
  readonly name = "metadata linearizable"
  readonly #keys = new Map<string, Array<Operation>>()
  readonly #open = new Map<string, { readonly key: string; readonly operation: Operation }>()
  readonly #cover: (state: string) => void
  #time = 0

  constructor(cover: (state: string) => void) {
    this.#cover = cover
  }

  observe(o: Observation): void {
    if (o._tag === "MetadataCall") this.#call(o)
    else if (o._tag === "MetadataReturn") this.#return(o)
  }

  #call({ client, operation: number, kind, key, value }: Of<"MetadataCall">): void {
    if (this.#time >= OPERATIONS_MAX) return this.#cover("check.history full")
    const operation: Operation = {
      kind,
      value,
      calledAt: this.#time++,
      returnedAt: Number.POSITIVE_INFINITY,
      outcome: "unknown",
      answer: null
    }
    const operations = this.#keys.get(key) ?? []
    operations.push(operation)
    this.#keys.set(key, operations)
    this.#open.set(`${client}/${number}`, { key, operation })
  }

  #return(o: Of<"MetadataReturn">): void {
    const id = `${o.client}/${o.operation}`
    const open = this.#open.get(id)
    if (open === undefined) return
    this.#open.delete(id)
    const { operation, key } = open
    if (o.outcome === "unknown") return
    if (o.outcome === "refused" && !TELLING.has(o.value ?? "")) {
      // It changed nothing and tells nothing.
      const operations = this.#keys.get(key)!
      operations.splice(operations.indexOf(operation), 1)
      return
    }
    operation.returnedAt = this.#time++
    operation.outcome = o.outcome
    operation.answer = o.value
  }

  final(): void {
    for (const [key, operations] of this.#keys) {
      const verdict = judge(key, operations, STEPS_MAX)
      this.#cover(`check.history ${verdict}`)
      if (verdict !== "violation") continue
      const told = [...operations].sort((a, b) => a.calledAt - b.calledAt).map(describe)
      throw new Violation(
        "metadata-not-linearizable",
        `no order explains what clients saw of ${key}: ${told.join("; ")}`
      )
    }
  }
}

const describe = (o: Operation): string =>
  `${o.calledAt}-${o.returnedAt} ${o.kind} ${o.value ?? ""} ${o.outcome} ${o.answer ?? ""}`.trimEnd()
