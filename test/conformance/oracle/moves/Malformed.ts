/**
 * What is no request: APIs and versions that do not exist, bodies that do not parse. Kafka ends the connection.
 */
import { makeApi } from "@chronik-effect/core/protocol/Api.ts"
import { apis } from "@chronik-effect/core/protocol/ApiKeys.ts"
import { message } from "@chronik-effect/core/protocol/Descriptor.ts"
import { encodeRequestFrame } from "@chronik-effect/core/protocol/Frame.ts"
import { ApiVersionsApi } from "@chronik-effect/core/protocol/messages/18_ApiVersions.ts"
import { type Move, move } from "../Move.ts"
import { pruned, questionOf } from "../Questions.ts"
import type { World } from "../World.ts"

const nothing = (key: number) => {
  const empty = message("Nothing", { versions: "0+", flexible: "none" }, {})
  return makeApi(key, `Api${key}`, empty, empty)
}

const header = (key: number, version: number, body: Uint8Array = new Uint8Array(0)): Uint8Array => {
  const head = Buffer.alloc(14)
  head.writeInt32BE(10 + body.length, 0)
  head.writeInt16BE(key, 4)
  head.writeInt16BE(version, 6)
  head.writeInt32BE(7, 8)
  head.writeInt16BE(-1, 12)
  return Buffer.concat([head, body])
}

/** Keys that no broker has, and those of controllers. */
const unknownKey = async (world: World): Promise<void> => {
  const key = world.random.pick([4, 5, 6, 7, 52, 56, 58, 63, 95, 200, 999, -1, 32_767])
  await world.run.askRaw(nothing(key), 0, header(key, world.random.below(3)), `API key ${key}`)
}

const unknownVersion = async (world: World): Promise<void> => {
  const { random, run } = world
  const key = random.pick([...run.offered.keys()].filter((each) => each !== ApiVersionsApi.key))
  const api = apis.get(key)!
  const version = random.pick([-1, api.maxVersion + 1, api.maxVersion + 7, 32_767])
  await run.askRaw(api, version, header(key, version), `version ${version}`)
}

/** Answered in version 0, with the range that is served. */
const unknownApiVersions = async (world: World): Promise<void> => {
  const version = world.random.pick([6, 7, 99, 32_767])
  // Newer versions have a header with tags, whatever their body.
  const frame = header(ApiVersionsApi.key, version, new Uint8Array(1))
  await world.run.askRaw(ApiVersionsApi, version, frame, `version ${version}`)
}

const frameOf = (world: World) => {
  const { random, run } = world
  const [key] = random.pick([...run.offered])
  const api = apis.get(key)!
  const version = run.versionOf(api)
  const about = { topic: "unknown", groupId: "unknown-group", topicId: "kkkkkkkkTTTTTTTTaaaaaQ" }
  const value = pruned(api.request, version, questionOf(api.name, about, new Uint8Array(0)))
  return { api, version, frame: Buffer.concat(encodeRequestFrame(api, version, 7, "oracle", value as object)) }
}

/** A request that ends before its last field does. */
const cut = async (world: World): Promise<void> => {
  const { api, version, frame } = frameOf(world)
  const headBytes = 4 + 8 + 2 + "oracle".length + (api.requestHeaderVersion(version) === 2 ? 1 : 0)
  if (frame.length <= headBytes) return
  const short = frame.subarray(0, world.random.between(headBytes, frame.length - 1))
  short.writeInt32BE(short.length - 4, 0)
  await world.run.askRaw(api, version, short, `${short.length} of ${frame.length} bytes`)
}

/** Bytes behind the last field are nobody's. */
const long = async (world: World): Promise<void> => {
  const { api, version, frame } = frameOf(world)
  if (WAITS.has(api.name)) return
  const more = Buffer.concat([frame, world.random.bytes(world.random.between(1, 9))])
  more.writeInt32BE(more.length - 4, 0)
  await world.run.askRaw(api, version, more, "bytes behind the end")
}

/** These leave something behind, or wait. */
const WAITS: ReadonlySet<string> = new Set(["JoinGroup", "OffsetCommit", "ConsumerGroupHeartbeat", "Metadata"])

/** A frame length that none can have. */
const length = async (world: World): Promise<void> => {
  const frame = Buffer.alloc(8)
  frame.writeInt32BE(world.random.pick([-1, -2_147_483_648, 2_147_483_647, 200_000_000, 0]), 0)
  await world.run.askRaw(ApiVersionsApi, 0, frame, "an impossible length")
}

export const malformedMoves: ReadonlyArray<Move> = [
  move("an unknown API", [ApiVersionsApi], 2, unknownKey),
  move("an unknown version", [ApiVersionsApi], 2, unknownVersion),
  move("an unknown version of ApiVersions", [ApiVersionsApi], 1, unknownApiVersions),
  move("a request that is cut", [ApiVersionsApi], 3, cut),
  move("a request with more behind it", [ApiVersionsApi], 2, long),
  move("a length that cannot be", [ApiVersionsApi], 1, length)
]
