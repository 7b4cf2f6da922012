/**
 * The configuration of one client metrics subscription (resource type 16, KIP-714).
 *
 * Kept and shown so that tools which manage them find what they wrote; nothing collects telemetry here, and clients are not
 * told that they could push any.
 */
import { type ConfigDefinition, define, definitionTable, KEPT, listElements, shown } from "./ConfigDefinition.ts"

const SELECTORS: ReadonlySet<string> = new Set([
  "client_instance_id",
  "client_id",
  "client_software_name",
  "client_software_version",
  "client_source_address",
  "client_source_port"
])

const INTERVAL_MS_MIN = 100
const INTERVAL_MS_MAX = 3_600_000

/** All keys, by name, in the order of their names. */
export const CLIENT_METRICS_CONFIGS: ReadonlyMap<string, ConfigDefinition> = definitionTable([
  define("interval.ms", "int", 300_000, `${KEPT}How often clients would push their metrics.`, {
    mutability: "cluster-wide"
  }),
  define("match", "list", "", `${KEPT}Which clients would push, as selector=pattern.`, { mutability: "cluster-wide" }),
  define("metrics", "list", "", `${KEPT}Prefixes of the metrics that would be pushed; * for all.`, {
    mutability: "cluster-wide"
  })
])

export interface ClientMetricsProblem {
  /** Kafka calls a bad selector an invalid config, everything else an invalid request. */
  readonly kind: "request" | "config"
  readonly message: string
}

/** Why this set of values is not legal for a subscription, or undefined. Of several mistakes the one that Kafka finds first. */
export const clientMetricsProblem = (values: ReadonlyMap<string, string>): ClientMetricsProblem | undefined => {
  const unknown = [...values.keys()].find((name) => !CLIENT_METRICS_CONFIGS.has(name))
  if (unknown !== undefined) {
    return { kind: "request", message: `Unknown client metrics configuration: ${shown(unknown)}` }
  }
  const interval = values.get("interval.ms")
  if (interval !== undefined && !isInterval(interval.trim())) {
    return {
      kind: "request",
      message: `Invalid value ${shown(interval)} for interval.ms, interval must be between ${INTERVAL_MS_MIN} and ${INTERVAL_MS_MAX} (1 hour)`
    }
  }
  const wrong = listElements(values.get("match") ?? "").find((element) => !isSelector(element))
  return wrong === undefined
    ? undefined
    : { kind: "config", message: `Illegal client matching pattern: ${shown(wrong)}` }
}

const isInterval = (text: string): boolean =>
  /^\d{1,9}$/.test(text) && Number(text) >= INTERVAL_MS_MIN && Number(text) <= INTERVAL_MS_MAX

/** `selector=pattern`. The pattern is not compiled: nobody matches by it. */
const isSelector = (element: string): boolean => {
  const at = element.indexOf("=")
  return at > 0 && at < element.length - 1 && SELECTORS.has(element.slice(0, at).trim())
}
