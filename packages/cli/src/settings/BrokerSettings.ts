/**
 * Kafka's own broker configs (`log.retention.ms`) as an operator writes them: `--set`, `CHRONIK_BROKER_*`, `[broker]`.
 *
 * Names, types and limits are `core/config`'s; here are only the sentences.
 */
import { BROKER_CONFIGS } from "@chronik-effect/core/config/BrokerConfigDefinitions.ts"
import { invalidReason } from "@chronik-effect/core/config/ConfigDefinition.ts"
import { didYouMean } from "../args/Suggest.ts"
import { usage } from "../CliFailure.ts"

/** Settings of ours that a user of Kafka would look for under Kafka's name. */
const OURS: ReadonlyMap<string, string> = new Map([
  ["listeners", "--host and --kafka-port"],
  ["advertised.listeners", "--advertised-addr"],
  ["log.dir", "--data-dir"],
  ["log.dirs", "--data-dir"],
  ["node.id", "--node-id"],
  ["broker.id", "--node-id"]
])

/** Checks one name and value and puts it into `broker`; throws a sentence. */
export function applyBrokerSetting(name: string, text: string, where: string, broker: Map<string, string>): void {
  const ours = OURS.get(name)
  if (ours !== undefined) throw usage(`${where}: the broker config "${name}" is set with ${ours} here.`)
  const definition = BROKER_CONFIGS.get(name)
  if (definition === undefined) {
    throw usage(`${where}: there is no broker config "${name}".${didYouMean(name, BROKER_CONFIGS.keys())}`)
  }
  const reason = invalidReason(definition, text)
  if (reason !== undefined) throw usage(`${where}: ${reason}.`)
  broker.set(name, text.trim())
}

/** `CHRONIK_BROKER_LOG_RETENTION_MS` → `log.retention.ms`: a variable cannot hold dots. */
export const brokerNameOfVariable = (variable: string, prefix: string): string =>
  variable.slice(prefix.length).toLowerCase().replaceAll("_", ".")
