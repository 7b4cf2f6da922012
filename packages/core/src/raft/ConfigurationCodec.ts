/**
 * A configuration as the payload of a log entry.
 *
 * ```
 * uint8   version, 0
 * varint  number of voters,   then each: varint node, varint length, directory id in UTF-8
 * varint  number of learners, then each the same
 * ```
 * Unsigned varints. The order of members is kept: it is part of the configuration's bytes on every node.
 */
import { assert } from "../base/Assert.ts"
import { utf8Bytes, utf8Text } from "../base/Bytes.ts"
import { readUnsignedVarint, unsignedVarintSize, type VarintCursor, writeUnsignedVarint } from "../base/Varint.ts"
import type { Configuration, Member } from "./Entry.ts"

const VERSION = 0

/** Voters and learners together. Far above any sensible cluster; keeps every list by member bounded. */
export const MEMBERS_MAX = 256

export function encodeConfiguration(configuration: Configuration): Uint8Array {
  const { voters, learners } = configuration
  const ids = [...voters, ...learners].map((member) => utf8Bytes(member.directoryId))
  let size = 1 + unsignedVarintSize(voters.length) + unsignedVarintSize(learners.length)
  for (const [at, member] of [...voters, ...learners].entries()) {
    assert(
      Number.isInteger(member.node) && member.node >= 0 && member.node < 2 ** 31,
      "a node id must be an int32 >= 0"
    )
    size += unsignedVarintSize(member.node) + unsignedVarintSize(ids[at]!.length) + ids[at]!.length
  }
  const bytes = new Uint8Array(size)
  bytes[0] = VERSION
  let pos = writeMembers(bytes, 1, voters, ids, 0)
  pos = writeMembers(bytes, pos, learners, ids, voters.length)
  assert(pos === size, "an encoded configuration must fill its bytes")
  return bytes
}

function writeMembers(
  bytes: Uint8Array,
  start: number,
  members: ReadonlyArray<Member>,
  ids: ReadonlyArray<Uint8Array>,
  firstId: number
): number {
  let pos = writeUnsignedVarint(bytes, start, members.length)
  for (const [at, member] of members.entries()) {
    const id = ids[firstId + at]!
    pos = writeUnsignedVarint(bytes, pos, member.node)
    pos = writeUnsignedVarint(bytes, pos, id.length)
    bytes.set(id, pos)
    pos += id.length
  }
  return pos
}

/** Undefined when the bytes are not a configuration: unknown version, cut off, too many members, or bytes left over. */
export function decodeConfiguration(bytes: Uint8Array): Configuration | undefined {
  if (bytes.length < 1 || bytes[0] !== VERSION) return undefined
  const cursor: VarintCursor = { bytes, pos: 1, end: bytes.length }
  const voters = readMembers(cursor)
  const learners = voters === undefined ? undefined : readMembers(cursor)
  if (voters === undefined || learners === undefined || cursor.pos !== bytes.length) return undefined
  return { voters, learners }
}

function readMembers(cursor: VarintCursor): ReadonlyArray<Member> | undefined {
  const count = readUnsignedVarint(cursor)
  if (!(count <= MEMBERS_MAX)) return undefined
  const members: Array<Member> = []
  for (let i = 0; i < count; i++) {
    const node = readUnsignedVarint(cursor)
    const length = readUnsignedVarint(cursor)
    if (!(node < 2 ** 31) || !(length <= cursor.end - cursor.pos)) return undefined
    members.push({ node, directoryId: utf8Text(cursor.bytes, cursor.pos, cursor.pos + length) })
    cursor.pos += length
  }
  return members
}
