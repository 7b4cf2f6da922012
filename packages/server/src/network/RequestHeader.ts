/**
 * The header of a request, read in place.
 *
 * On the wire: apiKey i16, apiVersion i16, correlationId i32, clientId nullable string with an i16 length (never compact),
 * then, for versions known to be flexible, a tag section that is skipped. For a key or version that is not known nothing
 * after the client id is looked at: what becomes of such a request is the handler's decision (ApiVersions of a newer client
 * must be answered although its body cannot be read).
 */
import { readUnsignedVarint } from "@chronik-effect/core/base/Varint.ts"
import { apis } from "@chronik-effect/core/protocol/ApiKeys.ts"

const KEYS = 128
const NEVER = 0x7fff
/** Per key: first and last version that is decoded, and the first one with a tag section in its header. */
const firstVersion = new Int16Array(KEYS).fill(NEVER)
const lastVersion = new Int16Array(KEYS).fill(-1)
const flexibleFrom = new Int16Array(KEYS).fill(NEVER)
for (const [key, api] of apis) {
  for (let version = 0; version <= api.maxVersion; version++) {
    if (!api.serves(version)) continue
    firstVersion[key] = Math.min(firstVersion[key]!, version)
    lastVersion[key] = version
    if (api.requestHeaderVersion(version) === 2) flexibleFrom[key] = Math.min(flexibleFrom[key]!, version)
  }
}

const hasTags = (key: number, version: number): boolean =>
  key >= 0 &&
  key < KEYS &&
  version >= flexibleFrom[key]! &&
  version >= firstVersion[key]! &&
  version <= lastVersion[key]!

/**
 * Reads headers of one connection into its own fields: a client sends the same client id with each request, so the string
 * of the last one is used again while the bytes are equal.
 */
export class RequestHeader {
  apiKey = 0
  apiVersion = 0
  correlationId = 0
  clientId: string | null = null
  bodyStart = 0
  private clientIdBytes: Uint8Array = new Uint8Array(0)
  private clientIdText = ""

  /** Returns what is wrong with the header, or undefined when it was read. */
  read(bytes: Uint8Array, start: number, end: number): string | undefined {
    if (end - start < 10) return `its ${end - start} bytes are too few for a request header`
    this.apiKey = int16(bytes, start)
    this.apiVersion = int16(bytes, start + 2)
    this.correlationId =
      (bytes[start + 4]! << 24) | (bytes[start + 5]! << 16) | (bytes[start + 6]! << 8) | bytes[start + 7]!
    const length = int16(bytes, start + 8)
    let pos = start + 10
    if (length < -1 || length > end - pos) return `its client id claims ${length} bytes`
    if (length === -1) this.clientId = null
    else {
      this.readClientId(bytes, pos, length)
      pos += length
    }
    if (hasTags(this.apiKey, this.apiVersion)) {
      pos = afterTags(bytes, pos, end)
      if (pos < 0) return "its header's tag section is malformed"
    }
    this.bodyStart = pos
    return undefined
  }

  private readClientId(bytes: Uint8Array, pos: number, length: number): void {
    const known = this.clientIdBytes
    let same = known.length === length
    for (let i = 0; same && i < length; i++) same = known[i] === bytes[pos + i]
    if (!same) {
      this.clientIdBytes = bytes.slice(pos, pos + length)
      this.clientIdText = new TextDecoder().decode(this.clientIdBytes)
    }
    this.clientId = this.clientIdText
  }
}

function int16(bytes: Uint8Array, pos: number): number {
  return ((bytes[pos]! << 24) >> 16) | bytes[pos + 1]!
}

/** Position after the tag section, or -1 when it does not end before `end`. */
function afterTags(bytes: Uint8Array, pos: number, end: number): number {
  // Every client sends the empty section.
  if (pos < end && bytes[pos] === 0) return pos + 1
  const cursor = { bytes, pos, end }
  const count = readUnsignedVarint(cursor)
  for (let i = 0; i < count; i++) {
    const tag = readUnsignedVarint(cursor)
    const size = readUnsignedVarint(cursor)
    if (Number.isNaN(tag) || !(size <= end - cursor.pos)) return -1
    cursor.pos += size
  }
  return Number.isNaN(count) ? -1 : cursor.pos
}
