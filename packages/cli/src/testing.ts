/**
 * `chronik-effect/testing`: a real broker inside the caller's process, for tests.
 *
 * ```ts
 * import { startBroker } from "chronik-effect/testing"
 * await using broker = await startBroker({ partitions: 3 })
 * const kafka = new Kafka({ brokers: [broker.bootstrap] })
 * ```
 * It serves when the promise resolves, keeps its data in memory unless a directory is given, logs nothing unless asked to,
 * and leaves nothing behind when closed. Any number may run at once; each has a port of its own.
 *
 * Plain promises and no type of Effect: a caller needs to know nothing about it.
 */
import { type Durability, defaultNodeConfig, type NodeConfigValues } from "@chronik-effect/server/config/NodeConfig.ts"
import { startStandalone } from "@chronik-effect/server/Standalone.ts"
import { explainStart } from "./commands/Explain.ts"
import { applyBrokerSetting } from "./settings/BrokerSettings.ts"

export interface BrokerOptions {
  /** Partitions of a topic that is created without a count (Kafka's `num.partitions`). Default 1. */
  readonly partitions?: number
  /** Default 0: any free port. */
  readonly port?: number
  /** Address to listen on. Default 127.0.0.1. */
  readonly host?: string
  /** Broker configs by Kafka's names: `{ "log.retention.ms": 1000, "auto.create.topics.enable": false }`. */
  readonly config?: Readonly<Record<string, string | number | boolean>>
  /** Keeps the data here and waits for the disk before it acknowledges. Default: memory. */
  readonly dataDir?: string
  /** `unsafe-no-fsync` writes to `dataDir` without waiting for the disk. Default `durable` with a directory. */
  readonly durability?: "durable" | "unsafe-no-fsync"
  /** What is logged on stderr. Default "none". */
  readonly logLevel?: "trace" | "debug" | "info" | "warn" | "error" | "fatal" | "none"
}

export interface Broker extends AsyncDisposable {
  readonly host: string
  readonly port: number
  /** `host:port`, as clients take it. */
  readonly bootstrap: string
  /** Milliseconds from the call until the broker served. */
  readonly readyMs: number
  /** Stops the broker; its connections are closed and its memory is free. The same promise when called again. */
  readonly close: () => Promise<void>
}

/** Starts a broker. Rejects with an `Error` whose message says what is wrong and what to do. */
export async function startBroker(options: BrokerOptions = {}): Promise<Broker> {
  const values = valuesOf(options)
  const node = await startStandalone(values).catch((error: unknown) => {
    const sentence = explainStart(error, values)
    throw sentence === undefined ? error : new Error(sentence, { cause: error })
  })
  return {
    host: node.host,
    port: node.port,
    bootstrap: node.bootstrap,
    readyMs: node.report.readyMs,
    close: node.close,
    [Symbol.asyncDispose]: node.close
  }
}

function valuesOf(options: BrokerOptions): NodeConfigValues {
  const broker = new Map<string, string>()
  for (const [name, value] of Object.entries(options.config ?? {})) {
    applyBrokerSetting(name, String(value), "config", broker)
  }
  const durability: Durability = options.dataDir === undefined ? "ephemeral" : (options.durability ?? "durable")
  return {
    ...defaultNodeConfig,
    host: options.host ?? defaultNodeConfig.host,
    kafkaPort: options.port ?? 0,
    dataDir: options.dataDir ?? defaultNodeConfig.dataDir,
    defaultPartitions: options.partitions,
    durability,
    logLevel: options.logLevel ?? "none",
    broker
  }
}
