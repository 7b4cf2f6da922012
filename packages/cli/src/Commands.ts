/**
 * Every command of the program, its flags and where its code is. The code is loaded when the command is asked for, so that
 * `topic list` does not pay for a broker, nor `serve` for a histogram.
 */
import type { Command, Flag } from "./args/Command.ts"
import { SETTINGS } from "./settings/Setting.ts"

const BOOTSTRAP: Flag = {
  name: "bootstrap-server",
  alias: "b",
  value: "HOST:PORT",
  doc: "A broker to start from; several with commas; or CHRONIK_BOOTSTRAP_SERVER",
  fallback: "127.0.0.1:9092"
}

const TIMEOUT: Flag = { name: "timeout", value: "SECONDS", doc: "How long to wait for an answer", fallback: "30" }

const serve: Command = {
  name: "serve",
  doc: "Start a broker",
  flags: [
    {
      name: "config",
      alias: "c",
      value: "FILE",
      doc: "TOML file with these settings by name and a table [broker]; or CHRONIK_CONFIG"
    },
    ...SETTINGS,
    {
      name: "set",
      value: "NAME=VALUE",
      doc: "A broker config by Kafka's name: log.retention.ms=3600000",
      repeated: true
    }
  ],
  notes: [
    "Each setting is also the variable CHRONIK_DATA_DIR, CHRONIK_KAFKA_PORT and so on (Kafka's own names: CHRONIK_BROKER_LOG_RETENTION_MS),",
    "and a key of the file. A flag wins over a variable, a variable over the file.",
    "Ctrl-C stops in order; a second Ctrl-C stops at once."
  ],
  run: async (parsed) => (await import("./commands/Serve.ts")).serve(parsed)
}

const JSON_OUTPUT: Flag = { name: "json", doc: "Print JSON" }

const topic: Command = {
  name: "topic",
  doc: "Create, list, describe and delete topics of any Kafka-compatible cluster",
  flags: [],
  subcommands: [
    {
      name: "create",
      doc: "Create a topic",
      arguments: [{ name: "topic", doc: "the topic's name" }],
      flags: [
        BOOTSTRAP,
        { name: "partitions", alias: "p", value: "N", doc: "Number of partitions", fallback: "the broker's" },
        { name: "replication-factor", value: "N", doc: "Replicas of each partition", fallback: "the broker's" },
        {
          name: "config",
          value: "NAME=VALUE",
          doc: "A topic config: retention.ms=3600000",
          repeated: true
        },
        { name: "if-not-exists", doc: "Succeed when the topic is already there" },
        TIMEOUT
      ],
      run: async (parsed) => (await import("./commands/Topic.ts")).create(parsed)
    },
    {
      name: "list",
      doc: "List topics",
      flags: [BOOTSTRAP, { name: "internal", doc: "Internal topics as well" }, JSON_OUTPUT, TIMEOUT],
      run: async (parsed) => (await import("./commands/Topic.ts")).list(parsed)
    },
    {
      name: "describe",
      doc: "Show a topic's partitions, offsets and configs",
      arguments: [{ name: "topic", doc: "the topic's name" }],
      flags: [BOOTSTRAP, JSON_OUTPUT, TIMEOUT],
      run: async (parsed) => (await import("./commands/Topic.ts")).describe(parsed)
    },
    {
      name: "delete",
      doc: "Delete a topic and its data",
      arguments: [{ name: "topic", doc: "the topic's name" }],
      flags: [BOOTSTRAP, { name: "if-exists", doc: "Succeed when there is no such topic" }, TIMEOUT],
      run: async (parsed) => (await import("./commands/Topic.ts")).remove(parsed)
    }
  ]
}

const GROUP_ARGUMENT = { name: "group", doc: "the group's id" }

const group: Command = {
  name: "group",
  doc: "List, describe, reset and delete consumer groups of any Kafka-compatible cluster",
  flags: [],
  subcommands: [
    {
      name: "list",
      doc: "List groups with their type and state",
      flags: [BOOTSTRAP, JSON_OUTPUT, TIMEOUT],
      run: async (parsed) => (await import("./commands/Group.ts")).list(parsed)
    },
    {
      name: "describe",
      doc: "Show a group's members, committed offsets and lag",
      arguments: [GROUP_ARGUMENT],
      flags: [BOOTSTRAP, JSON_OUTPUT, TIMEOUT],
      run: async (parsed) => (await import("./commands/Group.ts")).describe(parsed)
    },
    {
      name: "reset",
      doc: "Move a group's committed offsets; it must have no members",
      arguments: [GROUP_ARGUMENT],
      flags: [
        BOOTSTRAP,
        {
          name: "topic",
          value: "TOPIC[:P,P]",
          doc: "Which topics, or partitions of them",
          fallback: "all that the group has committed",
          repeated: true
        },
        { name: "to-earliest", doc: "To the start of each log" },
        { name: "to-latest", doc: "To the end of each log" },
        { name: "to-offset", value: "OFFSET", doc: "To this offset, or the nearest in the log" },
        { name: "shift-by", value: "N", doc: "Forward by N records, backward by a negative N: --shift-by=-10" },
        { name: "to-datetime", value: "TIME", doc: "To the first record from then on: 2026-11-27T20:00:00Z" },
        { name: "execute", doc: "Do it; without this the plan is shown" },
        TIMEOUT
      ],
      run: async (parsed) => (await import("./commands/Group.ts")).reset(parsed)
    },
    {
      name: "delete",
      doc: "Delete a group without members, and its offsets",
      arguments: [GROUP_ARGUMENT],
      flags: [BOOTSTRAP, TIMEOUT],
      run: async (parsed) => (await import("./commands/Group.ts")).remove(parsed)
    }
  ]
}

const RESOURCE_ARGUMENTS = [
  { name: "kind", doc: "topic, broker or group" },
  { name: "name", doc: "its name; of a broker the id, or nothing for all brokers", optional: true }
]

const config: Command = {
  name: "config",
  doc: "Show and change configs of topics, brokers and groups of any Kafka-compatible cluster",
  flags: [],
  subcommands: [
    {
      name: "describe",
      doc: "Show what is set",
      arguments: RESOURCE_ARGUMENTS,
      flags: [BOOTSTRAP, { name: "all", doc: "Everything that counts, defaults as well" }, JSON_OUTPUT, TIMEOUT],
      run: async (parsed) => (await import("./commands/Config.ts")).describe(parsed)
    },
    {
      name: "alter",
      doc: "Set and unset; all changes apply, or none",
      arguments: RESOURCE_ARGUMENTS,
      flags: [
        BOOTSTRAP,
        { name: "set", value: "NAME=VALUE", doc: "retention.ms=3600000", repeated: true },
        { name: "unset", value: "NAME", doc: "Back to what the broker says", repeated: true },
        TIMEOUT
      ],
      run: async (parsed) => (await import("./commands/Config.ts")).alter(parsed)
    }
  ]
}

const bench: Command = {
  name: "bench",
  doc: "Measure any Kafka-compatible server, and check that what was written is what is read",
  flags: [
    BOOTSTRAP,
    { name: "mode", alias: "m", value: "MODE", doc: "produce, consume, round-trip or metadata", fallback: "produce" },
    { name: "concurrency", alias: "n", value: "N", doc: "Connections that work at once", fallback: "64" },
    { name: "record-size", value: "BYTES", doc: "Bytes of a record's value", fallback: "1024" },
    { name: "batch-size", value: "RECORDS", doc: "Records in each produce request", fallback: "1" },
    {
      name: "partitions",
      alias: "p",
      value: "N",
      doc: "Partitions of the topic that is made for the run",
      fallback: "16"
    },
    { name: "replication-factor", value: "N", doc: "Its replicas", fallback: "the broker's" },
    {
      name: "topic",
      value: "NAME",
      doc: "Use this existing topic and leave it there",
      fallback: "a new one, deleted afterwards"
    },
    { name: "duration", alias: "d", value: "SECONDS", doc: "How long to measure", fallback: "10" },
    { name: "warm-up", value: "SECONDS", doc: "How long to run before measuring", fallback: "2" },
    { name: "acks", value: "ACKS", doc: "all, 1 or 0", fallback: "all" },
    { name: "idempotent", doc: "Produce with a producer id and sequences" },
    { name: "compression", value: "CODEC", doc: "none, gzip, snappy, lz4 or zstd", fallback: "none" },
    {
      name: "rate",
      value: "RECORDS/S",
      doc: "Open loop at this rate: latency counts from when a record was due",
      fallback: "closed loop, as fast as answers come"
    },
    { name: "key", value: "PATTERN", doc: "none, sequence, random[:DISTINCT] or fixed:TEXT", fallback: "none" },
    { name: "payload", value: "PATTERN", doc: "text, json, random or zeros", fallback: "text" },
    { name: "fetch-size", value: "BYTES", doc: "Most bytes of one fetch answer", fallback: "1048576" },
    { name: "preload", value: "RECORDS", doc: "Records written before mode consume reads", fallback: "100000" },
    { name: "seed", value: "N", doc: "Of keys and payloads", fallback: "1" },
    { name: "json", value: "FILE", doc: "Write the result as JSON; - is the standard output" },
    { name: "csv", value: "FILE", doc: "Write the result as CSV, one line a mode; - is the standard output" },
    { name: "quiet", alias: "q", doc: "No progress" },
    TIMEOUT
  ],
  notes: [
    "The records of a run are always read back and checked: their number, their order in each partition, a checksum of each.",
    "The exit code is 1 when anything is off. Records keep to the partition of their connection, whatever their key is."
  ],
  run: async (parsed) => (await import("./commands/Bench.ts")).bench(parsed)
}

export const ROOT: Command = {
  name: "chronik-effect",
  doc: "A Kafka-compatible, durable log in one npm package",
  flags: [{ name: "version", alias: "v", doc: "Show the version" }],
  subcommands: [serve, topic, group, config, bench]
}
