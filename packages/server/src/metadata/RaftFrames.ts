/**
 * Payloads of the WAL frames in which Raft keeps its log and its hard state. Both are on stream 0.
 *
 * ```
 *   Metadata   index u64   term u64   kind u8 (`EntryKind`)   the entry's payload
 *   Vote       term u64    voted u8   node u32   directory id, UTF-8, up to the end of the frame
 * ```
 * Little-endian. Checksums and lengths are the WAL's. The last Vote frame counts; a Metadata frame replaces whatever an earlier
 * one holds at its index and beyond it. Deliberately not here: where frames go, and when.
 */
import { assert } from "@chronik-effect/core/base/Assert.ts"
import { utf8Text } from "@chronik-effect/core/base/Bytes.ts"
import { type Entry, EntryKind, type HardState } from "@chronik-effect/core/raft/Entry.ts"

/** The stream number of the metadata log's frames in the WAL. */
export const METADATA_STREAM = 0

/** What a frame of kind Metadata holds before the entry's payload. */
export const ENTRY_HEADER_BYTES = 17

const VOTE_HEADER_BYTES = 13
const TWO_32 = 2 ** 32

export const entryFrameBytes = (entry: Entry): number => ENTRY_HEADER_BYTES + entry.payload.length

export const writeEntryFrame = (into: Uint8Array, at: number, entry: Entry): void => {
  writeUint64(into, at, entry.index)
  writeUint64(into, at + 8, entry.term)
  into[at + 16] = entry.kind
  into.set(entry.payload, at + ENTRY_HEADER_BYTES)
}

/** The payload is a copy: the bytes of a recovered frame live only as long as the visit. */
export const readEntryFrame = (bytes: Uint8Array, at: number, length: number): Entry => {
  assert(length >= ENTRY_HEADER_BYTES, "a frame of the metadata log holds an index, a term and a kind")
  return {
    index: readUint64(bytes, at),
    term: readUint64(bytes, at + 8),
    kind: entryKind(bytes[at + 16]!),
    payload: bytes.slice(at + ENTRY_HEADER_BYTES, at + length)
  }
}

const entryKind = (kind: number): EntryKind => {
  assert(
    kind === EntryKind.Noop || kind === EntryKind.Command || kind === EntryKind.Configuration,
    `an entry of the metadata log has a kind that is known, not ${kind}`
  )
  return kind
}

export const encodeHardState = ({ term, vote }: HardState): Uint8Array => {
  const directoryId = new TextEncoder().encode(vote?.directoryId ?? "")
  const bytes = new Uint8Array(VOTE_HEADER_BYTES + directoryId.length)
  writeUint64(bytes, 0, term)
  bytes[8] = vote === null ? 0 : 1
  writeUint32(bytes, 9, vote?.node ?? 0)
  bytes.set(directoryId, VOTE_HEADER_BYTES)
  return bytes
}

export const readVoteFrame = (bytes: Uint8Array, at: number, length: number): HardState => {
  assert(length >= VOTE_HEADER_BYTES, "a vote in the log holds a term and a node")
  const term = readUint64(bytes, at)
  if (bytes[at + 8] === 0) return { term, vote: null }
  const directoryId = utf8Text(bytes.subarray(at + VOTE_HEADER_BYTES, at + length))
  return { term, vote: { node: readUint32(bytes, at + 9), directoryId } }
}

const writeUint32 = (into: Uint8Array, at: number, value: number): void => {
  into[at] = value
  into[at + 1] = value >>> 8
  into[at + 2] = value >>> 16
  into[at + 3] = value >>> 24
}

const readUint32 = (bytes: Uint8Array, at: number): number =>
  (bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)) >>> 0

const writeUint64 = (into: Uint8Array, at: number, value: number): void => {
  assert(Number.isSafeInteger(value) && value >= 0, "indexes and terms are safe integers")
  writeUint32(into, at, value % TWO_32)
  writeUint32(into, at + 4, Math.floor(value / TWO_32))
}

const readUint64 = (bytes: Uint8Array, at: number): number => readUint32(bytes, at) + readUint32(bytes, at + 4) * TWO_32
