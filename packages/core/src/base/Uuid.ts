/**
 * Uuids in Kafka's text form: 16 bytes as 22 characters of base64url without padding.
 *
 * A uuid is a `string` everywhere above the codec, so that it can key a map; this module is the only place that knows its
 * bytes. Randomness is an argument. Zero means "none".
 */
import { assert } from "./Assert.ts"

export const ZERO_UUID = "AAAAAAAAAAAAAAAAAAAAAA"

const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
const CODES = Uint8Array.from(ALPHABET, (character) => character.charCodeAt(0))
const VALUES = new Int8Array(128).fill(-1)
for (let i = 0; i < 64; i++) VALUES[CODES[i]!] = i

const DASH = 62

export function uuidFromBytes(bytes: Uint8Array, pos: number): string {
  let text = ""
  for (let i = 0; i < 15; i += 3) {
    const group = (bytes[pos + i]! << 16) | (bytes[pos + i + 1]! << 8) | bytes[pos + i + 2]!
    text +=
      ALPHABET[group >>> 18]! + ALPHABET[(group >>> 12) & 63]! + ALPHABET[(group >>> 6) & 63]! + ALPHABET[group & 63]!
  }
  const last = bytes[pos + 15]!
  return text + ALPHABET[last >>> 2]! + ALPHABET[(last & 3) << 4]!
}

/** `uuid` must satisfy `isUuid`: text from outside is tested before it comes here. */
export function uuidToBytes(uuid: string, into: Uint8Array, pos: number): void {
  assert(isUuid(uuid), `"${uuid}" is not a uuid of 22 base64url characters`)
  for (let i = 0, at = pos; i < 20; i += 4, at += 3) {
    const group =
      (valueAt(uuid, i) << 18) | (valueAt(uuid, i + 1) << 12) | (valueAt(uuid, i + 2) << 6) | valueAt(uuid, i + 3)
    into[at] = group >>> 16
    into[at + 1] = group >>> 8
    into[at + 2] = group
  }
  into[pos + 15] = (valueAt(uuid, 20) << 2) | (valueAt(uuid, 21) >>> 4)
}

/** Whether `text` is the one canonical text of some 16 bytes. */
export function isUuid(text: string): boolean {
  if (text.length !== 22) return false
  for (let i = 0; i < 22; i++) if (valueAt(text, i) < 0) return false
  return (valueAt(text, 21) & 15) === 0
}

/**
 * A random (version 4) uuid of 16 random bytes, which are not changed. Never begins with "-", which Kafka's command-line
 * tools would take for an option, and never a reserved one (the version bits are set).
 */
export function makeUuid(random16: Uint8Array): string {
  assert(random16.length === 16, "a uuid needs 16 random bytes")
  const bytes = Uint8Array.from(random16)
  bytes[6] = (bytes[6]! & 0x0f) | 0x40
  bytes[8] = (bytes[8]! & 0x3f) | 0x80
  if (bytes[0]! >>> 2 === DASH) bytes[0] = bytes[0]! ^ 0x80
  return uuidFromBytes(bytes, 0)
}

function valueAt(text: string, index: number): number {
  const code = text.charCodeAt(index)
  return code < 128 ? VALUES[code]! : -1
}
