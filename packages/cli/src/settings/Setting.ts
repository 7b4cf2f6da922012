/**
 * The settings of a node, one list for the flag `--x-y`, the variable `CHRONIK_X_Y` and the key `x-y` of the TOML file.
 *
 * A setting knows how its text is read and what is wrong with a wrong one. It deliberately knows nothing of precedence
 * (`Sources.ts`) nor of Kafka's own dotted names (`BrokerSettings.ts`).
 */
import type { Advertised, LogFormat, LogLevel, NodeConfigValues } from "@chronik-effect/server/config/NodeConfig.ts"
import { defaultNodeConfig, LOG_FORMATS, LOG_LEVELS } from "@chronik-effect/server/config/NodeConfig.ts"
import type { Flag } from "../args/Command.ts"
import { didYouMean } from "../args/Suggest.ts"
import { usage } from "../CliFailure.ts"

/** What is being put together: the values of a node, minus those nobody gave. */
export type Draft = { -readonly [Key in Exclude<keyof NodeConfigValues, "broker">]?: NodeConfigValues[Key] } & {
  /** Kafka's dotted names. */
  readonly broker: Map<string, string>
}

export interface Setting extends Flag {
  /** Writes the value into the draft. `where` says who wrote it (`--kafka-port`), for the sentence when it is wrong. */
  readonly read: (text: string, where: string, draft: Draft) => void
}

const wrong = (where: string, text: string, expected: string) => usage(`${where} is "${text}", but ${expected}.`)

export function readInt(text: string, where: string, min: number, max: number, what: string): number {
  const value = /^[+-]?\d{1,15}$/.test(text.trim()) ? Number(text) : Number.NaN
  if (!(value >= min && value <= max)) throw wrong(where, text, `${what} is a whole number from ${min} to ${max}`)
  return value
}

export function readChoice<A extends string>(text: string, where: string, choices: ReadonlyArray<A>): A {
  const found = choices.find((choice) => choice === text.trim().toLowerCase())
  if (found === undefined) {
    throw usage(`${where} is "${text}", but it is one of ${choices.join(", ")}.${didYouMean(text, choices)}`)
  }
  return found
}

export function readSwitch(text: string, where: string): boolean {
  const word = text.trim().toLowerCase()
  if (["true", "1", "yes", "on"].includes(word)) return true
  if (["false", "0", "no", "off", ""].includes(word)) return false
  throw wrong(where, text, "a switch is true or false")
}

const readText = (text: string, where: string, what: string): string => {
  if (text.trim() === "") throw usage(`${where} is empty: give ${what}, or leave it out.`)
  return text.trim()
}

/** `host`, `host:port`, `[v6]` or `[v6]:port`. */
export function readAddress(text: string, where: string): Advertised {
  const match = /^(?:\[([0-9a-fA-F:.%]+)\]|([^\s:/[\]]+))(?::(\d{1,5}))?$/.exec(text.trim())
  const host = match?.[1] ?? match?.[2]
  if (host === undefined) {
    throw wrong(where, text, "an address is a name or an IP address with an optional port: broker.example.com:9092")
  }
  return match?.[3] === undefined
    ? { host }
    : { host, port: readInt(match[3], `the port of ${where}`, 1, 65_535, "a port") }
}

const durabilitySwitch =
  (mode: "ephemeral" | "unsafe-no-fsync") =>
  (text: string, where: string, draft: Draft): void => {
    if (readSwitch(text, where)) draft.durability = mode
    else if (draft.durability === mode) draft.durability = "durable"
  }

export const SETTINGS: ReadonlyArray<Setting> = [
  {
    name: "data-dir",
    value: "DIR",
    doc: "Directory of everything that is durable",
    fallback: defaultNodeConfig.dataDir,
    read: (text, where, draft) => {
      draft.dataDir = readText(text, where, "a directory")
    }
  },
  {
    name: "host",
    value: "ADDRESS",
    doc: "Address to listen on; 0.0.0.0 is every interface",
    fallback: defaultNodeConfig.host,
    read: (text, where, draft) => {
      draft.host = readText(text, where, "an address to listen on")
    }
  },
  {
    name: "kafka-port",
    value: "PORT",
    doc: "Port of the Kafka protocol; 0 is any free one",
    fallback: String(defaultNodeConfig.kafkaPort),
    read: (text, where, draft) => {
      draft.kafkaPort = readInt(text, where, 0, 65_535, "a port")
    }
  },
  {
    name: "advertised-addr",
    value: "HOST[:PORT]",
    doc: "Address that clients are told to connect to",
    fallback: "the listening address",
    read: (text, where, draft) => {
      draft.advertised = readAddress(text, where)
    }
  },
  {
    name: "node-id",
    value: "N",
    doc: "Id of this broker in Metadata",
    fallback: String(defaultNodeConfig.nodeId),
    read: (text, where, draft) => {
      draft.nodeId = readInt(text, where, 0, 2_147_483_647, "a node id")
    }
  },
  {
    name: "default-partitions",
    value: "N",
    doc: "Partitions of a topic created without a count",
    fallback: "1",
    read: (text, where, draft) => {
      draft.broker.set("num.partitions", String(readInt(text, where, 1, 100_000, "a count of partitions")))
    }
  },
  {
    name: "ephemeral",
    doc: "Keep everything in memory; nothing survives the process",
    read: durabilitySwitch("ephemeral")
  },
  {
    name: "unsafe-no-fsync",
    doc: "Acknowledge before the disk has the data; a power cut loses it",
    read: durabilitySwitch("unsafe-no-fsync")
  },
  {
    name: "log-format",
    value: "FORMAT",
    doc: `${LOG_FORMATS.join(", ")}`,
    fallback: defaultNodeConfig.logFormat,
    read: (text, where, draft) => {
      draft.logFormat = readChoice<LogFormat>(text, where, LOG_FORMATS)
    }
  },
  {
    name: "log-level",
    value: "LEVEL",
    doc: `${LOG_LEVELS.join(", ")}`,
    fallback: defaultNodeConfig.logLevel,
    read: (text, where, draft) => {
      draft.logLevel = readChoice<LogLevel>(text, where, LOG_LEVELS)
    }
  }
]

export const settingByName: ReadonlyMap<string, Setting> = new Map(SETTINGS.map((setting) => [setting.name, setting]))

/** `data-dir` ↔ `CHRONIK_DATA_DIR`. */
export const variableOf = (name: string): string => `CHRONIK_${name.toUpperCase().replaceAll("-", "_")}`
