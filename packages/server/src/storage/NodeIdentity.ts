/**
 * Who this node is, once its data directory is locked and its `node.json` has been read or made.
 *
 * The lock comes first and goes last. A directory that holds somebody else's files is refused: a broker that is started in
 * the wrong place must not mix its files with theirs.
 */
import { Context, Effect, Layer } from "effect"
import { type DirectoryLocked, type LockImpossible, lockDirectory } from "../io/DirectoryLock.ts"
import { Disk, DiskError } from "../io/Disk.ts"
import { NODE_FILE, type NodeFile, NodeFileRefused, openNodeFile } from "./NodeFile.ts"

/** Entries that a directory may hold without being somebody's: what a crash during the formatting leaves, a fresh file system. */
const HARMLESS: ReadonlySet<string> = new Set([NODE_FILE, `${NODE_FILE}.tmp`, "lost+found"])

export interface NodeIdentityOptions {
  readonly directory: string
  readonly nodeId: number
  /** False for a node in memory: nobody can share its directory. */
  readonly lock: boolean
}

export class NodeIdentity extends Context.Service<
  NodeIdentity,
  NodeFile & {
    /** This start formatted the directory. */
    readonly fresh: boolean
  }
>()("chronik/NodeIdentity") {
  static readonly layer = (
    options: NodeIdentityOptions
  ): Layer.Layer<NodeIdentity, DirectoryLocked | LockImpossible | NodeFileRefused | DiskError, Disk> =>
    Layer.effect(NodeIdentity, make(options))
}

const make = Effect.fnUntraced(function* ({ directory, nodeId, lock }: NodeIdentityOptions) {
  const disk = yield* Disk
  const fresh = yield* prepare(disk, directory)
  if (lock) yield* lockDirectory(directory)
  const file = yield* openNodeFile(directory, { nodeId })
  return { ...file, fresh }
})

/** Makes the directory where there is none. Whether it is still to be formatted. */
const prepare = (disk: Disk["Service"], directory: string): Effect.Effect<boolean, NodeFileRefused | DiskError> =>
  Effect.suspend((): Effect.Effect<boolean, NodeFileRefused | DiskError> => {
    try {
      disk.makeDirectory(directory)
      const entries = disk.list(directory)
      if (entries.includes(NODE_FILE)) return Effect.succeed(false)
      const foreign = entries.filter((entry) => !HARMLESS.has(entry))
      if (foreign.length === 0) return Effect.succeed(true)
      const named = foreign.slice(0, 3).join(", ")
      return Effect.fail(
        new NodeFileRefused({
          path: disk.join(directory, NODE_FILE),
          reason: `there is no such file, but others (${named}). Give the broker an empty directory, or restore the file if these are its data.`
        })
      )
    } catch (error) {
      return error instanceof DiskError ? Effect.fail(error) : Effect.die(error)
    }
  })
