/**
 * A committed offset in `__consumer_offsets`: the key under which compaction keeps one record, and its value.
 *
 * - Key type 1 (0 in logs of Kafka before 0.9). Value 3 has the leader epoch (KIP-320); 1 an expiry, which 2 removed
 *   again; 4 is flexible, with the topic id as a tagged field.
 *
 * The type stands in front of the key and the version in front of the value, both int16: see CoordinatorRecord.ts.
 * Kafka 4.3.1 writes values of version 4. A null value forgets the offset.
 */
import { int32, int64, message, string, type TypeOf, uuid } from "../Descriptor.ts"

export const OffsetCommitKey = message(
  "OffsetCommitKey",
  { versions: "0", flexible: "none" },
  {
    group: string("0"),
    topic: string("0"),
    partition: int32("0")
  }
)
export type OffsetCommitKey = TypeOf<typeof OffsetCommitKey>

export const OffsetCommitValue = message(
  "OffsetCommitValue",
  { versions: "0-4", flexible: "4+" },
  {
    offset: int64("0+"),
    leaderEpoch: int32("3+", { default: -1, ignorable: true }),
    metadata: string("0+"),
    commitTimestamp: int64("0+"),
    expireTimestamp: int64("1", { default: -1, ignorable: true }),
    topicId: uuid("4+", { tag: 0, ignorable: true })
  }
)
export type OffsetCommitValue = TypeOf<typeof OffsetCommitValue>
