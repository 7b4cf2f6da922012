/**
 * The configuration of one client metrics subscription (resource type 16, KIP-714).
 *
 * Kept and shown so that tools which manage them find what they wrote; nothing collects telemetry here, and clients are not
 * told that they could push any.
 */
import {
  type ConfigDefinition,
  define,
  definitionTable,
  invalidReason,
  KEPT,
  listElements
} from "./ConfigDefinition.ts"

const SELECTORS: ReadonlySet<string> = new Set([
  "client_instance_id",
  "client_id",
  "client_software_name",
  "client_software_version",
  "client_source_address",
  "client_source_port"
])

/** `selector=pattern`. The pattern is not compiled: nobody matches by it. */
const matchProblem = (text: string): string | undefined => {
  for (const element of listElements(text)) {
    const at = element.indexOf("=")
    if (at <= 0) return `Illegal client matching pattern: ${element} (expected selector=pattern)`
    const selector = element.slice(0, at).trim()
    if (!SELECTORS.has(selector)) return `Illegal client matching pattern: ${selector} is not a selector of clients`
  }
  return undefined
}

/** All keys, by name, in the order of their names. */
export const CLIENT_METRICS_CONFIGS: ReadonlyMap<string, ConfigDefinition> = definitionTable([
  define("interval.ms", "int", 300_000, `${KEPT}How often clients would push their metrics.`, {
    min: 100,
    max: 3_600_000,
    mutability: "cluster-wide"
  }),
  define("match", "list", "", `${KEPT}Which clients would push, as selector=pattern.`, {
    check: matchProblem,
    mutability: "cluster-wide"
  }),
  define("metrics", "list", "", `${KEPT}Prefixes of the metrics that would be pushed; * for all.`, {
    mutability: "cluster-wide"
  })
])

/** Why this set of values is not legal for a subscription: the first sentence, or undefined. */
export const clientMetricsConfigsProblem = (values: ReadonlyMap<string, string>): string | undefined => {
  for (const [name, text] of values) {
    const definition = CLIENT_METRICS_CONFIGS.get(name)
    if (definition === undefined) return `Unknown client metrics configuration: ${name}`
    const reason = invalidReason(definition, text)
    if (reason !== undefined) return reason
  }
  return undefined
}
