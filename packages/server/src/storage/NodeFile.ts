/**
 * `node.json` in the data directory: who this directory belongs to.
 *
 * `{ format, clusterId, nodeId, directoryId, incarnation }`. The directory id is random, made when the directory is formatted;
 * the incarnation counts its starts and is on disk, one higher, before the node does anything that others can see. The file
 * is replaced as a whole, so that a crash leaves the old or the new one.
 *
 * It deliberately never repairs: a file that cannot be read, or of an unknown format, or of another node is refused with a
 * sentence, since a directory that is taken for an empty one would forget what the node has promised.
 */
import { makeUuid } from "@chronik-effect/core/base/Uuid.ts"
import { Data, Effect, Random, Schema } from "effect"
import { Disk, DiskError, readWhole, writeWhole } from "../io/Disk.ts"

export const FORMAT = 2
export const NODE_FILE = "node.json"

const NodeFileSchema = Schema.Struct({
  format: Schema.Int,
  clusterId: Schema.String,
  nodeId: Schema.Int,
  directoryId: Schema.String,
  incarnation: Schema.Int
})
export type NodeFile = typeof NodeFileSchema.Type

export class NodeFileRefused extends Data.TaggedError("NodeFileRefused")<{
  readonly path: string
  readonly reason: string
}> {
  override get message() {
    return `The data directory cannot be used because of ${this.path}: ${this.reason}`
  }
}

export interface NodeIdentity {
  readonly nodeId: number
  /** Refused when the directory belongs to another cluster. Absent: the directory's own, or a new random one. */
  readonly clusterId?: string | undefined
}

const decode = Schema.decodeUnknownResult(NodeFileSchema)

/** Opens or formats the directory and begins a new incarnation. */
export const openNodeFile: (
  directory: string,
  identity: NodeIdentity
) => Effect.Effect<NodeFile, NodeFileRefused | DiskError, Disk> = Effect.fnUntraced(function* (
  directory: string,
  identity: NodeIdentity
) {
  const disk = yield* Disk
  const path = disk.join(directory, NODE_FILE)
  const exists = yield* tryDisk(() => {
    disk.makeDirectory(directory)
    return disk.exists(path)
  })
  const held = exists ? yield* read(disk, path) : yield* formatted(identity)
  const reason = conflict(held, identity)
  if (reason !== undefined) return yield* new NodeFileRefused({ path, reason })
  const next = { ...held, incarnation: held.incarnation + 1 }
  const text = `${JSON.stringify(next, undefined, 2)}\n`
  yield* tryDisk(() => writeWhole(disk, directory, NODE_FILE, new TextEncoder().encode(text)))
  return next
})

const read = Effect.fnUntraced(function* (disk: Disk["Service"], path: string) {
  const text = yield* tryDisk(() => new TextDecoder().decode(readWhole(disk, path)))
  const json = yield* Effect.try({
    try: (): unknown => JSON.parse(text),
    catch: () => new NodeFileRefused({ path, reason: "it is not JSON. Restore it, or format the directory anew." })
  })
  const format = typeof json === "object" && json !== null && "format" in json ? json.format : undefined
  if (typeof format === "number" && format !== FORMAT) {
    const reason = `it has format ${format}, and this program knows format ${FORMAT}. Use the version that wrote it.`
    return yield* new NodeFileRefused({ path, reason })
  }
  const decoded = decode(json)
  if (decoded._tag === "Failure") {
    return yield* new NodeFileRefused({ path, reason: "fields are missing. Restore it, or format the directory anew." })
  }
  return decoded.success
})

const formatted = Effect.fnUntraced(function* (identity: NodeIdentity) {
  const directoryId = yield* uuid
  const clusterId = identity.clusterId ?? (yield* uuid)
  return { format: FORMAT, clusterId, nodeId: identity.nodeId, directoryId, incarnation: 0 }
})

const uuid = Effect.gen(function* () {
  const bytes = new Uint8Array(16)
  for (let i = 0; i < bytes.length; i++) bytes[i] = yield* Random.nextIntBetween(0, 255)
  return makeUuid(bytes)
})

const conflict = (held: NodeFile, identity: NodeIdentity): string | undefined => {
  if (held.nodeId !== identity.nodeId) {
    return `the directory belongs to node ${held.nodeId}, and this is node ${identity.nodeId}. Give each node its own directory.`
  }
  if (identity.clusterId !== undefined && identity.clusterId !== held.clusterId) {
    return `the directory belongs to cluster ${held.clusterId}, and this node is set to cluster ${identity.clusterId}.`
  }
  return undefined
}

const tryDisk = <A>(run: () => A): Effect.Effect<A, DiskError> =>
  Effect.suspend(() => {
    try {
      return Effect.succeed(run())
    } catch (error) {
      if (error instanceof DiskError) return Effect.fail(error)
      throw error
    }
  })
