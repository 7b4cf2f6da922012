/**
 * XXH32 with seed 0: the checksum inside LZ4 frames. Not a CRC and not for anything else.
 */

const PRIME_1 = 0x9e37_79b1
const PRIME_2 = 0x85eb_ca77
const PRIME_3 = 0xc2b2_ae3d
const PRIME_4 = 0x27d4_eb2f
const PRIME_5 = 0x1656_67b1

/** XXH32 of `bytes[start, end)` as an unsigned number. */
export function xxHash32(bytes: Uint8Array, start: number, end: number): number {
  let pos = start
  let hash: number
  if (end - start >= 16) {
    let a = (PRIME_1 + PRIME_2) | 0
    let b = PRIME_2 | 0
    let c = 0
    let d = -PRIME_1 | 0
    for (const last = end - 16; pos <= last; pos += 16) {
      a = mix(a, word(bytes, pos))
      b = mix(b, word(bytes, pos + 4))
      c = mix(c, word(bytes, pos + 8))
      d = mix(d, word(bytes, pos + 12))
    }
    hash = rotate(a, 1) + rotate(b, 7) + rotate(c, 12) + rotate(d, 18)
  } else hash = PRIME_5
  hash = (hash + end - start) | 0
  for (; pos + 4 <= end; pos += 4)
    hash = Math.imul(rotate((hash + Math.imul(word(bytes, pos), PRIME_3)) | 0, 17), PRIME_4)
  for (; pos < end; pos++) hash = Math.imul(rotate((hash + Math.imul(bytes[pos]!, PRIME_5)) | 0, 11), PRIME_1)
  hash = Math.imul(hash ^ (hash >>> 15), PRIME_2)
  hash = Math.imul(hash ^ (hash >>> 13), PRIME_3)
  return (hash ^ (hash >>> 16)) >>> 0
}

function mix(lane: number, input: number): number {
  return Math.imul(rotate((lane + Math.imul(input, PRIME_2)) | 0, 13), PRIME_1)
}

function rotate(value: number, bits: number): number {
  return (value << bits) | (value >>> (32 - bits))
}

function word(bytes: Uint8Array, pos: number): number {
  return bytes[pos]! | (bytes[pos + 1]! << 8) | (bytes[pos + 2]! << 16) | (bytes[pos + 3]! << 24)
}
