/**
 * Apache Kafka's Java clients, through its own command line tools.
 */
import { join } from "node:path"
import { folder } from "../Programs.ts"
import { type BrokerAddress, type Case, Cases, type Context, type Suite } from "../Suite.ts"
import { clusterCases } from "./cluster.ts"
import { configCases } from "./configs.ts"
import { groupCases } from "./groups.ts"
import { jars, type KafkaVersion } from "./Jars.ts"
import { JavaTools } from "./JavaTools.ts"
import { recordCases } from "./records.ts"
import { segmentCases } from "./segments.ts"
import { topicCases } from "./topics.ts"

const BROKER_ID = "1"

type Part = (cases: Cases, tools: JavaTools, broker: BrokerAddress) => Promise<void>

const PARTS: Readonly<Record<string, Part>> = {
  topics: topicCases,
  configs: (cases, tools) => configCases(cases, tools, BROKER_ID),
  groups: groupCases,
  records: recordCases,
  cluster: clusterCases,
  segments: segmentCases
}

const runAll = async (context: Context, version: KafkaVersion): Promise<ReadonlyArray<Case>> => {
  const classpath = await jars(context, version)
  if (classpath.missing !== undefined) throw new Error(classpath.missing)
  // --case takes the name of a part, too: then that part runs in whole.
  const parts = Object.entries(PARTS).filter(([name]) => context.only.length === 0 || context.only.includes(name))
  const cases = new Cases(parts.length === 0 ? context : { ...context, only: [] })
  const archive = join(folder(context.cache, "java", version), "classes.jsa")
  for (const [name, part] of parts.length === 0 ? Object.entries(PARTS) : parts) {
    // A broker for each part: what one leaves behind or breaks is nothing to the next.
    await context.withBroker({ partitions: 2, config: { "group.initial.rebalance.delay.ms": "0" } }, async (broker) => {
      const started = performance.now()
      await part(cases, new JavaTools(version, classpath.path, broker.bootstrap, archive), broker).catch(
        (error: unknown) => {
          const reason = error instanceof Error ? error.message : String(error)
          cases.push({
            name: `${name}: what its cases need`,
            outcome: "failed",
            reason,
            seconds: (performance.now() - started) / 1000
          })
        }
      )
    })
  }
  return cases.all
}

const suite = (version: KafkaVersion): Suite => ({
  name: `java-${version.slice(0, 3)}`,
  about: `Apache Kafka's Java clients and command line tools, ${version}`,
  prepare: async (context) => (await jars(context, version)).missing,
  run: (context) => runAll(context, version)
})

export const javaSuites: ReadonlyArray<Suite> = [suite("3.9.2"), suite("4.3.1")]
