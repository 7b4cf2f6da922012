/**
 * Real bytes: what kcat, kafkajs, @platformatic/kafka and Java clients sent, and what Apache Kafka 4.3.1 answered to
 * them and to our own codec. Each must be understood to its last byte, and come out of our encoder unchanged.
 *
 * Made by test/conformance/recordGolden.ts.
 */
import { readdirSync, readFileSync } from "node:fs"
import { apis } from "@chronik-effect/core/protocol/ApiKeys.ts"
import { interpretedCodec } from "@chronik-effect/core/protocol/Interpreter.ts"
import { codecOf } from "@chronik-effect/core/protocol/Message.ts"
import { planOf } from "@chronik-effect/core/protocol/Plan.ts"
import { Reader } from "@chronik-effect/core/protocol/Reader.ts"
import {
  decodeRequestHeader,
  decodeResponseHeader,
  encodeRequestHeader,
  encodeResponseHeader
} from "@chronik-effect/core/protocol/RequestHeader.ts"
import { Writer } from "@chronik-effect/core/protocol/Writer.ts"
import { describe, expect, test } from "vitest"

interface Golden {
  readonly client: string
  readonly api: string
  readonly key: number
  readonly version: number
  readonly kind: "request" | "response"
  readonly base64: string
}

const folder = new URL("golden/", import.meta.url)
const frames = readdirSync(folder)
  .filter((file) => file.endsWith(".json"))
  .flatMap((file) => JSON.parse(readFileSync(new URL(file, folder), "utf8")) as Array<Golden>)

describe("golden frames", () => {
  test.each(frames)("$client $api $version $kind", ({ key, version, kind, base64 }) => {
    const bytes = Buffer.from(base64, "base64")
    const api = apis.get(key)!
    const reader = new Reader(bytes)
    const writer = new Writer()
    if (kind === "request") {
      const header = decodeRequestHeader(reader)
      expect(header.api).toBe(api)
      expect(header.apiVersion).toBe(version)
      encodeRequestHeader(writer, api, version, header.correlationId, header.clientId)
    } else encodeResponseHeader(writer, api, version, decodeResponseHeader(reader, api, version))
    const message = kind === "request" ? api.request : api.response
    const bodyStart = reader.pos
    const value = codecOf(message, version).decode(reader)
    expect(reader.remaining).toBe(0)
    codecOf(message, version).encode(writer, value as object)
    expect(Buffer.from(writer.finishBytes()).toString("hex")).toBe(bytes.toString("hex"))
    const interpreted = interpretedCodec(planOf(message, version)).decode(new Reader(bytes, bodyStart))
    expect(interpreted).toEqual(value)
  })

  test("come from every client, and from Kafka for every API that it offers on a plain listener", () => {
    expect(new Set(frames.map((frame) => frame.client))).toEqual(
      new Set(["java", "kafkajs", "kcat", "oracle", "platformatic"])
    )
    const answered = new Set(frames.filter(({ kind }) => kind === "response").map((frame) => frame.api))
    expect([...apis.values()].map((api) => api.name).filter((name) => !answered.has(name))).toEqual([])
  })
})
