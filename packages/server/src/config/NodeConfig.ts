/**
 * What one node is told at its start: where it listens, where its data lies, what an acknowledgement means, and the static
 * broker configs of Kafka. Everything has a default, so that `NodeConfig.layer()` is a whole node.
 *
 * The values are final: reading flags, environment and files, and their precedence, is the command line's work; the
 * definitions and validation of Kafka's dotted names are `core/config`. What an operator changes at run time
 * (IncrementalAlterConfigs) lives in the metadata log, never here.
 */
import { type BrokerConfig, makeBrokerConfig } from "@chronik-effect/core/config/BrokerConfig.ts"
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"

/**
 * `durable`: an acknowledgement follows the fsync. `ephemeral`: memory only, nothing is written. `unsafe-no-fsync`: written
 * to files, never synced: a power cut loses what was acknowledged.
 */
export type Durability = "durable" | "ephemeral" | "unsafe-no-fsync"

export const LOG_FORMATS = ["pretty", "json", "logfmt"] as const
export type LogFormat = (typeof LOG_FORMATS)[number]

export const LOG_LEVELS = ["trace", "debug", "info", "warn", "error", "fatal", "none"] as const
export type LogLevel = (typeof LOG_LEVELS)[number]

/** Where clients are told to connect. Without a port it is the port that the listener got. */
export interface Advertised {
  readonly host: string
  readonly port?: number | undefined
}

/** What a node has been told, whoever told it. */
interface NodeSettings {
  readonly nodeId: number
  /** Ignored when `durability` is `ephemeral`. */
  readonly dataDir: string
  /** The address to bind: an IP literal or a name. */
  readonly host: string
  /** 0 = any free port. */
  readonly kafkaPort: number
  /** Absent: derived from `host` and the bound port. Metadata never names a broker without an address. */
  readonly advertised?: Advertised | undefined
  readonly durability: Durability
  readonly logFormat: LogFormat
  readonly logLevel: LogLevel
}

/** The values a node is started with, as plain data. */
export interface NodeConfigValues extends NodeSettings {
  /** The same as `num.partitions` in `broker`, which wins where both are given. */
  readonly defaultPartitions?: number | undefined
  /** Static broker configs by Kafka's dotted name (`log.retention.ms`); only what differs from the default. */
  readonly broker: ReadonlyMap<string, string>
}

export const defaultNodeConfig: NodeConfigValues = {
  nodeId: 1,
  dataDir: "./chronik-data",
  host: "127.0.0.1",
  kafkaPort: 9092,
  durability: "durable",
  logFormat: "pretty",
  logLevel: "info",
  broker: new Map()
}

/** A static broker config that is unknown or out of bounds; `problems` are sentences. */
export class InvalidNodeConfig extends Data.TaggedError("InvalidNodeConfig")<{
  readonly problems: ReadonlyArray<string>
}> {
  override get message(): string {
    return this.problems.join(" ")
  }
}

/** The service's shape: the values checked, the broker configs with their types and defaults. */
export interface NodeConfigShape extends NodeSettings {
  /** Partitions of a topic that is created without a count. */
  readonly defaultPartitions: number
  /** Static values only: what is changed while running is laid over it by whoever follows the metadata. */
  readonly broker: BrokerConfig
}

/** Fills in defaults and checks the broker configs. */
export const makeNodeConfig = (
  values: Partial<NodeConfigValues> = {}
): Result.Result<NodeConfigShape, InvalidNodeConfig> => {
  const { broker: overrides, defaultPartitions, ...settings } = { ...defaultNodeConfig, ...values }
  const named = new Map(overrides)
  if (defaultPartitions !== undefined && !named.has("num.partitions")) {
    named.set("num.partitions", String(defaultPartitions))
  }
  const broker = makeBrokerConfig("standalone", named)
  return Result.isFailure(broker)
    ? Result.fail(new InvalidNodeConfig({ problems: broker.failure }))
    : Result.succeed({
        ...settings,
        broker: broker.success,
        defaultPartitions: broker.success.integer("num.partitions")
      })
}

export class NodeConfig extends Context.Service<NodeConfig, NodeConfigShape>()("chronik/NodeConfig") {
  static readonly layer = (values: Partial<NodeConfigValues> = {}): Layer.Layer<NodeConfig, InvalidNodeConfig> =>
    Layer.effect(NodeConfig, Effect.fromResult(makeNodeConfig(values)))
}

/** An advertised host that no other machine can connect to, though the listener accepts from everywhere. */
const WILDCARDS: ReadonlySet<string> = new Set(["0.0.0.0", "::", "[::]", "*", ""])

/** True when the listener takes connections on every interface, so that its bind address cannot be advertised. */
export const bindsEverywhere = (host: string): boolean => WILDCARDS.has(host)

/**
 * The address that Metadata names for this node. `routable` is an address of this machine that others reach (the caller
 * asks the operating system); it is used only when the listener binds every interface.
 */
export const advertisedAddress = (
  values: Pick<NodeSettings, "host" | "advertised">,
  boundPort: number,
  routable: string
): { readonly host: string; readonly port: number } => ({
  host: values.advertised?.host ?? (bindsEverywhere(values.host) ? routable : values.host),
  port: values.advertised?.port ?? boundPort
})
