/**
 * Records that Apache Kafka 4.3.1 wrote into `__consumer_offsets` and `__transaction_state`: understood to the last
 * byte, and made again unchanged. Made by test/conformance/recordGoldenRecords.ts.
 */
import { readFileSync } from "node:fs"
import type { Message } from "@chronik-effect/core/protocol/Descriptor.ts"
import * as ConsumerGroup from "@chronik-effect/core/protocol/records/ConsumerGroupRecords.ts"
import {
  ConsumerProtocolAssignment,
  ConsumerProtocolSubscription
} from "@chronik-effect/core/protocol/records/ConsumerProtocol.ts"
import {
  decodeKey,
  decodeVersioned,
  encodeKey,
  encodeVersioned,
  keyType
} from "@chronik-effect/core/protocol/records/CoordinatorRecord.ts"
import { GroupMetadataKey, GroupMetadataValue } from "@chronik-effect/core/protocol/records/GroupMetadata.ts"
import { OffsetCommitKey, OffsetCommitValue } from "@chronik-effect/core/protocol/records/OffsetCommit.ts"
import { TransactionLogKey, TransactionLogValue } from "@chronik-effect/core/protocol/records/TransactionLog.ts"
import { expect, test } from "vitest"

type Schema = readonly [key: Message<unknown>, value: Message<unknown>]

const schemas: Readonly<Record<string, ReadonlyMap<number, Schema>>> = {
  __transaction_state: new Map([[0, [TransactionLogKey, TransactionLogValue]]]),
  __consumer_offsets: new Map<number, Schema>([
    [1, [OffsetCommitKey, OffsetCommitValue]],
    [2, [GroupMetadataKey, GroupMetadataValue]],
    [3, [ConsumerGroup.ConsumerGroupMetadataKey, ConsumerGroup.ConsumerGroupMetadataValue]],
    [5, [ConsumerGroup.ConsumerGroupMemberMetadataKey, ConsumerGroup.ConsumerGroupMemberMetadataValue]],
    [
      6,
      [ConsumerGroup.ConsumerGroupTargetAssignmentMetadataKey, ConsumerGroup.ConsumerGroupTargetAssignmentMetadataValue]
    ],
    [7, [ConsumerGroup.ConsumerGroupTargetAssignmentMemberKey, ConsumerGroup.ConsumerGroupTargetAssignmentMemberValue]],
    [
      8,
      [ConsumerGroup.ConsumerGroupCurrentMemberAssignmentKey, ConsumerGroup.ConsumerGroupCurrentMemberAssignmentValue]
    ]
  ])
}

interface GoldenRecord {
  readonly topic: string
  readonly key: string
  readonly value: string
}

const records = (
  JSON.parse(readFileSync(new URL("../golden/records/kafka.json", import.meta.url), "utf8")) as Array<GoldenRecord>
).map(({ topic, key, value }) => {
  const keyBytes = Buffer.from(key, "base64")
  return { topic, type: keyType(keyBytes), keyBytes, valueBytes: Buffer.from(value, "base64") }
})

const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString("base64")

test.each(records)("$topic key type $type", ({ topic, type, keyBytes, valueBytes }) => {
  const [keyMessage, valueMessage] = schemas[topic]!.get(type)!
  expect(base64(encodeKey(type, keyMessage, decodeKey(keyMessage, keyBytes) as object))).toBe(base64(keyBytes))
  const value = decodeVersioned(valueMessage, valueBytes) as object
  expect(base64(encodeVersioned(valueMessage, valueBytes.readInt16BE(0), value))).toBe(base64(valueBytes))
})

const members = records
  .filter(({ topic, type }) => topic === "__consumer_offsets" && type === 2)
  .flatMap(({ valueBytes }) => decodeVersioned(GroupMetadataValue, valueBytes).members)

test("what the clients of those groups said to each other", () => {
  expect(members.length).toBeGreaterThan(0)
  for (const { subscription, assignment } of members) {
    const said = decodeVersioned(ConsumerProtocolSubscription, subscription)
    expect(said.topics.length).toBeGreaterThan(0)
    const version = Buffer.from(subscription).readInt16BE(0)
    expect(base64(encodeVersioned(ConsumerProtocolSubscription, version, said))).toBe(base64(subscription))
    if (assignment.length === 0) continue
    const given = decodeVersioned(ConsumerProtocolAssignment, assignment)
    const givenVersion = Buffer.from(assignment).readInt16BE(0)
    expect(base64(encodeVersioned(ConsumerProtocolAssignment, givenVersion, given))).toBe(base64(assignment))
  }
})
