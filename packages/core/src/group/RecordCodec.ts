/**
 * Group records to and from the bytes of `__consumer_offsets`, exactly as Kafka writes them: Burrow, exporters and Kafka's
 * own tools read this topic.
 *
 * ```text
 * offset  key int16 type 1 (0 in very old logs), group, topic, partition     value int16 version 4: offset, epoch, …
 * group   key int16 type 2, group                                           value int16 version 3: generation, members …
 * others  key int16 type 3-16: `consumer/ConsumerRecordCodec.ts`
 * ```
 * Values are written in the version that Kafka 4.3 writes: an offset in version 1 if it carries an expiry of its own (no
 * later version has the field), in version 3 if its topic's id is unknown. Every older version can be read.
 */
import { ZERO_UUID } from "../base/Uuid.ts"
import {
  decodeKey,
  decodeVersioned,
  encodeKey,
  encodeVersioned,
  keyType
} from "../protocol/records/CoordinatorRecord.ts"
import { GroupMetadataKey, GroupMetadataValue } from "../protocol/records/GroupMetadata.ts"
import { OffsetCommitKey, OffsetCommitValue } from "../protocol/records/OffsetCommit.ts"
import { decodeConsumerRecord, encodeConsumerRecord } from "./consumer/ConsumerRecordCodec.ts"
import type { CommittedOffset, GroupMetadata, GroupRecord } from "./GroupRecord.ts"

const LEGACY_OFFSET_KEY = 0
const OFFSET_KEY = 1
const GROUP_KEY = 2

const OFFSET_VERSION_WITH_EXPIRY = 1
const OFFSET_VERSION_WITHOUT_TOPIC_ID = 3
const OFFSET_VERSION = 4
const GROUP_VERSION = 3

export interface EncodedRecord {
  readonly key: Uint8Array
  /** null: a tombstone. */
  readonly value: Uint8Array | null
}

export const encodeGroupRecord = (record: GroupRecord): EncodedRecord => {
  if (record._tag === "Offset") {
    const { groupId, topic, partition, value } = record
    const key = encodeKey(OFFSET_KEY, OffsetCommitKey, { group: groupId, topic, partition })
    return { key, value: value === null ? null : encodeOffset(value) }
  }
  if (record._tag !== "GroupMetadata") return encodeConsumerRecord(record)
  const key = encodeKey(GROUP_KEY, GroupMetadataKey, { group: record.groupId })
  return { key, value: record.value === null ? null : encodeGroup(record.value) }
}

const encodeOffset = (value: CommittedOffset): Uint8Array => {
  const version =
    value.expireTimestamp >= 0
      ? OFFSET_VERSION_WITH_EXPIRY
      : value.topicId === ZERO_UUID
        ? OFFSET_VERSION_WITHOUT_TOPIC_ID
        : OFFSET_VERSION
  return encodeVersioned(OffsetCommitValue, version, value)
}

const encodeGroup = (value: GroupMetadata): Uint8Array =>
  encodeVersioned(GroupMetadataValue, GROUP_VERSION, {
    ...value,
    members: value.members.map(({ rebalanceTimeoutMs, sessionTimeoutMs, ...member }) => ({
      ...member,
      rebalanceTimeout: rebalanceTimeoutMs,
      sessionTimeout: sessionTimeoutMs
    }))
  })

/**
 * undefined: a record of another kind (a share or streams group), which is none of this coordinator's business.
 * Throws `ProtocolError` when the bytes are not what their type says. Byte fields are copies.
 */
export const decodeGroupRecord = (key: Uint8Array, value: Uint8Array | null): GroupRecord | undefined => {
  const type = keyType(key)
  switch (type) {
    case LEGACY_OFFSET_KEY:
    case OFFSET_KEY: {
      const { group, topic, partition } = decodeKey(OffsetCommitKey, key)
      const decoded = value === null ? null : decodeVersioned(OffsetCommitValue, value)
      return { _tag: "Offset", groupId: group, topic, partition, value: decoded }
    }
    case GROUP_KEY: {
      const { group } = decodeKey(GroupMetadataKey, key)
      return { _tag: "GroupMetadata", groupId: group, value: value === null ? null : decodeGroup(value) }
    }
    default:
      return decodeConsumerRecord(type, key, value)
  }
}

const decodeGroup = (bytes: Uint8Array): GroupMetadata => {
  const value = decodeVersioned(GroupMetadataValue, bytes)
  return {
    ...value,
    members: value.members.map(({ rebalanceTimeout, sessionTimeout, subscription, assignment, ...member }) => ({
      ...member,
      rebalanceTimeoutMs: rebalanceTimeout,
      sessionTimeoutMs: sessionTimeout,
      subscription: new Uint8Array(subscription),
      assignment: new Uint8Array(assignment)
    }))
  }
}
