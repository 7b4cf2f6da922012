/**
 * The sequential meaning of one metadata key, and a search whether a history of concurrent operations on it could have happened
 * one after the other (linearizability, after Wing and Gong, with a memory of what was tried).
 *
 * A key is a topic's name: its state is "" or `<topic id> <min.insync.replicas or ->`. The key `producer-ids` is the next free
 * producer id. An operation without an answer may have taken effect at any time after its call, or never.
 */
export interface Operation {
  readonly kind: string
  readonly value: string | null
  readonly calledAt: number
  /** Infinity: no answer. */
  returnedAt: number
  outcome: "ok" | "refused" | "unknown"
  answer: string | null
}

export const PRODUCER_IDS = "producer-ids"

/** `undecided`: more steps than allowed. */
export type Verdict = "linearizable" | "violation" | "undecided"

const topicOf = (state: string): string => state.slice(0, Math.max(0, state.indexOf(" ")))

/** The state after the operation; undefined when it could not have ended as it did in this state. */
export const nextState = (state: string, operation: Operation): string | undefined => {
  const { kind, outcome, answer } = operation
  const value = operation.value ?? ""
  const done = outcome !== "refused"
  switch (kind) {
    case "read":
      return (answer ?? "") === state ? state : undefined
    case "create":
      return (state === "") === done ? (done ? value : state) : undefined
    case "delete":
      return (topicOf(state) === value && state !== "") === done ? (done ? "" : state) : undefined
    case "set":
      return (topicOf(state) === topicOf(value) && state !== "") === done ? (done ? value : state) : undefined
    case "allocate":
      if (outcome === "ok" && answer !== state) return undefined
      return String(Number(state) + Number(value))
    default:
      throw new Error(`an operation of an unknown kind: ${kind}`)
  }
}

export const initialState = (key: string): string => (key === PRODUCER_IDS ? "0" : "")

export const judge = (key: string, operations: ReadonlyArray<Operation>, stepsMax: number): Verdict => {
  // An unanswered read says nothing.
  const ops = operations
    .filter(({ kind, outcome }) => kind !== "read" || outcome !== "unknown")
    .sort((a, b) => a.calledAt - b.calledAt)
  return new Search(ops, stepsMax).run(initialState(key))
}

/** Depth first over the orders of the operations; a (set of operations done, state) that failed is not tried again. */
class Search {
  readonly #ops: ReadonlyArray<Operation>
  readonly #done: Array<boolean>
  readonly #tried = new Set<string>()
  #left: number
  #steps: number

  constructor(ops: ReadonlyArray<Operation>, stepsMax: number) {
    this.#ops = ops
    this.#done = ops.map(() => false)
    this.#left = ops.filter(({ outcome }) => outcome !== "unknown").length
    this.#steps = stepsMax
  }

  run(state: string): Verdict {
    const found = this.#from(state, 0)
    return this.#steps < 0 ? "undecided" : found ? "linearizable" : "violation"
  }

  /** `first`: all operations before it are done. */
  #from(state: string, first: number): boolean {
    if (this.#left === 0) return true
    if (--this.#steps < 0) return false
    while (this.#done[first]) first++
    const key = this.#key(first, state)
    if (this.#tried.has(key)) return false
    this.#tried.add(key)
    // Whatever goes next must have been called before any operation that is not done returned.
    let horizon = Number.POSITIVE_INFINITY
    for (let i = first; i < this.#ops.length; i++) {
      const operation = this.#ops[i]!
      if (operation.calledAt > horizon) break
      if (!this.#done[i]) horizon = Math.min(horizon, operation.returnedAt)
    }
    for (let i = first; i < this.#ops.length && this.#ops[i]!.calledAt < horizon; i++) {
      if (!this.#done[i] && this.#tryNext(state, first, i)) return true
    }
    return false
  }

  #tryNext(state: string, first: number, i: number): boolean {
    const operation = this.#ops[i]!
    const next = nextState(state, operation)
    if (next === undefined) return false
    const counts = operation.outcome === "unknown" ? 0 : 1
    // An operation that changes nothing may as well not have happened.
    if (counts === 0 && next === state) return false
    this.#done[i] = true
    this.#left -= counts
    if (this.#from(next, first)) return true
    this.#done[i] = false
    this.#left += counts
    return false
  }

  #key(first: number, state: string): string {
    let key = `${first} `
    for (let i = first; i < this.#done.length; i++) key += this.#done[i] ? "1" : "0"
    return `${key} ${state}`
  }
}
