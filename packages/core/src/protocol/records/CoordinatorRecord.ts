/**
 * The envelope of versioned data inside records and opaque bytes.
 *
 * ```text
 * key    type int16, fields     (which schema; a key has one version for ever)
 * value  version int16, fields
 * ```
 * Consumer protocol data and control records have the same form as a value. The bytes given out are of their own,
 * small, and belong to the caller.
 */
import { assert } from "../../base/Assert.ts"
import { includes, type Message, type Partially } from "../Descriptor.ts"
import { codecOf } from "../Message.ts"
import { ProtocolError } from "../ProtocolError.ts"
import { Reader } from "../Reader.ts"
import { Writer } from "../Writer.ts"

const writer = new Writer(4096)

const encodeBehind = <A>(int16: number, message: Message<A>, version: number, value: Partially<A>): Uint8Array => {
  writer.reset()
  writer.int16(int16)
  codecOf(message, version).encode(writer, value)
  return writer.finishBytes().slice()
}

/** Key of a record: its type, then the fields in version 0. */
export const encodeKey = <A>(type: number, message: Message<A>, value: Partially<A>): Uint8Array =>
  encodeBehind(type, message, 0, value)

/** Type of a key, by which the caller chooses the schema for `decodeKey`. */
export const keyType = (bytes: Uint8Array): number => new Reader(bytes).int16()

export const decodeKey = <A>(message: Message<A>, bytes: Uint8Array): A => {
  const reader = new Reader(bytes)
  reader.int16()
  return codecOf(message, 0).decode(reader)
}

/** Value of a record: its version, then the fields in that version. */
export const encodeVersioned = <A>(message: Message<A>, version: number, value: Partially<A>): Uint8Array => {
  assert(includes(message.versions, version), `${message.name} has no version ${version}`)
  return encodeBehind(version, message, version, value)
}

/** Throws `ProtocolError` for a version that is not known. */
export const decodeVersioned = <A>(message: Message<A>, bytes: Uint8Array): A => {
  const reader = new Reader(bytes)
  const version = reader.int16()
  if (!includes(message.versions, version)) throw new ProtocolError(`${message.name} has no version ${version}`)
  return codecOf(message, version).decode(reader)
}

/** For data whose newer versions only add at the end: a version beyond ours is read as our newest. */
export const decodeVersionedLenient = <A>(message: Message<A>, bytes: Uint8Array): A => {
  const reader = new Reader(bytes)
  const version = Math.min(reader.int16(), message.versions.last)
  if (!includes(message.versions, version)) throw new ProtocolError(`${message.name} has no version ${version}`)
  return codecOf(message, version).decode(reader)
}
