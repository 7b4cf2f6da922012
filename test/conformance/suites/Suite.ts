/**
 * What a conformance suite is, and what it reports: somebody else's client, tool or test suite against a broker of ours.
 *
 * A suite says first what the machine lacks for it (`prepare` gives the reason, which is printed) and then runs its cases. It
 * downloads and builds into the cache directory only, never into the repository.
 */
export type Outcome = "passed" | "failed" | "skipped"

export interface Case {
  readonly name: string
  readonly outcome: Outcome
  /** Why it failed or was skipped. Empty when it passed. */
  readonly reason: string
  readonly seconds: number
}

export interface BrokerAddress {
  /** `host:port`, as clients take it. */
  readonly bootstrap: string
  /** Where its files are; undefined for a broker that was not started here. */
  readonly dataDir: string | undefined
  /** Ends the broker and starts it again on the same data; undefined as above. */
  readonly restart: (() => Promise<void>) | undefined
}

export interface BrokerWishes {
  /** Kafka's `num.partitions`: partitions of a topic that a client's Metadata request creates. Default 1. */
  readonly partitions?: number
  /** Broker configs by Kafka's names. */
  readonly config?: Readonly<Record<string, string>>
}

export interface Context {
  /** Where tools, downloads and builds live. */
  readonly cache: string
  /** Runs `use` against a fresh broker, or the one of `--bootstrap`, and ends it afterwards. */
  readonly withBroker: <A>(wishes: BrokerWishes, use: (broker: BrokerAddress) => Promise<A>) => Promise<A>
  /** How many processes of a suite may run at once. */
  readonly jobs: number
  /** Only cases whose name contains one of these; empty is all. */
  readonly only: ReadonlyArray<string>
  readonly say: (line: string) => void
}

export interface Suite {
  readonly name: string
  /** One line: whose client or tool this is. */
  readonly about: string
  /** Fetches and builds what is missing. Resolves with the reason for which the suite cannot run here, if there is one. */
  readonly prepare: (context: Context) => Promise<string | undefined>
  readonly run: (context: Context) => Promise<ReadonlyArray<Case>>
}

/** A reason that ends a case without a verdict: what the client or the machine cannot do. */
export class Skip extends Error {}

/** Collects cases one after another: each is a function that throws when something is not as it must be. */
export class Cases {
  readonly all: Array<Case> = []
  readonly #context: Context

  constructor(context: Context) {
    this.#context = context
  }

  async add(name: string, body: () => Promise<void>): Promise<void> {
    const only = this.#context.only
    if (only.length > 0 && !only.some((part) => name.includes(part))) return
    const started = performance.now()
    const ended = (outcome: Outcome, reason: string) => this.push({ name, outcome, reason, seconds: since(started) })
    try {
      await body()
      ended("passed", "")
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error)
      ended(error instanceof Skip ? "skipped" : "failed", reason)
    }
  }

  push(result: Case): void {
    this.all.push(result)
    const mark = { passed: "ok  ", failed: "FAIL", skipped: "skip" }[result.outcome]
    const reason = result.reason === "" ? "" : `: ${result.reason.split("\n").slice(0, 12).join("\n         ")}`
    this.#context.say(`  ${mark} ${result.name} (${result.seconds.toFixed(1)} s)${reason}`)
  }
}

export const since = (started: number): number => (performance.now() - started) / 1000
