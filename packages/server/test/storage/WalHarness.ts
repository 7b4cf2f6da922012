/** A node that has nothing but its log: numbered frames go in, and what came out is compared. Tests only. */
import { crc32c } from "@chronik-effect/core/base/Crc32c.ts"
import { FrameKind } from "@chronik-effect/core/wal/Block.ts"
import { Disk, type DiskError } from "@chronik-effect/server/io/Disk.ts"
import {
  type BatchNotification,
  type Wal,
  type WalCorrupt,
  WalEvents,
  type WalOptions
} from "@chronik-effect/server/storage/Wal.ts"
import { make } from "@chronik-effect/server/storage/WalLayer.ts"
import { Effect, Exit, Scope } from "effect"

export const DIRECTORY = "/data/wal"
export const SMALL: WalOptions = {
  directory: DIRECTORY,
  durability: "durable",
  chunkBytes: 8192,
  segmentChunks: 2,
  blockBytesMax: 4096,
  metadataReserveBytes: 2048
}

export interface WalNode {
  readonly wal: Wal["Service"]
  /** Numbers of the frames whose notification was emitted, in its order. */
  readonly notified: Array<number>
  /** `sealed 3`, `failed …`, in the order of the calls. */
  readonly events: Array<string>
  readonly blocks: Array<Pick<BatchNotification, "sequence" | "count" | "endAddress">>
  onSealed: (sequence: number) => void
  readonly close: Effect.Effect<void>
}

export const startNode = (
  disk: Disk["Service"],
  options: Partial<WalOptions> = {}
): Effect.Effect<WalNode, WalCorrupt | DiskError> =>
  Effect.gen(function* () {
    const scope = yield* Scope.make()
    const node: Omit<WalNode, "wal" | "close"> = { notified: [], events: [], blocks: [], onSealed: () => {} }
    const events = WalEvents.of({
      committed: (n) => {
        node.blocks.push({ sequence: n.sequence, count: n.count, endAddress: n.endAddress })
        for (let i = 0; i < n.count; i++) node.notified.push(n.endOffsets[i]! - 1)
      },
      failed: (error) => node.events.push(`failed ${error.reason}`),
      sealed: (sequence) => {
        node.events.push(`sealed ${sequence}`)
        node.onSealed(sequence)
      }
    })
    const made = yield* make({ ...SMALL, ...options }).pipe(
      Effect.provideService(Disk, disk),
      Effect.provideService(WalEvents, events),
      Scope.provide(scope),
      Effect.exit
    )
    if (Exit.isFailure(made)) {
      yield* Scope.close(scope, made)
      return yield* Effect.failCause(made.cause)
    }
    return Object.assign(node, { wal: made.value, close: Scope.close(scope, Exit.void) })
  })

/** A frame that carries its number: in a record batch with a CRC, or plain for other kinds. */
export function payloadOf(number: number, length: number, kind: number = FrameKind.Batch): Uint8Array {
  const bytes = new Uint8Array(Math.max(length, kind === FrameKind.Batch ? 69 : 8)).fill(number)
  const view = new DataView(bytes.buffer)
  if (kind !== FrameKind.Batch) {
    view.setUint32(0, number)
    return bytes
  }
  view.setUint32(61, number)
  view.setInt32(8, bytes.length - 12)
  view.setUint8(16, 2)
  view.setUint32(17, crc32c(bytes, 21, bytes.length))
  return bytes
}

/** False when there was no room. */
export function write(node: WalNode, number: number, length: number, kind: number = FrameKind.Batch): boolean {
  const payload = payloadOf(number, length, kind)
  const address = node.wal.reserve(kind, number % 7, payload.length, number + 1)
  if (address < 0) return false
  node.wal.chunkAt(address).set(payload, node.wal.placeAt(address))
  return true
}

/** Numbers of the frames found at start; each frame's bytes are checked. */
export function recoveredOf(node: WalNode): Array<number> {
  const numbers: Array<number> = []
  node.wal.recovered.frames((kind, stream, _address, bytes, at, length) => {
    const payload = bytes.slice(at, at + length)
    const number = new DataView(payload.buffer).getUint32(kind === FrameKind.Batch ? 61 : 0)
    if (stream !== number % 7 || Buffer.compare(payload, payloadOf(number, length, kind)) !== 0) {
      throw new Error(`frame ${number} was read back with other bytes than were written`)
    }
    numbers.push(number)
  })
  return numbers
}

export const until = (what: string, holds: () => boolean): Effect.Effect<void> =>
  Effect.gen(function* () {
    for (let turns = 0; turns < 5000; turns++) {
      if (holds()) return
      yield* Effect.yieldNow
    }
    throw new Error(`never came: ${what}`)
  })

export const turns = (count: number) => Effect.repeat(Effect.yieldNow, { times: count - 1 })
