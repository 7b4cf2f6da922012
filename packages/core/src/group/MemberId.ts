/** The unique part of a member id, in the form that Kafka gives it: a version 4 UUID in hexadecimal groups. */
import { assert } from "../base/Assert.ts"

export const memberUuid = (random16: Uint8Array): string => {
  assert(random16.length === 16, "a uuid needs 16 random bytes")
  let hex = ""
  for (let i = 0; i < 16; i++) {
    const byte = i === 6 ? (random16[6]! & 0x0f) | 0x40 : i === 8 ? (random16[8]! & 0x3f) | 0x80 : random16[i]!
    hex += byte.toString(16).padStart(2, "0")
    if (i === 3 || i === 5 || i === 7 || i === 9) hex += "-"
  }
  return hex
}
