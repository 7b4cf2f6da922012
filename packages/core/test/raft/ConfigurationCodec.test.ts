import fc from "fast-check"
import { expect, test } from "vitest"
import { decodeConfiguration, encodeConfiguration, MEMBERS_MAX } from "../../src/raft/ConfigurationCodec.ts"

const members = fc.array(
  fc.record({
    node: fc.integer({ min: 0, max: 2 ** 31 - 1 }),
    directoryId: fc.string({ unit: "grapheme", maxLength: 40 })
  }),
  { maxLength: 9 }
)
const configurations = fc.record({ voters: members, learners: members })

test("a configuration survives its bytes, and no prefix of them, nor anything behind them, is taken for one", () => {
  fc.assert(
    fc.property(configurations, (configuration) => {
      const bytes = encodeConfiguration(configuration)
      expect(decodeConfiguration(bytes)).toEqual(configuration)
      for (let length = 0; length < bytes.length; length++) {
        expect(decodeConfiguration(bytes.subarray(0, length))).toBeUndefined()
      }
      expect(decodeConfiguration(Uint8Array.of(...bytes, 0))).toBeUndefined()
    }),
    { numRuns: 100 }
  )
})

test("any bytes give a configuration or undefined", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 30 }), (bytes) => {
      const decoded = decodeConfiguration(bytes)
      if (decoded !== undefined) expect(decoded.voters.length).toBeLessThanOrEqual(MEMBERS_MAX)
    })
  )
})

test("the bytes are fixed", () => {
  const configuration = { voters: [{ node: 300, directoryId: "ab" }], learners: [{ node: 1, directoryId: "" }] }
  expect([...encodeConfiguration(configuration)]).toEqual([0, 1, 0xac, 2, 2, 97, 98, 1, 1, 0])
  expect(decodeConfiguration(Uint8Array.of(1, 0, 0))).toBeUndefined()
})
