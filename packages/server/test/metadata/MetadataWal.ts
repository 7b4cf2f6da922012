/** For tests of the metadata log: looks into the WAL of a node, fills it, and recycles it as the settler would. */
import { FrameKind } from "@chronik-effect/core/wal/Block.ts"
import { METADATA_STREAM, readEntryFrame, readVoteFrame } from "@chronik-effect/server/metadata/RaftFrames.ts"
import { expect } from "@effect/vitest"
import { Effect } from "effect"
import type { MetadataNode } from "./MetadataHarness.ts"

interface FoundFrame {
  readonly kind: number
  readonly term: number
  readonly address: number
}

/** What the node found in the WAL at its start. */
export const framesOf = (node: MetadataNode, ...kinds: ReadonlyArray<number>): ReadonlyArray<FoundFrame> => {
  const found: Array<FoundFrame> = []
  node.wal.recovered.frames((kind, stream, address, payload, at, length) => {
    if (stream !== METADATA_STREAM || !kinds.includes(kind)) return
    const read = kind === FrameKind.Vote ? readVoteFrame : readEntryFrame
    found.push({ kind, term: read(payload, at, length).term, address })
  })
  return found
}

/** A frame of another stream; false when there is no room for it. */
const fillSome = (node: MetadataNode, length: number): boolean => {
  const address = node.wal.reserve(FrameKind.HighWatermark, 7, length, 0)
  if (address < 0) return false
  const place = node.wal.placeAt(address)
  node.wal.chunkAt(address).fill(0, place, place + length)
  return true
}

/** Until the segment of the start is sealed. */
export const fillSegment = (node: MetadataNode) =>
  Effect.gen(function* () {
    while (!node.wal.segments().some((segment) => segment.sealed)) {
      if (!fillSome(node, 8 * 1024)) yield* node.wal.room
      yield* node.wal.flushed
    }
  })

/** Until not even the smallest frame finds room, and nothing under way can make any. */
export const fillLog = (node: MetadataNode) =>
  Effect.gen(function* () {
    let refusals = 0
    while (refusals < 200) {
      yield* node.wal.flushed
      const isPlaced = fillSome(node, 8 * 1024) || fillSome(node, 1)
      refusals = isPlaced ? 0 : refusals + 1
      yield* Effect.yieldNow
    }
    expect(node.wal.segments()).toHaveLength(3)
  })

/** As the settler does with every sealed segment. */
export const recycle = (node: MetadataNode) =>
  Effect.gen(function* () {
    const sealed = node.wal.segments().filter((segment) => segment.sealed)
    expect(sealed.length).toBeGreaterThan(0)
    for (const segment of sealed) {
      yield* node.store.settle(segment)
      node.wal.release(segment.sequence)
    }
    yield* recycled(node)
  })

/** The WAL recycles in the background what was released. */
const recycled = (node: MetadataNode) =>
  Effect.gen(function* () {
    for (let turn = 0; turn < 5_000 && node.wal.segments().filter((segment) => segment.sealed).length > 0; turn++) {
      yield* Effect.yieldNow
    }
    expect(node.wal.segments().some((segment) => segment.sealed)).toBe(false)
  })
