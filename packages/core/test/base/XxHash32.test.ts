import { describe, expect, it } from "vitest"
import { xxHash32 } from "../../src/base/XxHash32.ts"

const ascii = (text: string) => new TextEncoder().encode(text)

describe("xxHash32, seed 0", () => {
  // From the reference implementation (xxhsum -H0).
  it.each([
    ["", 0x02cc_5d05],
    ["a", 0x550d_7456],
    ["abc", 0x32d1_53ff],
    ["Nobody inspects the spammish repetition", 0xe229_3b2f]
  ])("%j", (text, hash) => {
    const bytes = ascii(text)
    expect(xxHash32(bytes, 0, bytes.length)).toBe(hash)
    const inside = ascii(`xyz${text}xyz`)
    expect(xxHash32(inside, 3, 3 + bytes.length)).toBe(hash)
  })
})
