import { AssertionError } from "@chronik-effect/core/base/Assert.ts"
import {
  decodeRequest,
  decodeResponse,
  encodeRequestFrame,
  encodeResponseFrame
} from "@chronik-effect/core/protocol/Frame.ts"
import { ProduceApi } from "@chronik-effect/core/protocol/messages/00_Produce.ts"
import { SaslHandshakeApi } from "@chronik-effect/core/protocol/messages/17_SaslHandshake.ts"
import { ApiVersionsApi } from "@chronik-effect/core/protocol/messages/18_ApiVersions.ts"
import { InitProducerIdApi } from "@chronik-effect/core/protocol/messages/22_InitProducerId.ts"
import { OffsetDeleteApi } from "@chronik-effect/core/protocol/messages/47_OffsetDelete.ts"
import { ProtocolError } from "@chronik-effect/core/protocol/ProtocolError.ts"
import { Reader } from "@chronik-effect/core/protocol/Reader.ts"
import { decodeRequestHeader } from "@chronik-effect/core/protocol/RequestHeader.ts"
import { describe, expect, test } from "vitest"

const whole = (parts: ReadonlyArray<Uint8Array>): Buffer => Buffer.concat(parts)

describe("frames", () => {
  test("begin with their own length, records included", () => {
    const records = new Uint8Array(1000)
    const topicData = [{ name: "t", partitionData: [{ index: 0, records }] }]
    const frame = whole(encodeRequestFrame(ProduceApi, 9, 1, "c", { topicData }))
    expect(frame.readInt32BE(0)).toBe(frame.length - 4)
    const { header, api, value } = decodeRequest(frame, 4, frame.length)
    expect(header).toMatchObject({ apiKey: 0, apiVersion: 9, correlationId: 1, clientId: "c" })
    expect(api).toBe(ProduceApi)
    expect(value).toMatchObject({ acks: 0, topicData: [{ name: "t" }] })
  })

  test("a value that cannot be encoded leaves nothing behind for the next frame", () => {
    const good = { throttleTimeMs: 1 }
    const before = whole(encodeResponseFrame(ProduceApi, 9, 1, good))
    const bad = { responses: [{ partitionResponses: [{ index: 2 ** 40 }] }] }
    expect(() => encodeResponseFrame(ProduceApi, 9, 1, bad)).toThrow(AssertionError)
    expect(whole(encodeResponseFrame(ProduceApi, 9, 1, good))).toEqual(before)
  })

  test("bytes behind the body are tolerated", () => {
    const frame = Buffer.concat([...encodeRequestFrame(ApiVersionsApi, 0, 3, null, {}), Buffer.from([1, 2])])
    expect(decodeRequest(frame, 4, frame.length).header.correlationId).toBe(3)
  })

  test("of an API or version that is not spoken are refused without a look at the body", () => {
    const produce2 = Buffer.from("00000002000000070001635858", "hex")
    expect(() => decodeRequest(produce2, 0, produce2.length)).toThrow(ProtocolError)
    const gone = Buffer.from("0004000700000007ffff", "hex")
    expect(() => decodeRequest(gone, 0, gone.length)).toThrow(ProtocolError)
  })
})

describe("headers", () => {
  const headerLength = (frame: Buffer, body: number): number => frame.length - 4 - body

  test("the client id has a classic length in flexible versions too", () => {
    const frame = whole(encodeRequestFrame(ProduceApi, 9, 1, "ab", {}))
    expect(frame.subarray(12, 17).toString("hex")).toBe("0002616200")
  })

  test("answers of flexible versions have a tag section, but those of ApiVersions never", () => {
    const produce = whole(encodeResponseFrame(ProduceApi, 9, 5, {}))
    expect(headerLength(produce, 1 + 4 + 1)).toBe(5)
    const versions = whole(encodeResponseFrame(ApiVersionsApi, 3, 5, {}))
    expect(headerLength(versions, 2 + 1 + 4 + 1)).toBe(4)
    expect(decodeResponse(ApiVersionsApi, 3, versions, 4, versions.length).correlationId).toBe(5)
  })

  test("SaslHandshake and OffsetDelete are never flexible", () => {
    for (const api of [SaslHandshakeApi, OffsetDeleteApi]) {
      expect(api.requestHeaderVersion(api.maxVersion)).toBe(1)
      expect(api.responseHeaderVersion(api.maxVersion)).toBe(0)
      expect(api.flexibleFrom).toBe(undefined)
    }
  })

  test("of an unknown ApiVersions version is read as far as the client id", () => {
    const reader = new Reader(Buffer.from("0012006300000009000161ffffff", "hex"))
    const header = decodeRequestHeader(reader)
    expect(header).toEqual({ apiKey: 18, apiVersion: 99, correlationId: 9, clientId: "a", api: undefined })
    expect(reader.remaining).toBe(3)
  })
})

describe("the table of APIs", () => {
  test("Produce is advertised from 0 and served from 3 on", () => {
    expect(ProduceApi.minVersion).toBe(0)
    expect([2, 3, 13, 14].map(ProduceApi.serves)).toEqual([false, true, true, false])
  })

  test("the unstable version of InitProducerId is neither advertised nor served", () => {
    expect(InitProducerIdApi.maxVersion).toBe(5)
    expect(InitProducerIdApi.serves(6)).toBe(false)
  })
})
