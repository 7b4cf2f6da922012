import { crc32c, installCrc32c } from "@chronik-effect/core/base/Crc32c.ts"
import { Prng } from "@chronik-effect/core/base/Prng.ts"
import { afterEach, describe, expect, it } from "vitest"
import { installNativeCrc32c } from "../../src/io/Crc.ts"

afterEach(() => installCrc32c(undefined))

const bytes = new Prng(11).bytes(100_000)
const ranges = [
  [0, 100_000],
  [1, 99_999],
  [5000, 5600],
  [7, 20]
] as const
const crcs = () => ranges.map(([start, end]) => crc32c(bytes, start, end))

describe("native CRC-32C", () => {
  it("gives the same checksums as the WebAssembly", () => {
    const expected = crcs()
    const source = installNativeCrc32c()
    // The package is optional: where it is absent this only shows that the answer says so.
    if (source._tag === "WebAssembly") expect(source.reason).toContain("@node-rs/crc32")
    expect(crcs()).toEqual(expected)
  })

  it("is called with just the range", () => {
    const expected = crcs()
    const lengths: Array<number> = []
    installCrc32c(undefined)
    const load = () => ({
      crc32c: (range: Uint8Array) => {
        lengths.push(range.length)
        return referenceCrc(range)
      }
    })
    expect(installNativeCrc32c(load)).toEqual({ _tag: "Native" })
    lengths.length = 0
    expect(crcs()).toEqual(expected)
    expect(lengths).toEqual([100_000, 99_998, 600])
  })

  it("absent or unfit packages leave the WebAssembly in place and say why", () => {
    const expected = crcs()
    const missing = installNativeCrc32c(() => {
      throw new Error("Cannot find module '@node-rs/crc32'\nRequire stack: …")
    })
    expect(missing).toEqual({
      _tag: "WebAssembly",
      reason: "The optional package @node-rs/crc32 cannot be loaded: Cannot find module '@node-rs/crc32'"
    })
    expect(installNativeCrc32c(() => ({ crc32: () => 0 }))).toMatchObject({ _tag: "WebAssembly" })
    expect(installNativeCrc32c(() => null)).toMatchObject({ _tag: "WebAssembly" })
    expect(crcs()).toEqual(expected)
  })
})

function referenceCrc(range: Uint8Array): number {
  let crc = 0xffff_ffff
  for (const byte of range) {
    crc ^= byte
    for (let bit = 0; bit < 8; bit++) crc = (crc & 1) === 0 ? crc >>> 1 : (crc >>> 1) ^ 0x82f6_3b78
  }
  return (crc ^ 0xffff_ffff) >>> 0
}
