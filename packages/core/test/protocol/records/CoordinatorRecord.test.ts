import { ProtocolError } from "@chronik-effect/core/protocol/ProtocolError.ts"
import {
  ConsumerProtocolAssignment,
  ConsumerProtocolSubscription
} from "@chronik-effect/core/protocol/records/ConsumerProtocol.ts"
import {
  decodeKey,
  decodeVersioned,
  decodeVersionedLenient,
  encodeKey,
  encodeVersioned,
  keyType
} from "@chronik-effect/core/protocol/records/CoordinatorRecord.ts"
import { OffsetCommitKey, OffsetCommitValue } from "@chronik-effect/core/protocol/records/OffsetCommit.ts"
import { expect, test } from "vitest"

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex")

test("a key has its type in front", () => {
  const key = encodeKey(1, OffsetCommitKey, { group: "g", topic: "t", partition: 3 })
  expect(hex(key)).toBe("0001" + "000167" + "000174" + "00000003")
  expect(keyType(key)).toBe(1)
  expect(decodeKey(OffsetCommitKey, key)).toEqual({ group: "g", topic: "t", partition: 3 })
})

test("a value has its version in front, and an unknown version is refused", () => {
  const value = encodeVersioned(OffsetCommitValue, 3, { offset: 9, leaderEpoch: 2, metadata: "m", commitTimestamp: 5 })
  expect(hex(value)).toBe("0003" + "0000000000000009" + "00000002" + "00016d" + "0000000000000005")
  expect(decodeVersioned(OffsetCommitValue, value)).toMatchObject({ offset: 9, leaderEpoch: 2, expireTimestamp: -1 })
  value[1] = 9
  expect(() => decodeVersioned(OffsetCommitValue, value)).toThrow(ProtocolError)
})

test("what one call gives out is not touched by the next", () => {
  const first = encodeVersioned(OffsetCommitValue, 3, { metadata: "first" })
  const copy = hex(first)
  encodeVersioned(OffsetCommitValue, 3, { metadata: "other" })
  expect(hex(first)).toBe(copy)
  expect(first.buffer.byteLength).toBe(first.length)
})

test("consumer protocol data of a newer version is read as our newest, with what follows left alone", () => {
  const bytes = encodeVersioned(ConsumerProtocolSubscription, 3, { topics: ["a"], generationId: 4, rackId: "r" })
  bytes[1] = 8
  const newer = Uint8Array.from([...bytes, 1, 2, 3])
  expect(decodeVersionedLenient(ConsumerProtocolSubscription, newer)).toMatchObject({ topics: ["a"], rackId: "r" })
  expect(() => decodeVersionedLenient(ConsumerProtocolAssignment, Uint8Array.of(0xff, 0xff))).toThrow(ProtocolError)
})
