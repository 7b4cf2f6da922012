/**
 * Everything the cluster knows about itself at one point of the metadata log: topics with their assignments, brokers,
 * configuration changed at run time, id counters. Immutable: `replay` makes the next image, which shares what did not change
 * (persistent maps), so that readers keep a consistent view for as long as they hold one.
 *
 * It deliberately holds nothing that a partition's own log tells (offsets, high watermark) and nothing that is true for one
 * node only (who is connected). Two images of the same log prefix encode to the same bytes (`Snapshot`).
 */
import { HashMap, Option } from "effect"
import type { ClientQuota } from "./ClientQuotas.ts"

export interface PartitionImage {
  readonly partition: number
  /** The WAL stream of this partition's frames: given by `replay`, never used for another partition again. */
  readonly stream: number
  /** The replica set in order of preference. Counted replicas and those being added. */
  readonly replicas: ReadonlyArray<number>
  /**
   * Directory id of each replica, parallel to `replicas`: a wiped disk is another replica (rule 18).
   *
   * **Shape** what the node had registered when the replica was made; "" when it had not registered, until it does.
   * **Gotchas** a counted replica keeps its directory for ever, a learner follows its node to another one.
   */
  readonly directories: ReadonlyArray<string>
  /** Informs clients and `min.insync.replicas`; never the safety of a commit. */
  readonly isr: ReadonlyArray<number>
  /** -1: offline. */
  readonly leader: number
  readonly leaderEpoch: number
  /** The leader of `leaderEpoch` was elected without a quorum: records may have been lost (rule 21). */
  readonly unclean: boolean
  /** Raised by each change of the counted replicas, and by each learner that comes: it tells the lives of a replica apart. */
  readonly configVersion: number
  /** Learners: they get the log and count for nothing. */
  readonly adding: ReadonlyArray<number>
  /** Counted replicas that `target` lacks: for those who show a reassignment under way. */
  readonly removing: ReadonlyArray<number>
  /** The set that a reassignment is on its way to, in order of preference; empty when there is none. */
  readonly target: ReadonlyArray<number>
  /** End offset of the command that elected this leader: a restarted node leads only what was elected after it registered. */
  readonly electedAt: number
}

export interface TopicImage {
  readonly name: string
  /** Kafka's text form; a topic deleted and made again has another one. */
  readonly topicId: string
  /** Kafka's own topics: shown as internal, closed to ordinary producers. */
  readonly internal: boolean
  /** By partition number, dense from 0. */
  readonly partitions: ReadonlyArray<PartitionImage>
  /** Only what was set for this topic. */
  readonly configs: ReadonlyMap<string, string>
}

export interface EndpointImage {
  /** Listener name, `PLAINTEXT` for the only one of a default node. */
  readonly listener: string
  readonly host: string
  readonly port: number
  readonly securityProtocol: string
}

export interface BrokerImage {
  readonly nodeId: number
  /** Greater at each start of the node. */
  readonly incarnation: number
  /** Made when the data directory was formatted: a wiped disk is another replica. */
  readonly directoryId: string
  readonly endpoints: ReadonlyArray<EndpointImage>
  readonly rack: string | null
  /** A fenced broker is known but gets no leadership, and clients are not sent to it. */
  readonly fenced: boolean
  /** End offset of the first registration of this incarnation (rule 19). */
  readonly registeredAt: number
}

/** What remains of an applied command that carried an id, so that a retry of it is answered and not applied again. */
export interface AppliedCommand {
  readonly endOffset: number
  readonly result: CommandResult
}

export type CommandResult =
  | { readonly _tag: "Applied" }
  /** Refused when its turn came: the state had moved on since it was decided. Nothing changed. */
  | { readonly _tag: "Rejected"; readonly errorCode: number; readonly message: string }
  | { readonly _tag: "ProducerIds"; readonly first: number; readonly count: number }
  /** Partition changes whose expected epoch or config version was no longer current; the others apply. */
  | {
      readonly _tag: "PartitionsChanged"
      readonly refused: ReadonlyArray<readonly [topicId: string, partition: number]>
    }

/** The fields of an image; every collection is a persistent map. */
export interface MetadataFields {
  /** End offset: every entry of the metadata log below it is in this image. */
  readonly offset: number
  readonly clusterId: string
  readonly topicsByName: HashMap.HashMap<string, TopicImage>
  readonly topicsById: HashMap.HashMap<string, TopicImage>
  /** Topic names with `.` written as `_`: Kafka's metric names make those two collide. */
  readonly foldedNames: HashMap.HashMap<string, string>
  /** Few, and read by each Metadata request: a plain map, copied on change. */
  readonly brokers: ReadonlyMap<number, BrokerImage>
  /** By broker id as text; "" holds the cluster-wide defaults. */
  readonly brokerConfigs: ReadonlyMap<string, ReadonlyMap<string, string>>
  /** By group id: only what was set for the group, which need not exist. */
  readonly groupConfigs: HashMap.HashMap<string, ReadonlyMap<string, string>>
  /** By name of the subscription. */
  readonly clientMetrics: HashMap.HashMap<string, ReadonlyMap<string, string>>
  /** By `entityKey`. */
  readonly clientQuotas: HashMap.HashMap<string, ClientQuota>
  readonly features: ReadonlyMap<string, number>
  readonly nextProducerId: number
  readonly nextStream: number
  readonly commands: HashMap.HashMap<string, AppliedCommand>
  /** Ids of `commands` by the end offset of their command, for expiry. */
  readonly commandIds: HashMap.HashMap<number, string>
  /** No id in `commandIds` lies below this end offset. */
  readonly firstCommand: number
}

export class MetadataImage {
  readonly fields: MetadataFields

  constructor(fields: MetadataFields) {
    this.fields = fields
  }

  /** End offset: every entry of the metadata log below it has been applied. */
  get offset(): number {
    return this.fields.offset
  }
  get clusterId(): string {
    return this.fields.clusterId
  }
  get brokers(): ReadonlyMap<number, BrokerImage> {
    return this.fields.brokers
  }
  get brokerConfigs(): ReadonlyMap<string, ReadonlyMap<string, string>> {
    return this.fields.brokerConfigs
  }
  get groupConfigs(): HashMap.HashMap<string, ReadonlyMap<string, string>> {
    return this.fields.groupConfigs
  }
  get clientMetrics(): HashMap.HashMap<string, ReadonlyMap<string, string>> {
    return this.fields.clientMetrics
  }
  get clientQuotas(): HashMap.HashMap<string, ClientQuota> {
    return this.fields.clientQuotas
  }
  get features(): ReadonlyMap<string, number> {
    return this.fields.features
  }
  get nextProducerId(): number {
    return this.fields.nextProducerId
  }
  get nextStream(): number {
    return this.fields.nextStream
  }
  get topicCount(): number {
    return HashMap.size(this.fields.topicsById)
  }

  topic(name: string): TopicImage | undefined {
    return Option.getOrUndefined(HashMap.get(this.fields.topicsByName, name))
  }

  topicById(topicId: string): TopicImage | undefined {
    return Option.getOrUndefined(HashMap.get(this.fields.topicsById, topicId))
  }

  /** In no particular order. */
  topics(): Iterable<TopicImage> {
    return HashMap.values(this.fields.topicsByName)
  }

  /** The existing topic whose name differs from `name` in `.` and `_` only. */
  collidingTopic(name: string): string | undefined {
    const found = Option.getOrUndefined(HashMap.get(this.fields.foldedNames, foldedName(name)))
    return found === name ? undefined : found
  }

  /** What was set for this group; undefined where nothing was. */
  groupConfig(groupId: string): ReadonlyMap<string, string> | undefined {
    return Option.getOrUndefined(HashMap.get(this.fields.groupConfigs, groupId))
  }

  /** The result of the command with this id, if it has been applied lately. */
  appliedCommand(commandId: string): AppliedCommand | undefined {
    return Option.getOrUndefined(HashMap.get(this.fields.commands, commandId))
  }

  /** Brokers that may lead and that clients may be sent to, by id. */
  liveBrokers(): ReadonlyArray<BrokerImage> {
    return [...this.fields.brokers.values()].filter((broker) => !broker.fenced).sort((a, b) => a.nodeId - b.nodeId)
  }

  with(changes: Partial<MetadataFields>): MetadataImage {
    return new MetadataImage({ ...this.fields, ...changes })
  }
}

export const foldedName = (name: string): string => name.replaceAll(".", "_")

/** The image of an empty log. Stream 0 is the metadata log's own. */
export const emptyImage = (clusterId: string): MetadataImage =>
  new MetadataImage({
    offset: 0,
    clusterId,
    topicsByName: HashMap.empty(),
    topicsById: HashMap.empty(),
    foldedNames: HashMap.empty(),
    brokers: new Map(),
    brokerConfigs: new Map(),
    groupConfigs: HashMap.empty(),
    clientMetrics: HashMap.empty(),
    clientQuotas: HashMap.empty(),
    features: new Map(),
    nextProducerId: 0,
    nextStream: 1,
    commands: HashMap.empty(),
    commandIds: HashMap.empty(),
    firstCommand: 0
  })
