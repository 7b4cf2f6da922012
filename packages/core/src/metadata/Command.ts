/**
 * The commands of the metadata log: a tagged union. A command is decided once, carries every id that was chosen (topic ids,
 * epochs, assignments), and is applied by `replay` the same way on every node.
 *
 * `commandId` names a command that may be proposed more than once (a forward that is retried after a change of the
 * controller): only its first application has an effect. Null where a proposal is never repeated.
 */
import type { QuotaEntity } from "./ClientQuotas.ts"
import type { EndpointImage } from "./MetadataImage.ts"

export interface NewPartition {
  readonly replicas: ReadonlyArray<number>
  readonly isr: ReadonlyArray<number>
  readonly leader: number
}

/** The leader of a new epoch. */
export interface ElectionOp {
  /** -1: offline, nobody leads in this epoch. */
  readonly leader: number
  /** Greater than the expected epoch; epochs in between may be burnt (rule 13). */
  readonly leaderEpoch: number
  readonly unclean: boolean
  /** Directory of the leader's replica: the command does not apply to another disk under the same id. "" when offline. */
  readonly directoryId: string
}

/**
 * One change of one partition. Null fields stay as they are.
 *
 * **Errors** refused as a whole, by name in the result, unless `replay` finds both expectations current and the change legal:
 * see `ReplayPartitions`.
 * **Gotchas** a change of the counted replicas is proposed only for an (epoch, config version) that its leader has confirmed
 * (rule 17). That evidence is volatile and is not in the image: the controller holds it, and the two expectations keep it
 * true until the command applies, since a confirmation of (e, v) never becomes false while (e, v) is current.
 */
export interface PartitionOp {
  readonly topicId: string
  readonly partition: number
  readonly expectedEpoch: number
  readonly expectedConfigVersion: number
  readonly election: ElectionOp | null
  /** Counted replicas only. Fenced ones are left out when the command applies. */
  readonly isr: ReadonlyArray<number> | null
  readonly replicas: ReadonlyArray<number> | null
  readonly adding: ReadonlyArray<number> | null
  readonly removing: ReadonlyArray<number> | null
  readonly target?: ReadonlyArray<number> | null
  /** Directory of the learner that this op counts, as it was when the learner had caught up. */
  readonly countedDirectory?: string | null
}

/** Kafka's numbers of IncrementalAlterConfigs. */
export const ConfigOp = { SET: 0, DELETE: 1, APPEND: 2, SUBTRACT: 3 } as const
export type ConfigOp = (typeof ConfigOp)[keyof typeof ConfigOp]

export interface ConfigChange {
  readonly name: string
  readonly op: ConfigOp
  /** Null for DELETE. */
  readonly value: string | null
}

/** Kafka's resource types that have configs in the image. */
export const ConfigResource = { TOPIC: 2, BROKER: 4, CLIENT_METRICS: 16, GROUP: 32 } as const
export type ConfigResource = (typeof ConfigResource)[keyof typeof ConfigResource]

interface Identified {
  readonly commandId?: string | null
}

export interface RegisterNode extends Identified {
  readonly _tag: "RegisterNode"
  readonly nodeId: number
  readonly incarnation: number
  readonly directoryId: string
  readonly endpoints: ReadonlyArray<EndpointImage>
  readonly rack: string | null
}

export interface FenceNode extends Identified {
  readonly _tag: "FenceNode"
  readonly nodeId: number
  readonly incarnation: number
  readonly fenced: boolean
}

export interface UnregisterNode extends Identified {
  readonly _tag: "UnregisterNode"
  readonly nodeId: number
}

export interface CreateTopic extends Identified {
  readonly _tag: "CreateTopic"
  readonly name: string
  readonly topicId: string
  readonly internal: boolean
  /** Complete: applying this is the one trigger that creates replicas. */
  readonly partitions: ReadonlyArray<NewPartition>
  readonly configs: ReadonlyArray<readonly [name: string, value: string]>
}

export interface DeleteTopic extends Identified {
  readonly _tag: "DeleteTopic"
  readonly topicId: string
}

export interface CreatePartitions extends Identified {
  readonly _tag: "CreatePartitions"
  readonly topicId: string
  /** Number of partitions that the topic must have for this to apply. */
  readonly from: number
  readonly partitions: ReadonlyArray<NewPartition>
}

export interface PartitionOps extends Identified {
  readonly _tag: "PartitionOps"
  readonly ops: ReadonlyArray<PartitionOp>
}

/** All of one resource's changes, or none. */
export interface AlterConfigs extends Identified {
  readonly _tag: "AlterConfigs"
  readonly resourceType: ConfigResource
  /** A topic's id (never its name); a broker's id as text, "" for all brokers; a group's id; a subscription's name. */
  readonly resource: string
  readonly changes: ReadonlyArray<ConfigChange>
}

export interface QuotaChange {
  readonly key: string
  /** Null removes the key. */
  readonly value: number | null
}

/** All of one entity's changes, or none. */
export interface AlterClientQuotas extends Identified {
  readonly _tag: "AlterClientQuotas"
  /** Sorted by type (`sortedEntity`). */
  readonly entity: QuotaEntity
  readonly changes: ReadonlyArray<QuotaChange>
}

export interface AllocateProducerIds extends Identified {
  readonly _tag: "AllocateProducerIds"
  readonly nodeId: number
  readonly count: number
}

export interface SetFeature extends Identified {
  readonly _tag: "SetFeature"
  readonly name: string
  /** 0 removes the feature. */
  readonly level: number
}

export type Command =
  | RegisterNode
  | FenceNode
  | UnregisterNode
  | CreateTopic
  | DeleteTopic
  | CreatePartitions
  | PartitionOps
  | AlterConfigs
  | AlterClientQuotas
  | AllocateProducerIds
  | SetFeature
