import { apis } from "@chronik-effect/core/protocol/ApiKeys.ts"
import fc from "fast-check"
import { expect, it } from "vitest"
import { RequestHeader } from "../../src/network/RequestHeader.ts"
import { requestFrame } from "./Harness.ts"

const read = (frame: Uint8Array, header = new RequestHeader()) => {
  const wrong = header.read(frame, 4, frame.length)
  return { ...header, wrong, body: frame.length - header.bodyStart }
}
/** Bytes of a scripted request's body. */
const BODY_BYTES = 6

it("reads key, version, correlation id and client id", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: -0x8000, max: 0x7fff }),
      fc.integer({ min: -0x8000, max: 0x7fff }),
      fc.integer({ min: -0x8000_0000, max: 0x7fff_ffff }),
      fc.option(fc.string({ unit: "grapheme", maxLength: 300 })),
      (apiKey, apiVersion, correlationId, clientId) => {
        const flexible =
          apis.get(apiKey)?.serves(apiVersion) && apis.get(apiKey)?.requestHeaderVersion(apiVersion) === 2
        const tags = new Uint8Array(flexible ? 1 : 0)
        const header = read(requestFrame(correlationId, 0, { apiKey, apiVersion, clientId, tags }))
        expect(header).toMatchObject({
          wrong: undefined,
          apiKey,
          apiVersion,
          correlationId,
          clientId,
          body: BODY_BYTES
        })
      }
    )
  )
})

it("skips the tag section exactly for the versions that have one", () => {
  const tags = new Uint8Array([2, 0, 1, 42, 0x81, 0x01, 3, 7, 7, 7])
  for (const [apiKey, api] of apis) {
    for (let apiVersion = 0; apiVersion <= api.maxVersion + 1; apiVersion++) {
      const frame = requestFrame(1, 0, { apiKey, apiVersion, tags })
      const skips = api.serves(apiVersion) && api.requestHeaderVersion(apiVersion) === 2
      expect(read(frame).body, `${api.name} ${apiVersion}`).toBe(BODY_BYTES + (skips ? 0 : tags.length))
    }
  }
})

it("looks at nothing behind the client id when the key or version is unknown", () => {
  const garbage = new Uint8Array([0xff, 0xff, 0xff, 0xff, 0xff, 0xff])
  for (const [apiKey, apiVersion] of [
    [18, 99],
    [9999, 3],
    [-1, 3],
    [0, -1],
    [4, 1]
  ] as const) {
    expect(read(requestFrame(1, 0, { apiKey, apiVersion, tags: garbage })).wrong).toBe(undefined)
  }
})

it("keeps client ids of one connection apart", () => {
  const header = new RequestHeader()
  const ids = ["a", "b", "a", "ab", null, "", "ab", "ä"]
  expect(ids.map((clientId) => read(requestFrame(1, 0, { clientId }), header).clientId)).toEqual(ids)
})

it("says what is wrong and never reads beyond the frame", () => {
  const frame = requestFrame(1, 0, { apiKey: 18, apiVersion: 3, tags: new Uint8Array([1, 0, 3, 1, 2, 3]) })
  const header = new RequestHeader()
  const headerEnd = frame.length - BODY_BYTES
  // Behind each cut lie the frame's true bytes: to read them would make the header complete.
  for (let end = 4; end < headerEnd; end++) expect(header.read(frame, 4, end), `cut at ${end}`).toBeTypeOf("string")
  expect(header.read(frame, 4, headerEnd)).toBe(undefined)
})
