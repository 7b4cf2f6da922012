/**
 * Hostile bytes: only the connection that sent them pays. Beside every attack a well-behaved connection produces, fetches and
 * asks, and each of its answers must be right; at the end the node holds nothing of anybody.
 *
 * Random input comes from a seeded generator; a failure names the seed by being in this file.
 */

import { Prng } from "@chronik-effect/core/base/Prng.ts"
import { ErrorCode } from "@chronik-effect/core/model/ErrorCode.ts"
import type { Api } from "@chronik-effect/core/protocol/Api.ts"
import { apis } from "@chronik-effect/core/protocol/ApiKeys.ts"
import { encodeRequestFrame } from "@chronik-effect/core/protocol/Frame.ts"
import { ProduceApi } from "@chronik-effect/core/protocol/messages/00_Produce.ts"
import { FetchApi } from "@chronik-effect/core/protocol/messages/01_Fetch.ts"
import { MetadataApi } from "@chronik-effect/core/protocol/messages/03_Metadata.ts"
import { JoinGroupApi } from "@chronik-effect/core/protocol/messages/11_JoinGroup.ts"
import { SyncGroupApi } from "@chronik-effect/core/protocol/messages/14_SyncGroup.ts"
import { ApiVersionsApi } from "@chronik-effect/core/protocol/messages/18_ApiVersions.ts"
import fc from "fast-check"
import { afterAll, beforeAll, describe, expect, test } from "vitest"
import { valueArbitrary } from "../../packages/core/test/protocol/MessageArbitrary.ts"
import { expectNothingLeft, type OpenNode, openNode } from "./OpenNode.ts"
import { ConnectionClosed, Peer } from "./Peer.ts"
import { batchOf, createTopic, produce, produceRequest, type Topic } from "./Requests.ts"

let node: OpenNode
let good: Peer
let topic: Topic
/** APIs whose answer may be long in coming, or never (acks=0): all others must answer or close. */
const PARKING = new Set([ProduceApi.key, FetchApi.key, JoinGroupApi.key, SyncGroupApi.key])

beforeAll(async () => {
  node = await openNode()
  good = await Peer.connect(node.port)
  topic = await createTopic(good, "good")
})

afterAll(async () => {
  good[Symbol.dispose]()
  await node[Symbol.asyncDispose]()
})

/** Runs `attack` while a good connection works, and checks that it was served throughout and that nothing is left. */
const besideGoodWork = async (attack: () => Promise<void>): Promise<void> => {
  let attacking = true
  const work = async () => {
    let last = -1
    let rounds = 0
    while (attacking || rounds === 0) {
      rounds++
      const answers = [
        produce(good, topic, batchOf(["good"])),
        produce(good, topic, batchOf(["work"]), { version: 7 }),
        good.call(MetadataApi, 12, { topics: [{ name: topic.name }] })
      ] as const
      const [first, second, metadata] = await Promise.all(answers)
      expect([first.errorCode, second.errorCode]).toEqual([0, 0])
      if (last >= 0) expect(first.baseOffset).toBe(last + 1)
      expect(second.baseOffset).toBe(first.baseOffset + 1)
      last = second.baseOffset
      expect(metadata.topics[0]).toMatchObject({ errorCode: 0, name: topic.name })
    }
  }
  const working = work()
  try {
    await attack()
  } finally {
    attacking = false
  }
  await working
  await expectNothingLeft(node, 1)
}

const closedBy = async (...parts: ReadonlyArray<Uint8Array>): Promise<void> => {
  using peer = await Peer.connect(node.port)
  for (const part of parts) peer.send(part)
  await peer.closed
}

const int32 = (value: number) => {
  const bytes = Buffer.alloc(4)
  bytes.writeInt32BE(value)
  return bytes
}
const framed = (body: Uint8Array) => Buffer.concat([int32(body.length), body])
const header = (key: number, version: number, clientId: number | string, rest: Uint8Array = Buffer.alloc(0)) => {
  const bytes = Buffer.alloc(10)
  bytes.writeInt16BE(key, 0)
  bytes.writeInt16BE(version, 2)
  bytes.writeInt32BE(77, 4)
  bytes.writeInt16BE(typeof clientId === "number" ? clientId : clientId.length, 8)
  return Buffer.concat([bytes, Buffer.from(typeof clientId === "number" ? "" : clientId), rest])
}

describe("frames that cannot be", () => {
  const broken: ReadonlyArray<readonly [string, Uint8Array]> = [
    ["a length of -1", int32(-1)],
    ["the smallest length", int32(-(2 ** 31))],
    ["the largest length", int32(2 ** 31 - 1)],
    ["a byte more than socket.request.max.bytes", int32(104_857_601)],
    ["a length of 0", int32(0)],
    ["a frame shorter than a header", framed(Buffer.alloc(9))],
    ["a client id beyond the frame", framed(header(3, 1, 500))],
    ["a client id of length -2", framed(header(3, 1, -2))],
    ["an HTTP request", Buffer.from("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")],
    ["a TLS hello", Buffer.from("16030100f8010000f40303", "hex")],
    ["an API that does not exist", framed(header(999, 0, "x"))],
    ["a negative API key", framed(header(-1, 0, "x"))],
    ["an API that is not served here", framed(header(17, 1, "x"))],
    ["a version of Metadata that does not exist", framed(header(3, 99, "x"))],
    ["a negative version", framed(header(3, -1, "x"))],
    ["Produce version 2", framed(header(0, 2, "x"))],
    ["a tag section without end", framed(header(3, 12, "x", Buffer.from([0xff, 0xff, 0xff, 0xff, 0x0f])))],
    ["an array of 2^31-1 elements", framed(header(3, 1, "x", int32(2 ** 31 - 1)))],
    ["an array of -2 elements", framed(header(3, 1, "x", int32(-2)))],
    ["a compact array of 2^32-2 elements", framed(header(3, 12, "x", Buffer.from([0, 0xff, 0xff, 0xff, 0xff, 0x0f])))],
    ["a varint of six bytes", framed(header(3, 12, "x", Buffer.from([0, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01])))]
  ]
  test.each(broken)("%s closes", (_, bytes) => besideGoodWork(() => closedBy(bytes)))

  test("requests before the broken one are served, those behind it are not", async () => {
    using peer = await Peer.connect(node.port)
    const metadata = peer.call(MetadataApi, 9, { topics: [{ name: topic.name }] })
    peer.send(framed(header(3, 99, "x")))
    const behind = peer.call(MetadataApi, 9, { topics: [] })
    behind.catch(() => {})
    const first = await metadata.catch((error: unknown) => error)
    // The close may overtake an answer that is still being made, never give a wrong one.
    if (!(first instanceof ConnectionClosed)) expect(first).toMatchObject({ topics: [{ name: topic.name }] })
    await expect(behind).rejects.toThrow(ConnectionClosed)
  })
})

describe("ApiVersions", () => {
  test.each([5 + 1, 99, 32767, -1])(
    "of version %i answers in version 0 with error 35 and its own range",
    async (version) => {
      using peer = await Peer.connect(node.port)
      peer.send(framed(header(18, version, "x", Buffer.from("what nobody can read"))))
      const frame = await peer.frame()
      // correlation id, error code, one element: key, first and last version. No tags, no throttle time.
      expect(frame.length).toBe(4 + 2 + 4 + 6)
      expect(frame.readInt32BE(0)).toBe(77)
      expect(frame.readInt16BE(4)).toBe(ErrorCode.UNSUPPORTED_VERSION)
      expect(frame.readInt32BE(6)).toBe(1)
      expect([frame.readInt16BE(10), frame.readInt16BE(12), frame.readInt16BE(14)]).toEqual([
        ApiVersionsApi.key,
        ApiVersionsApi.minVersion,
        ApiVersionsApi.maxVersion
      ])
      // And the connection can be used on.
      expect(
        (await peer.call(ApiVersionsApi, 3, { clientSoftwareName: "a", clientSoftwareVersion: "1" })).errorCode
      ).toBe(0)
    }
  )

  test("a client without a proper name is refused in the version that it asked in", async () => {
    using peer = await Peer.connect(node.port)
    for (const name of ["", "-x", "x y", "x-", "ä"]) {
      const answer = await peer.call(ApiVersionsApi, 4, { clientSoftwareName: name, clientSoftwareVersion: "1.0" })
      expect(answer.errorCode).toBe(ErrorCode.INVALID_REQUEST)
    }
  })

  test("advertises exactly what is answered", async () => {
    const offered = (await good.call(ApiVersionsApi, 0, {})).apiKeys
    expect(offered.length).toBeGreaterThan(20)
    for (const [key, api] of apis) {
      if (offered.some((o) => o.apiKey === key)) continue
      await closedBy(framed(header(key, api.minVersion, "x")))
    }
  })
})

/** Cuts `bytes` into pieces that come one after another. */
const inPieces = (prng: Prng, bytes: Uint8Array): ReadonlyArray<Uint8Array> => {
  const pieces: Array<Uint8Array> = []
  for (let at = 0; at < bytes.length; ) {
    const length = prng.between(1, Math.max(1, bytes.length - at))
    pieces.push(bytes.subarray(at, at + length))
    at += length
  }
  return pieces
}

const randomLength = (prng: Prng): number => (prng.chance(0.02) ? prng.between(0, 300_000) : prng.between(0, 300))

/** One of the ways to be wrong. */
const hostile = (prng: Prng, valid: () => Buffer): Uint8Array => {
  switch (prng.below(7)) {
    case 0:
      return prng.bytes(randomLength(prng))
    case 1:
      return framed(prng.bytes(randomLength(prng)))
    case 2:
      return framed(
        header(prng.between(-2, 100), prng.between(-2, 20), prng.between(-3, 60), prng.bytes(randomLength(prng)))
      )
    case 3: {
      const bytes = valid()
      for (let flips = prng.between(1, 8); flips > 0; flips--) bytes[prng.below(bytes.length)]! ^= 1 << prng.below(8)
      return bytes
    }
    case 4:
      return valid().subarray(0, prng.below(60))
    case 5: {
      // A whole frame whose body ends early.
      const bytes = valid()
      return framed(bytes.subarray(4, Math.max(5, prng.below(bytes.length))))
    }
    default:
      return Buffer.concat([valid(), prng.bytes(prng.below(20)), valid()])
  }
}

describe("noise", () => {
  test.each([1, 2, 3, 4])("a thousand connections of it, seed %i", (seed) =>
    besideGoodWork(async () => {
      const prng = new Prng(seed)
      const valid = () =>
        Buffer.concat(
          prng.chance(0.5)
            ? encodeRequestFrame(
                ProduceApi,
                prng.between(3, 12),
                1,
                "noise",
                produceRequest({ name: "bad", topicId: "" }, batchOf(["x".repeat(prng.below(400))]))
              )
            : encodeRequestFrame(MetadataApi, prng.between(0, 13), 2, null, { topics: [] })
        )
      for (let round = 0; round < 20; round++) {
        const peers = await Promise.all(Array.from({ length: 50 }, () => Peer.connect(node.port)))
        for (const peer of peers) {
          for (let i = prng.below(5); i >= 0; i--) {
            for (const piece of inPieces(prng, hostile(prng, valid))) peer.send(piece)
          }
          if (prng.chance(0.3)) peer.reset()
          else peer.end()
        }
        await Promise.all(peers.map((peer) => peer.closed))
      }
    })
  )

  test("frames that are announced and never come hold next to nothing, and are handed back", () =>
    besideGoodWork(async () => {
      const peers = await Promise.all(Array.from({ length: 300 }, () => Peer.connect(node.port)))
      for (const peer of peers) {
        peer.send(int32(104_857_600))
        peer.send(Buffer.alloc(1000))
        await peer.flushed()
      }
      // 30 GB are announced; each may cost the room of one growing step.
      expect(node.listener.receivedBytesInUse()).toBeLessThan(300 * 256 * 1024)
      for (const peer of peers) peer.reset()
      await Promise.all(peers.map((peer) => peer.closed))
    }))
})

const served = async (): Promise<ReadonlyArray<Api>> => {
  const { apiKeys } = await good.call(ApiVersionsApi, 0, {})
  return apiKeys.map(({ apiKey }) => apis.get(apiKey)!)
}

const answeredOrClosed = async (api: Api, frame: Uint8Array): Promise<void> => {
  using peer = await Peer.connect(node.port)
  peer.send(frame)
  if (!PARKING.has(api.key))
    return Promise.race([
      peer.frame().then(
        () => undefined,
        () => undefined
      ),
      peer.closed
    ])
  peer.end()
  await peer.closed
}

describe("every served API at every version", () => {
  test("garbage for a body: answered or closed", () =>
    besideGoodWork(async () => {
      const prng = new Prng(7)
      for (const api of await served()) {
        for (let version = api.request.versions.first; version <= api.maxVersion; version++) {
          const tags = api.requestHeaderVersion(version) === 2 ? Buffer.from([0]) : Buffer.alloc(0)
          const bodies = [
            Buffer.alloc(0),
            Buffer.alloc(40),
            Buffer.alloc(40, 0xff),
            Buffer.alloc(40, 0x7f),
            Buffer.alloc(40, 0x01),
            prng.bytes(64),
            prng.bytes(300)
          ]
          await Promise.all(
            bodies.map((body) =>
              answeredOrClosed(api, framed(header(api.key, version, "x", Buffer.concat([tags, body]))))
            )
          )
        }
      }
    }))

  test("bodies that parse and mean nothing, whole, cut and flipped", () =>
    besideGoodWork(async () => {
      const prng = new Prng(8)
      for (const api of await served()) {
        for (let version = api.request.versions.first; version <= api.maxVersion; version++) {
          const values = fc.sample(valueArbitrary(api.request, version), { numRuns: 6, seed: 100 * api.key + version })
          const frames: Array<Uint8Array> = []
          for (const value of values) {
            const frame = Buffer.concat(encodeRequestFrame(api, version, 3, "x", value as never))
            const flipped = Buffer.from(frame)
            flipped[prng.between(12, frame.length - 1)]! ^= 1 << prng.below(8)
            frames.push(frame, flipped, framed(frame.subarray(4, prng.between(12, frame.length))))
          }
          await Promise.all(frames.map((frame) => answeredOrClosed(api, frame)))
        }
      }
    }))
})
