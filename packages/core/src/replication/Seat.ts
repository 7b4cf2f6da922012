/** What a leader or a follower needs of the replica that it acts for: its name, its log and where its output goes. */
import type { ReplicaOptions } from "./Assignment.ts"
import type { Acknowledgement, Mismatch, NotYet, Refusal, ReplicaId } from "./Frame.ts"
import type { ReplicaEvent } from "./Output.ts"
import type { ReplicaLog } from "./ReplicaLog.ts"

type Answer = Acknowledgement | Mismatch | Refusal | NotYet
type WithoutEnvelope<M> = M extends unknown ? Omit<M, "topicId" | "partition" | "from" | "to"> : never

/** An answer before it is addressed. */
export type AnswerBody = WithoutEnvelope<Answer>

export interface Seat<D> {
  readonly self: ReplicaId
  readonly options: ReplicaOptions
  readonly log: ReplicaLog<D>
  readonly event: (event: ReplicaEvent) => void
  readonly answer: (to: ReplicaId, body: AnswerBody) => void
}

export const sameReplica = (a: ReplicaId, b: ReplicaId): boolean => a.node === b.node && a.directoryId === b.directoryId
