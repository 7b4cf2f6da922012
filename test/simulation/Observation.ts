/**
 * What the simulated nodes and clients tell the checkers: facts, at the moment they become true. A checker believes nothing
 * else; it keeps its own model and never asks a machine for an opinion of itself (it may read logs on the simulated disks).
 *
 * `node`, `incarnation`: one process lifetime. Hashes are of contents (`hash` of a batch covers its records, not its offset).
 */
import type { Entry } from "../../packages/core/src/raft/Entry.ts"
import type { Point } from "../../packages/core/src/replication/Point.ts"

interface AtNode {
  readonly node: number
  readonly incarnation: number
}

interface AtPartition extends AtNode {
  readonly topicId: string
  readonly partition: number
}

export interface ClientRecord {
  /** Unique in a run: who wrote it and as which of his records. */
  readonly id: string
  readonly offset: number
}

export type Observation =
  // processes
  | ({ readonly _tag: "Started"; readonly directoryId: string; readonly wiped: boolean } & AtNode)
  | ({ readonly _tag: "Crashed" } & AtNode)
  // raft
  | ({ readonly _tag: "RaftRole"; readonly role: string; readonly term: number; readonly lastIndex: number } & AtNode)
  | ({ readonly _tag: "RaftAppended"; readonly entries: ReadonlyArray<Entry>; readonly previousTerm: number } & AtNode)
  | ({ readonly _tag: "RaftSnapshot"; readonly index: number; readonly term: number } & AtNode)
  /** Applied in order; `command` is the text of what it is. */
  | ({ readonly _tag: "RaftApplied"; readonly entry: Entry } & AtNode)
  | ({ readonly _tag: "RaftCommit"; readonly index: number } & AtNode)
  | ({ readonly _tag: "RaftVoteDurable"; readonly term: number; readonly candidate: number | null } & AtNode)
  // partitions
  | ({ readonly _tag: "Leads"; readonly epoch: number; readonly markerOffset: number } & AtPartition)
  | ({ readonly _tag: "LeftEpoch"; readonly epoch: number } & AtPartition)
  | ({
      readonly _tag: "Appended"
      readonly epoch: number
      readonly baseOffset: number
      readonly endOffset: number
      readonly hash: number
      readonly byLeader: boolean
    } & AtPartition)
  | ({
      readonly _tag: "MarkerAppended"
      readonly epoch: number
      readonly offset: number
      readonly unclean: boolean
    } & AtPartition)
  | ({ readonly _tag: "Truncated"; readonly to: Point; readonly unclean: boolean } & AtPartition)
  | ({ readonly _tag: "Reset"; readonly to: Point } & AtPartition)
  | ({
      readonly _tag: "HighWatermark"
      readonly offset: number
      readonly role: string
      readonly epoch: number
    } & AtPartition)
  | ({ readonly _tag: "Confirmed"; readonly epoch: number; readonly configVersion: number } & AtPartition)
  /** The controller's command that elects was applied (once a run: by the first node that applies it). */
  | {
      readonly _tag: "Elected"
      readonly topicId: string
      readonly partition: number
      readonly epoch: number
      readonly leader: number
      readonly unclean: boolean
      readonly counted: ReadonlyArray<number>
    }
  // clients
  | {
      readonly _tag: "ProduceSent"
      readonly client: number
      readonly topicId: string
      readonly partition: number
      readonly acks: number
      readonly ids: ReadonlyArray<string>
      readonly idempotent: boolean
    }
  | {
      readonly _tag: "ProduceAcked"
      readonly client: number
      readonly topicId: string
      readonly partition: number
      readonly acks: number
      readonly records: ReadonlyArray<ClientRecord>
      readonly idempotent: boolean
      readonly node: number
      readonly epoch: number
    }
  | {
      readonly _tag: "ProduceFailed"
      readonly client: number
      readonly ids: ReadonlyArray<string>
      readonly reason: string
    }
  | {
      readonly _tag: "Fetched"
      readonly client: number
      readonly topicId: string
      readonly partition: number
      readonly node: number
      /** The offset that was asked for. */
      readonly offset: number
      readonly records: ReadonlyArray<ClientRecord>
      readonly highWatermark: number
    }
  /** One operation on the metadata as its client saw it; `end` null: no answer, it may have happened or not. */
  | {
      readonly _tag: "MetadataCall"
      readonly client: number
      readonly operation: number
      readonly kind: string
      readonly key: string
      readonly value: string | null
    }
  | {
      readonly _tag: "MetadataReturn"
      readonly client: number
      readonly operation: number
      readonly outcome: "ok" | "refused" | "unknown"
      readonly value: string | null
    }
  // world
  | { readonly _tag: "Fault"; readonly what: string }
  | { readonly _tag: "Healed" }
