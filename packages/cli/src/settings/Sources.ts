/**
 * Where a node's settings come from, and which one wins: flag > environment > file > default.
 *
 * Each source is read into the same draft, the weakest first, so that the last writer wins. The file is TOML: the settings
 * by their names, and a table `[broker]` with Kafka's dotted names. Reading the file is the caller's (`readFile`), so that
 * this module is plain calls in tests.
 */
import type { NodeConfigValues } from "@chronik-effect/server/config/NodeConfig.ts"
import { defaultNodeConfig } from "@chronik-effect/server/config/NodeConfig.ts"
import { parse as parseToml, TomlError } from "smol-toml"
import { didYouMean, nearest } from "../args/Suggest.ts"
import { usage } from "../CliFailure.ts"
import { applyBrokerSetting, brokerNameOfVariable } from "./BrokerSettings.ts"
import { type Draft, SETTINGS, settingByName, variableOf } from "./Setting.ts"

export interface SourceInput {
  /** By flag name, as the command line gave them; `set` holds the `name=value` pairs and `config` the file. */
  readonly flags: ReadonlyMap<string, ReadonlyArray<string>>
  readonly env: Readonly<Record<string, string | undefined>>
  /** The text of the file, or an error of node:fs. */
  readonly readFile: (path: string) => string
}

export interface Settled {
  readonly values: NodeConfigValues
  /** Things worth a line on the terminal that are no reason to stop: a variable that looks like a slip of the pen. */
  readonly warnings: ReadonlyArray<string>
}

const BROKER_TABLE = "broker"
const VARIABLE_PREFIX = "CHRONIK_"
const BROKER_VARIABLE_PREFIX = "CHRONIK_BROKER_"
/** Variables that other commands read. */
const OTHER_VARIABLES = ["CHRONIK_CONFIG", "CHRONIK_BOOTSTRAP_SERVER"]

/** Puts the three sources together. Throws a `CliFailure` with one sentence for whatever is wrong first. */
export function settle(input: SourceInput): Settled {
  const draft: Draft = { broker: new Map() }
  const warnings: Array<string> = []
  const path = input.flags.get("config")?.[0] ?? input.env.CHRONIK_CONFIG
  if (path !== undefined) applyFile(path, readFile(path, input), draft)
  applyEnvironment(input.env, draft, warnings)
  applyFlags(input.flags, draft)
  return { values: { ...defaultNodeConfig, ...draft }, warnings }
}

function readFile(path: string, input: SourceInput): string {
  try {
    return input.readFile(path)
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code
    const why =
      code === "ENOENT" ? "there is no such file" : code === "EACCES" ? "reading it is not permitted" : String(error)
    throw usage(`The configuration file ${path} cannot be read: ${why}.`)
  }
}

function applyFlags(flags: SourceInput["flags"], draft: Draft): void {
  refuseTwoModes((name) => flags.get(name)?.[0] === "true", "The flags --ephemeral and --unsafe-no-fsync")
  for (const setting of SETTINGS) {
    const text = flags.get(setting.name)?.[0]
    if (text !== undefined) setting.read(text, `--${setting.name}`, draft)
  }
  for (const pair of flags.get("set") ?? []) {
    const equals = pair.indexOf("=")
    if (equals <= 0) {
      throw usage(`--set is "${pair}", but it is a name and a value with "=" between: --set log.retention.ms=3600000.`)
    }
    applyBrokerSetting(pair.slice(0, equals).trim(), pair.slice(equals + 1), "--set", draft.broker)
  }
}

function applyEnvironment(env: SourceInput["env"], draft: Draft, warnings: Array<string>): void {
  const isOn = (name: string) => /^(true|1|yes|on)$/i.test(env[variableOf(name)] ?? "")
  refuseTwoModes(isOn, "The variables CHRONIK_EPHEMERAL and CHRONIK_UNSAFE_NO_FSYNC")
  for (const setting of SETTINGS) {
    const text = env[variableOf(setting.name)]
    if (text !== undefined) setting.read(text, `The variable ${variableOf(setting.name)}`, draft)
  }
  const known = [...SETTINGS.map((setting) => variableOf(setting.name)), ...OTHER_VARIABLES]
  for (const [name, text] of Object.entries(env)) {
    if (text === undefined || !name.startsWith(VARIABLE_PREFIX) || known.includes(name)) continue
    if (name.startsWith(BROKER_VARIABLE_PREFIX)) {
      applyBrokerSetting(brokerNameOfVariable(name, BROKER_VARIABLE_PREFIX), text, `The variable ${name}`, draft.broker)
      continue
    }
    // Not a refusal: orchestrators inject variables of their own (CHRONIK_SERVICE_HOST beside a service "chronik").
    const meant = nearest(name, known)
    if (meant !== undefined) {
      warnings.push(`The variable ${name} means nothing to chronik-effect and is ignored. Did you mean ${meant}?`)
    }
  }
}

function applyFile(path: string, text: string, draft: Draft): void {
  const table = parseFile(path, text)
  refuseTwoModes((name) => table[name] === true, `The keys "ephemeral" and "unsafe-no-fsync" of ${path}`)
  for (const [key, value] of Object.entries(table)) {
    if (key === BROKER_TABLE && isTable(value)) {
      for (const [name, leaf] of flatten(value, "")) {
        applyBrokerSetting(name, scalar(leaf, path, `${BROKER_TABLE}.${name}`), `In ${path}`, draft.broker)
      }
      continue
    }
    const setting = settingByName.get(key)
    if (setting === undefined) {
      const known = [...settingByName.keys(), BROKER_TABLE]
      throw usage(
        `The configuration file ${path} has the unknown key "${key}"${lineOf(text, key)}.${didYouMean(key, known)}${nearest(key, known) === undefined ? ` Known keys: ${known.join(", ")}. Kafka's own names go into the table [${BROKER_TABLE}].` : ""}`
      )
    }
    setting.read(scalar(value, path, key), `"${key}" in ${path}${lineOf(text, key)}`, draft)
  }
}

function parseFile(path: string, text: string): Record<string, unknown> {
  try {
    return parseToml(text)
  } catch (error) {
    if (!(error instanceof TomlError)) throw error
    const reason = error.message.split("\n")[0]!.replace(/^Invalid TOML document: /, "")
    const written = text.split("\n")[error.line - 1]?.trim() ?? ""
    throw usage(
      `The configuration file ${path} is not valid TOML: line ${error.line}, column ${error.column}: ${reason} ("${written}").`
    )
  }
}

const isTable = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof Date)

/** `log.retention.ms = 1` without quotes is nested tables in TOML: back to dotted names. */
function* flatten(table: Record<string, unknown>, prefix: string): Generator<readonly [string, unknown]> {
  for (const [key, value] of Object.entries(table)) {
    if (isTable(value)) yield* flatten(value, `${prefix}${key}.`)
    else yield [`${prefix}${key}`, value]
  }
}

function scalar(value: unknown, path: string, key: string): string {
  if (typeof value === "string") return value
  if (typeof value === "number" || typeof value === "boolean" || typeof value === "bigint") return String(value)
  if (Array.isArray(value) && value.every((item) => typeof item !== "object")) return value.join(",")
  throw usage(`"${key}" in ${path} is a table or a date, but it takes one value.`)
}

/** ` (line 3)`: where a top-level key stands, for the reader's eye; nothing when it cannot be found. */
function lineOf(text: string, key: string): string {
  const index = text.split("\n").findIndex((line) => {
    const head = line.trim().replace(/^\[+\s*/, "")
    return head.startsWith(key) || head.startsWith(`"${key}"`)
  })
  return index < 0 ? "" : ` (line ${index + 1})`
}

function refuseTwoModes(isOn: (name: string) => boolean, who: string): void {
  if (isOn("ephemeral") && isOn("unsafe-no-fsync")) {
    throw usage(`${who} exclude each other: the first keeps nothing on disk, the second writes without waiting for it.`)
  }
}
