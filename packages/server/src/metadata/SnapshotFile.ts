/**
 * Snapshots of the metadata image on disk: `metadata/<end offset, 20 digits>.snapshot`.
 *
 * Layout, little-endian: magic u32 "CMS2", length u32 and CRC-32 u32 of everything behind them, end offset u64, term u64,
 * length of the configuration u32, configuration (`core/raft/ConfigurationCodec`), payload (`core/metadata/Snapshot`). A
 * snapshot is written beside its name, synced, renamed, and its directory synced: a name without `.tmp` is a whole snapshot, or
 * bit rot, which the checksum tells.
 *
 * The one before the newest is kept, the rest is removed. It deliberately knows nothing of what is inside.
 */
import { decodeConfiguration, encodeConfiguration } from "@chronik-effect/core/raft/ConfigurationCodec.ts"
import type { Configuration, Snapshot } from "@chronik-effect/core/raft/Entry.ts"
import { Effect } from "effect"
import { type Disk, type DiskError, type DiskFile, readWhole } from "../io/Disk.ts"

const MAGIC = 0x32534d43
/** Magic, length, checksum. */
const OUTER_BYTES = 12
const HEADER_BYTES = 32
const KEPT = 2
const SUFFIX = ".snapshot"

export interface StoredSnapshot {
  /** Every metadata entry below it is in the payload. */
  readonly endOffset: number
  /** Of its last entry. */
  readonly term: number
  /** Who took part in the log at its last entry. */
  readonly configuration: Configuration
  readonly payload: Uint8Array
}

/** As Raft sees it: an end offset lies one behind the index of the last entry. */
export const snapshotOf = ({ endOffset, term, configuration, payload }: StoredSnapshot): Snapshot => ({
  index: endOffset - 1,
  term,
  configuration,
  payload
})

export interface SnapshotFiles {
  /** The newest snapshot that is whole, and the newer ones that are not. Throws `DiskError`. */
  readonly newest: () => {
    readonly snapshot: StoredSnapshot | undefined
    readonly damaged: ReadonlyArray<{ readonly path: string; readonly endOffset: number }>
  }
  /** Durable when it completes. */
  readonly save: (snapshot: StoredSnapshot) => Effect.Effect<void, DiskError>
}

export const make = (disk: Disk["Service"], directory: string): SnapshotFiles => ({
  newest: () => {
    const damaged: Array<{ readonly path: string; readonly endOffset: number }> = []
    // What a killed process had renamed and not synced stands in the page cache only, and would count as a snapshot from now on.
    if (disk.exists(directory)) {
      disk.syncDirectory(disk.join(directory, ".."))
      disk.syncDirectory(directory)
    }
    for (const name of snapshotNames(disk.list(directory)).reverse()) {
      const path = disk.join(directory, name)
      const snapshot = decode(disk, readWhole(disk, path))
      if (snapshot !== undefined) return { snapshot, damaged }
      damaged.push({ path, endOffset: Number(name.slice(0, -SUFFIX.length)) })
    }
    return { snapshot: undefined, damaged }
  },
  save: Effect.fn("MetadataSnapshot.save")(function* (snapshot: StoredSnapshot) {
    const name = `${String(snapshot.endOffset).padStart(20, "0")}${SUFFIX}`
    const temporary = disk.join(directory, `${name}.tmp`)
    if (!disk.exists(directory)) {
      yield* attempt(() => disk.makeDirectory(directory))
      // Once its WAL segments are recycled a snapshot is all that is left of the metadata: its folder needs a durable name.
      yield* callback((done) => disk.syncDirectoryLater(disk.join(directory, ".."), done))
    }
    yield* Effect.acquireUseRelease(
      attempt(() => disk.open(temporary, "create")),
      (file) => writeSynced(file, encode(disk, snapshot)),
      (file) => Effect.sync(() => file.close())
    )
    yield* attempt(() => disk.rename(temporary, disk.join(directory, name)))
    yield* callback((done) => disk.syncDirectoryLater(directory, done))
    yield* attempt(() => removeOld(disk, directory))
  })
})

const writeSynced = (file: DiskFile, bytes: Uint8Array): Effect.Effect<void, DiskError> =>
  Effect.andThen(
    attempt(() => file.write(bytes, 0, bytes.length, 0)),
    callback((done) => file.datasync(done))
  )

/** Operations of the disk throw `DiskError` and nothing else. */
const attempt = <A>(operation: () => A): Effect.Effect<A, DiskError> =>
  Effect.try({ try: operation, catch: (error) => error as DiskError })

const callback = (start: (done: (error: DiskError | undefined) => void) => void): Effect.Effect<void, DiskError> =>
  Effect.callback((resume) => start((error) => resume(error === undefined ? Effect.void : Effect.fail(error))))

const snapshotNames = (names: ReadonlyArray<string>): Array<string> =>
  names.filter((name) => /^\d{20}\.snapshot$/.test(name)).sort()

const removeOld = (disk: Disk["Service"], directory: string): void => {
  const names = disk.list(directory)
  const old = snapshotNames(names).slice(0, -KEPT)
  for (const name of [...old, ...names.filter((n) => n.endsWith(`${SUFFIX}.tmp`))])
    disk.remove(disk.join(directory, name))
}

const encode = (disk: Disk["Service"], { endOffset, term, configuration, payload }: StoredSnapshot): Uint8Array => {
  const members = encodeConfiguration(configuration)
  const bytes = new Uint8Array(HEADER_BYTES + members.length + payload.length)
  const view = new DataView(bytes.buffer)
  view.setUint32(0, MAGIC, true)
  view.setUint32(4, bytes.length - OUTER_BYTES, true)
  view.setBigUint64(12, BigInt(endOffset), true)
  view.setBigUint64(20, BigInt(term), true)
  view.setUint32(28, members.length, true)
  bytes.set(members, HEADER_BYTES)
  bytes.set(payload, HEADER_BYTES + members.length)
  view.setUint32(8, disk.crc32(bytes.subarray(OUTER_BYTES)) >>> 0, true)
  return bytes
}

const decode = (disk: Disk["Service"], bytes: Uint8Array): StoredSnapshot | undefined => {
  if (bytes.length < HEADER_BYTES) return undefined
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (view.getUint32(0, true) !== MAGIC || view.getUint32(4, true) !== bytes.length - OUTER_BYTES) return undefined
  if (disk.crc32(bytes.subarray(OUTER_BYTES)) >>> 0 !== view.getUint32(8, true)) return undefined
  const payloadAt = HEADER_BYTES + view.getUint32(28, true)
  const configuration = decodeConfiguration(bytes.subarray(HEADER_BYTES, payloadAt))
  if (configuration === undefined) return undefined
  return {
    endOffset: Number(view.getBigUint64(12, true)),
    term: Number(view.getBigUint64(20, true)),
    configuration,
    payload: bytes.subarray(payloadAt)
  }
}
