/**
 * Snapshots of a partition's producer state, `producers.0` and `producers.1` in its directory, written in turn: a torn write
 * leaves the other one.
 *
 * The settler writes one before it lets batches with producer ids out of the WAL, and syncs it. It may be ahead of the files
 * (it is the state at the log end of that moment), never behind them.
 *
 * **Shape** magic "CEPS" i32, CRC-32 u32 of the rest, end offset i64, `ProducerState.encode`.
 */
import { readInt32, readInt64, readUint32, writeInt32, writeInt64 } from "@chronik-effect/core/base/Bytes.ts"
import { type DiskFile, readWhole } from "../io/Disk.ts"
import type { PartitionStore } from "./PartitionStore.ts"
import type { Segments } from "./Segments.ts"

const MAGIC = 0x43_45_50_53
const HEADER_BYTES = 16
const NAMES = ["producers.0", "producers.1"] as const

export interface ProducerSnapshot {
  readonly path: string
  readonly endOffset: number
  readonly state: Uint8Array
}

/** Valid snapshots, newest first. Throws `DiskError`. */
export const readSnapshots = (segments: Segments): ReadonlyArray<ProducerSnapshot> => {
  const snapshots: Array<ProducerSnapshot> = []
  for (const name of NAMES) {
    const snapshot = readSnapshot(segments, name)
    if (snapshot !== undefined) snapshots.push(snapshot)
  }
  return snapshots.sort((a, b) => b.endOffset - a.endOffset)
}

const readSnapshot = (segments: Segments, name: string): ProducerSnapshot | undefined => {
  const { disk } = segments.context
  const path = disk.join(segments.directory, name)
  if (!disk.exists(path)) return undefined
  const bytes = readWhole(disk, path)
  if (bytes.length < HEADER_BYTES + 4 || readInt32(bytes, 0) !== MAGIC) return undefined
  if (disk.crc32(bytes.subarray(8)) !== readUint32(bytes, 4)) return undefined
  return { path, endOffset: readInt64(bytes, 8), state: bytes.subarray(HEADER_BYTES) }
}

/** Writes the state at the log end over the older of the two. The caller syncs the file and closes it. */
export const writeSnapshot = (store: PartitionStore): DiskFile => {
  const { segments } = store
  const { disk } = segments.context
  const state = store.producers.encode()
  const bytes = new Uint8Array(HEADER_BYTES + state.length)
  writeInt32(bytes, 0, MAGIC)
  writeInt64(bytes, 8, store.logEndOffset)
  bytes.set(state, HEADER_BYTES)
  writeInt32(bytes, 4, disk.crc32(bytes.subarray(8)))
  const first = readSnapshot(segments, NAMES[0])
  const second = readSnapshot(segments, NAMES[1])
  const name = (first?.endOffset ?? -1) <= (second?.endOffset ?? -1) ? NAMES[0] : NAMES[1]
  const path = disk.join(segments.directory, name)
  // A synced file without a durable name is lost whole, and without a snapshot recovery takes the files to hold no producers.
  if (!disk.exists(path)) segments.namesUnsynced = true
  const file = disk.open(path, "create")
  try {
    file.write(bytes, 0, bytes.length, 0)
  } catch (error) {
    file.close()
    throw error
  }
  return file
}

/**
 * Puts a snapshot of what was recovered in the place of those that are ahead of it. They tell of batches that a crash took;
 * once the log has grown past them they would be taken for the truth, and a retry of a lost batch for a duplicate.
 *
 * At start only, on the caller's thread: nothing may be appended before it is done. Throws `DiskError`.
 */
export const replaceAhead = (store: PartitionStore, snapshots: ReadonlyArray<ProducerSnapshot>): void => {
  const ahead = snapshots.filter((snapshot) => snapshot.endOffset > store.logEndOffset)
  if (ahead.length === 0) return
  const { segments } = store
  const { disk } = segments.context
  // Over the older one: the other still has everything should this write be torn.
  const file = writeSnapshot(store)
  try {
    file.datasyncNow()
  } finally {
    file.close()
  }
  disk.syncDirectory(segments.directory)
  for (const { path } of ahead) if (path !== file.path) disk.remove(path)
  disk.syncDirectory(segments.directory)
}
