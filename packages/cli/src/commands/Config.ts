/**
 * `config describe | alter` of topics, brokers and groups, against any Kafka-compatible cluster.
 */
import * as ConfigAdmin from "@chronik-effect/server/client/kafka/ConfigAdmin.ts"
import type { Parsed } from "../args/Command.ts"
import { didYouMean } from "../args/Suggest.ts"
import { usage } from "../CliFailure.ts"
import { renderTable } from "../render/table.ts"
import { print, switched } from "./Flags.ts"
import { withClient } from "./WithClient.ts"

/** `ConfigSource` of Kafka. */
const SOURCES: ReadonlyMap<number, string> = new Map([
  [1, "topic"],
  [2, "this broker"],
  [3, "all brokers"],
  [4, "start"],
  [5, "default"],
  [8, "group"]
])
const DEFAULT_SOURCE = 5
/** What counts as set on the resource itself. */
const OWN_SOURCES: Readonly<Record<ConfigAdmin.ResourceKind, number>> = { topic: 1, broker: 2, group: 8 }
const ALL_BROKERS = 3

/** `topic orders`, `broker 1`, `broker` (all of them), `group billing`. */
function resourceOf(parsed: Parsed): ConfigAdmin.ConfigResource {
  const [kind = "", name = ""] = parsed.arguments
  const kinds = Object.keys(ConfigAdmin.RESOURCE_TYPES)
  if (!isKind(kind)) {
    throw usage(`"${kind}" has no configs.${didYouMean(kind, kinds)} Write one of ${kinds.join(", ")} and its name.`)
  }
  if (kind === "broker" ? name !== "" && !/^\d+$/.test(name) : name === "") {
    const wanted = kind === "broker" ? "the id of a broker, or nothing for all brokers" : `the name of a ${kind}`
    throw usage(`After "${kind}" comes ${wanted}.`)
  }
  return { kind, name }
}

const isKind = (text: string): text is ConfigAdmin.ResourceKind => Object.hasOwn(ConfigAdmin.RESOURCE_TYPES, text)

const ownSource = ({ kind, name }: ConfigAdmin.ConfigResource): number =>
  kind === "broker" && name === "" ? ALL_BROKERS : OWN_SOURCES[kind]

/** A key that another one overrides (`log.retention.hours`) has the other one's source, without being set itself. */
const isSetHere = ({ name, configSource, synonyms }: ConfigAdmin.DescribedConfig, own: number): boolean =>
  configSource === own && (synonyms[0] === undefined || synonyms[0].name === name)

const nameOf = ({ kind, name }: ConfigAdmin.ConfigResource): string => (name === "" ? "all brokers" : `${kind} ${name}`)

export async function describe(parsed: Parsed): Promise<number> {
  const resource = resourceOf(parsed)
  const all = await withClient(parsed, (client) => ConfigAdmin.describeConfigs(client, resource))
  const own = ownSource(resource)
  const configs = switched(parsed, "all") ? all : all.filter((config) => isSetHere(config, own))
  if (switched(parsed, "json")) {
    const shown = configs.map(({ name, value, configSource, readOnly, documentation }) => ({
      name,
      value,
      source: SOURCES.get(configSource) ?? String(configSource),
      readOnly,
      documentation
    }))
    print(JSON.stringify(shown))
    return 0
  }
  if (configs.length === 0) {
    print(`Nothing is set for ${nameOf(resource)}: --all shows what counts.`)
    return 0
  }
  const rows = configs.map(({ name, value, isSensitive, configSource }) => [
    name,
    isSensitive ? "(hidden)" : (value ?? ""),
    configSource === DEFAULT_SOURCE ? "" : (SOURCES.get(configSource) ?? "")
  ])
  print(renderTable([{ title: "CONFIG" }, { title: "VALUE" }, { title: "SET BY" }], rows))
  return 0
}

function changesOf(parsed: Parsed, flag: "set" | "unset"): ReadonlyArray<ConfigAdmin.ConfigChange> {
  const texts = parsed.flags.get(flag) ?? []
  if (flag === "unset") return texts.map((name) => ({ _tag: "Unset", name: name.trim() }))
  return texts.map((text) => {
    const equals = text.indexOf("=")
    if (equals <= 0)
      throw usage(`--set is "${text}", but it is a name and a value with "=" between: retention.ms=1000.`)
    return { _tag: "Set", name: text.slice(0, equals).trim(), value: text.slice(equals + 1).trim() }
  })
}

export async function alter(parsed: Parsed): Promise<number> {
  const resource = resourceOf(parsed)
  const changes = [...changesOf(parsed, "set"), ...changesOf(parsed, "unset")]
  if (changes.length === 0) throw usage("Say what to change with --set NAME=VALUE or --unset NAME.")
  await withClient(parsed, (client) => ConfigAdmin.alterConfigs(client, resource, changes))
  for (const change of changes) {
    print(
      change._tag === "Set"
        ? `${change.name} = ${change.value} is set for ${nameOf(resource)}.`
        : `${change.name} is no longer set for ${nameOf(resource)}.`
    )
  }
  return 0
}
