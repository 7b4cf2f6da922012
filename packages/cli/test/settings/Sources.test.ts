import { defaultNodeConfig } from "@chronik-effect/server/config/NodeConfig.ts"
import { describe, expect, it } from "vitest"
import { CliFailure, EXIT_USAGE } from "../../src/CliFailure.ts"
import { type SourceInput, settle } from "../../src/settings/Sources.ts"

interface Given {
  readonly flags?: Record<string, string | ReadonlyArray<string>>
  readonly env?: Record<string, string>
  readonly file?: string
}

const input = ({ flags = {}, env = {}, file }: Given): SourceInput => ({
  flags: new Map(
    Object.entries(file === undefined ? flags : { config: "chronik.toml", ...flags }).map(([name, value]) => [
      name,
      typeof value === "string" ? [value] : value
    ])
  ),
  env,
  readFile: () => {
    if (file === undefined) throw Object.assign(new Error("gone"), { code: "ENOENT" })
    return file
  }
})

const values = (given: Given) => settle(input(given)).values
const sentence = (given: Given): string => {
  try {
    settle(input(given))
  } catch (error) {
    if (!(error instanceof CliFailure)) throw error
    expect(error.exitCode).toBe(EXIT_USAGE)
    expect(error.message).not.toContain("\n")
    return error.message
  }
  throw new Error("it was accepted")
}

describe("precedence", () => {
  it("is the default when nobody says anything", () => {
    expect(values({})).toEqual(defaultNodeConfig)
  })

  it("is flag over variable over file", () => {
    const file = 'kafka-port = 1\nhost = "file"\ndata-dir = "/file"\n[broker]\nlog.retention.ms = 1\n'
    const env = { CHRONIK_KAFKA_PORT: "2", CHRONIK_HOST: "env", CHRONIK_BROKER_LOG_RETENTION_MS: "2" }
    const settled = values({ file, env, flags: { "kafka-port": "3", set: ["log.retention.ms=3"] } })
    expect(settled).toMatchObject({ kafkaPort: 3, host: "env", dataDir: "/file" })
    expect(settled.broker.get("log.retention.ms")).toBe("3")
    expect(values({ file, env }).broker.get("log.retention.ms")).toBe("2")
  })

  it("lets a stronger source replace or take back a weaker one's durability", () => {
    expect(values({ file: "ephemeral = true" }).durability).toBe("ephemeral")
    expect(values({ file: "ephemeral = true", flags: { "unsafe-no-fsync": "true" } }).durability).toBe(
      "unsafe-no-fsync"
    )
    expect(values({ file: "ephemeral = true", flags: { ephemeral: "false" } }).durability).toBe("durable")
    expect(values({ env: { CHRONIK_UNSAFE_NO_FSYNC: "1" }, flags: { ephemeral: "false" } }).durability).toBe(
      "unsafe-no-fsync"
    )
  })

  it("reads default-partitions as Kafka's num.partitions, whoever writes it", () => {
    const both = values({ env: { CHRONIK_BROKER_NUM_PARTITIONS: "2" }, flags: { "default-partitions": "4" } })
    expect(both.broker.get("num.partitions")).toBe("4")
    expect(values({ flags: { set: ["num.partitions=5"] } }).broker.get("num.partitions")).toBe("5")
  })

  it("takes the file's name from the variable too", () => {
    expect(
      settle({ flags: new Map(), env: { CHRONIK_CONFIG: "x" }, readFile: () => "node-id = 7" }).values.nodeId
    ).toBe(7)
  })
})

describe("addresses", () => {
  it.each([
    ["broker.example.com", { host: "broker.example.com" }],
    ["broker:19092", { host: "broker", port: 19_092 }],
    ["[::1]:9092", { host: "::1", port: 9_092 }],
    ["[fe80::1]", { host: "fe80::1" }]
  ])("%s", (text, advertised) => {
    expect(values({ flags: { "advertised-addr": text } }).advertised).toEqual(advertised)
  })
})

describe("what is wrong is said in one sentence", () => {
  it.each<[string, Given, string]>([
    [
      "a port that is none",
      { flags: { "kafka-port": "70000" } },
      '--kafka-port is "70000", but a port is a whole number from 0 to 65535'
    ],
    ["a variable", { env: { CHRONIK_KAFKA_PORT: "x" } }, "The variable CHRONIK_KAFKA_PORT"],
    ["an address", { flags: { "advertised-addr": "http://x" } }, "an address is a name or an IP address"],
    ["a choice", { flags: { "log-format": "jsn" } }, 'one of pretty, json, logfmt. Did you mean "json"?'],
    ["two modes", { flags: { ephemeral: "true", "unsafe-no-fsync": "true" } }, "exclude each other"],
    ["two modes in a file", { file: "ephemeral = true\nunsafe-no-fsync = true" }, "exclude each other"],
    ["broken TOML", { file: 'kafka-port = 1\nhost = "x\n' }, "is not valid TOML: line 2"],
    [
      "an unknown key",
      { file: "host = 'x'\nkafka-prt = 1" },
      'unknown key "kafka-prt" (line 2). Did you mean "kafka-port"?'
    ],
    ["an unknown key far from all", { file: "zebra = 1" }, "Known keys: data-dir"],
    ["a wrong value in a file", { file: "kafka-port = 'x'" }, '"kafka-port" in chronik.toml (line 1) is "x"'],
    ["a table for a value", { file: "[kafka-port]\nx = 1" }, "takes one value"],
    ["no file", { flags: { config: "nowhere.toml" } }, "nowhere.toml cannot be read: there is no such file"],
    ["an unknown broker config", { flags: { set: ["log.retenton.ms=1"] } }, 'Did you mean "log.retention.ms"?'],
    ["a broker config out of bounds", { flags: { set: ["num.partitions=0"] } }, "num.partitions"],
    [
      "a broker config of ours",
      { flags: { set: ["listeners=PLAINTEXT://:1"] } },
      "is set with --host and --kafka-port"
    ],
    ["a pair that is none", { flags: { set: ["log.retention.ms"] } }, "a name and a value"]
  ])("%s", (_name, given, expected) => {
    expect(sentence(given)).toContain(expected)
  })

  it("warns of a variable that looks like a slip, and lets others be", () => {
    const { warnings } = settle(
      input({ env: { CHRONIK_KAFKA_PROT: "1", CHRONIK_SERVICE_HOST: "10.0.0.1", PATH: "x" } })
    )
    expect(warnings).toEqual([
      "The variable CHRONIK_KAFKA_PROT means nothing to chronik-effect and is ignored. Did you mean CHRONIK_KAFKA_PORT?"
    ])
  })
})
