/**
 * Makes kafkaConfigs.json: the config keys that a real Kafka has, each with its type, default and whether it is fixed at the
 * start. Nothing else of its answers is kept.
 *
 * ```sh
 * node test/conformance/recordConfigs.ts 19092   # a fresh Kafka of one node on this machine
 * biome check --write test/conformance/kafkaConfigs.json
 * ```
 * A default is what the key has under the source DEFAULT_CONFIG, or its value where nothing speaks for it. A developer's tool:
 * nothing runs it by itself.
 */
import { writeFileSync } from "node:fs"
import { ConfigSource } from "@chronik-effect/core/config/BrokerConfig.ts"
import { CreateTopicsApi } from "@chronik-effect/core/protocol/messages/19_CreateTopics.ts"
import {
  DescribeConfigsApi,
  type DescribeConfigsResponse
} from "@chronik-effect/core/protocol/messages/32_DescribeConfigs.ts"
import { Peer } from "../badinput/Peer.ts"

const NAME = "recorded-configs"
const RESOURCES: ReadonlyArray<readonly [kind: string, resourceType: number, resourceName: string]> = [
  ["topic", 2, NAME],
  ["broker", 4, "1"],
  ["clientMetrics", 16, NAME],
  ["group", 32, NAME]
]

type Config = DescribeConfigsResponse["results"][number]["configs"][number]

const defaultOf = (config: Config): string | null => {
  const fallback = config.synonyms.find(({ source }) => source === ConfigSource.DEFAULT)
  if (fallback !== undefined) return fallback.value
  return config.configSource === ConfigSource.DEFAULT ? config.value : null
}

const rowOf = (config: Config) => [config.configType, defaultOf(config), config.readOnly] as const

using peer = await Peer.connect(Number(process.argv[2] ?? 19092))
await peer.call(CreateTopicsApi, 7, {
  topics: [{ name: NAME, numPartitions: 1, replicationFactor: 1, assignments: [], configs: [] }],
  timeoutMs: 10_000
})
const { results } = await peer.call(DescribeConfigsApi, 4, {
  resources: RESOURCES.map(([, resourceType, resourceName]) => ({
    resourceType,
    resourceName,
    configurationKeys: null
  })),
  includeSynonyms: true
})
const recorded = Object.fromEntries(
  RESOURCES.map(([kind], i) => [
    kind,
    Object.fromEntries(
      [...results[i]!.configs].sort((a, b) => (a.name < b.name ? -1 : 1)).map((config) => [config.name, rowOf(config)])
    )
  ])
)
const lines = Object.entries(recorded).map(([kind, configs]) => {
  const rows = Object.entries(configs).map(([name, row]) => `    ${JSON.stringify(name)}: ${JSON.stringify(row)}`)
  return `  ${JSON.stringify(kind)}: {\n${rows.join(",\n")}\n  }`
})
writeFileSync(new URL("kafkaConfigs.json", import.meta.url), `{\n${lines.join(",\n")}\n}\n`)
