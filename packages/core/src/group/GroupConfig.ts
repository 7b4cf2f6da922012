/** What of the broker's configuration the group machine obeys, and the bounds that keep its memory finite. */
export interface GroupConfig {
  /** `group.initial.rebalance.delay.ms`: how long an empty group waits for more members. 0: not at all. */
  readonly initialRebalanceDelayMs: number
  /** `group.min.session.timeout.ms` */
  readonly sessionTimeoutMsMin: number
  /** `group.max.session.timeout.ms` */
  readonly sessionTimeoutMsMax: number
  /** `group.max.size` */
  readonly membersMax: number
  /** `offset.metadata.max.bytes` */
  readonly offsetMetadataBytesMax: number
  /** `offsets.retention.minutes`, in milliseconds. */
  readonly offsetsRetentionMs: number
}

export const defaultGroupConfig: GroupConfig = {
  initialRebalanceDelayMs: 3_000,
  sessionTimeoutMsMin: 6_000,
  sessionTimeoutMsMax: 1_800_000,
  membersMax: 2_147_483_647,
  offsetMetadataBytesMax: 4_096,
  offsetsRetentionMs: 10_080 * 60_000
}

/** How long a member may wait in its first join: it cannot heartbeat, and a client that gave up cannot be told apart. */
export const NEW_MEMBER_JOIN_TIMEOUT_MS = 5 * 60_000

/** Ids that were given out and not yet used, a group. A client that never comes back holds one for its session timeout. */
export const PENDING_MEMBERS_MAX = 10_000

/** Members of one group whatever `group.max.size` says; more than anybody could assign partitions to. */
export const MEMBERS_MAX = 100_000

/** Protocols that one member may offer. Clients send one to four. */
export const PROTOCOLS_MAX = 128

/** Groups of one coordinator partition, of which a broker leads fifty. */
export const GROUPS_MAX = 100_000
