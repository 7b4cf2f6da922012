/** Times and bounds of a controller. Times are milliseconds of the caller's monotonic clock. */
import type { TopicImage } from "../metadata/MetadataImage.ts"

export interface ControllerOptions {
  readonly heartbeatMs: number
  /** A node that is silent for so long is fenced. */
  readonly sessionMs: number
  /** What remains of a session when the connection to its node breaks. */
  readonly disconnectedMs: number
  /** After a majority has promised: how long the other live replicas are waited for, so that the greatest position is seen. */
  readonly electionGraceMs: number
  /** Replicas that have not answered for so long are asked again; doubles with each attempt. */
  readonly electionTimeoutMs: number
  readonly electionTimeoutMsMax: number
  /** Attempts without a majority after which a partition whose leader is lost is marked offline. */
  readonly offlineAttempts: number
  /** Kafka's `unclean.leader.election.enable` as it is in force for a topic. */
  readonly uncleanElection: (topic: TopicImage) => boolean
  /** How long a partition is without a leader before it may be elected uncleanly (rule 21). */
  readonly uncleanWaitMs: number
  /** Between two elections of a partition because its leader lacks a quorum (rule 15); doubles each time. */
  readonly quorumBackoffMs: number
  readonly quorumBackoffMsMax: number
  /** A hand-over that has not ended after so long is given up. */
  readonly handOverMs: number
  /** Hand-overs under way at once. */
  readonly handOversMax: number
  /** How often leaderships are moved back to preferred replicas, while any are elsewhere. 0: never. */
  readonly balanceIntervalMs: number
  /** Partitions with a learner at once. */
  readonly reassignmentsMax: number
  /** Before a lost or refused command is decided again. */
  readonly retryMs: number
  /** Partitions in one command. */
  readonly opsMax: number
}

export const defaultControllerOptions: ControllerOptions = {
  heartbeatMs: 100,
  sessionMs: 600,
  disconnectedMs: 200,
  electionGraceMs: 20,
  electionTimeoutMs: 150,
  electionTimeoutMsMax: 2_000,
  offlineAttempts: 3,
  uncleanElection: () => false,
  uncleanWaitMs: 30_000,
  quorumBackoffMs: 1_000,
  quorumBackoffMsMax: 60_000,
  handOverMs: 1_000,
  handOversMax: 256,
  balanceIntervalMs: 5_000,
  reassignmentsMax: 16,
  retryMs: 100,
  opsMax: 10_000
}
