/**
 * Go clients: franz-go and sarama, one small program each, built into the cache.
 */
import { join } from "node:path"
import { addTold } from "../External.ts"
import { folder, installed, must, run } from "../Programs.ts"
import { type Case, Cases, type Context, type Suite } from "../Suite.ts"

const SECONDS_MAX = 600

const binaries = (context: Context): string => join(context.cache, "go", "bin")

const prepare = async (context: Context): Promise<string | undefined> => {
  if (!installed("go", "version")) return "Go is not installed (Debian package golang, or newer)."
  const out = folder(context.cache, "go", "bin")
  // Go's own cache makes this a matter of a second after the first time.
  await must("nice", ["go", "build", "-o", `${out}/`, "./..."], {
    cwd: import.meta.dirname,
    timeoutMs: SECONDS_MAX * 1000
  })
  return undefined
}

const runClient = (context: Context, program: string): Promise<ReadonlyArray<Case>> =>
  context.withBroker({ partitions: 4, config: { "group.initial.rebalance.delay.ms": "0" } }, async (broker) => {
    const cases = new Cases(context)
    addTold(cases, await run(join(binaries(context), program), [broker.bootstrap], { timeoutMs: SECONDS_MAX * 1000 }))
    return cases.all
  })

const suite = (name: string, about: string, program: string): Suite => ({
  name,
  about,
  prepare,
  run: (context) => runClient(context, program)
})

export const goSuites: ReadonlyArray<Suite> = [
  suite("franz-go", "franz-go 1.22 and its admin client", "franz"),
  suite("sarama", "sarama 1.61, as for Kafka 1.0, 2.8 and its newest", "saramaclient")
]
