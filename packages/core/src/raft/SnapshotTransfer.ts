/**
 * The leader's side of a snapshot transfer: chunks in order, bounded in flight, from the newest snapshot that is durable here.
 *
 * A transfer goes back to what the receiver has when a chunk was lost, and starts over with a newer snapshot when its own is gone.
 * It makes no snapshots: `snapshotWanted` tells the shell that a peer waits for a newer one.
 */
import { assert } from "../base/Assert.ts"
import type { Leadership } from "./Leadership.ts"
import type { SnapshotResponse } from "./Message.ts"
import type { Participant } from "./Participant.ts"
import type { Progress, SnapshotSend } from "./Progress.ts"

/** Of use to a peer: newer than what it holds, and what comes after it can be sent from the cache. */
function newestServes(p: Participant, peer: Progress): boolean {
  const { index } = p.log.snapshot
  return index > peer.match && p.log.reaches(index + 1)
}

/** A peer is too far behind for the cache, and the newest snapshot does not bridge the gap. */
export function snapshotWanted(p: Participant): boolean {
  const leadership = p.leadership
  if (leadership === undefined) return false
  for (const peer of leadership.peers) {
    if (peer.state === "snapshot" && peer.transfer === undefined && !newestServes(p, peer)) return true
  }
  return false
}

/** Sends the chunks that may be in flight. Returns whether anything was sent. */
export function sendChunks(p: Participant, leadership: Leadership, peer: Progress): boolean {
  assert(peer.state === "snapshot", "chunks go to a peer that needs a snapshot")
  peer.transfer ??= beginTransfer(p, peer)
  const transfer = peer.transfer
  if (transfer === undefined) return false
  if (p.nowMs - transfer.progressAtMs >= p.options.electionTimeoutMs) goBack(p, transfer, transfer.acknowledgedBytes)
  let sent = false
  while (!transfer.complete) {
    const size = Math.min(p.options.snapshotChunkBytes, transfer.totalBytes - transfer.nextOffset)
    if (peer.inflightBytes > 0 && peer.inflightBytes + size > p.options.inflightBytesMax) break
    const bytes = p.snapshots.read(transfer.index, transfer.nextOffset, size)
    if (bytes === undefined) {
      // Gone: the next turn begins with the newest, if that is another one.
      peer.transfer = undefined
      break
    }
    sendChunk(p, leadership, peer, transfer, bytes)
    sent = true
  }
  return sent
}

function beginTransfer(p: Participant, peer: Progress): SnapshotSend | undefined {
  if (!newestServes(p, peer)) return undefined
  const { index, term, configuration, totalBytes } = p.log.snapshot
  return {
    index,
    term,
    configuration,
    totalBytes,
    acknowledgedBytes: 0,
    nextOffset: 0,
    complete: false,
    wentBackTo: -1,
    begunAnewAtMs: Number.NEGATIVE_INFINITY,
    progressAtMs: p.nowMs
  }
}

function sendChunk(
  p: Participant,
  leadership: Leadership,
  peer: Progress,
  transfer: SnapshotSend,
  bytes: Uint8Array
): void {
  const offset = transfer.nextOffset
  assert(bytes.length > 0 || transfer.totalBytes === 0, "a snapshot source must not answer a part with nothing")
  assert(offset + bytes.length <= transfer.totalBytes, "a snapshot source must not answer beyond the snapshot's end")
  transfer.nextOffset = offset + bytes.length
  transfer.complete = transfer.nextOffset === transfer.totalBytes
  p.send({
    _tag: "SnapshotChunk",
    from: p.self,
    to: peer.member,
    term: p.term,
    round: leadership.round,
    snapshotIndex: transfer.index,
    snapshotTerm: transfer.term,
    configuration: transfer.configuration,
    offset,
    totalBytes: transfer.totalBytes,
    bytes
  })
}

function goBack(p: Participant, transfer: SnapshotSend, offset: number): void {
  // All was received but never said to be installed: the last chunk asks again.
  const lastChunk = Math.max(0, transfer.totalBytes - p.options.snapshotChunkBytes)
  transfer.acknowledgedBytes = offset === transfer.totalBytes ? lastChunk : offset
  transfer.nextOffset = transfer.acknowledgedBytes
  transfer.complete = false
  transfer.wentBackTo = offset
  transfer.progressAtMs = p.nowMs
}

/** An answer to a chunk. Returns whether the snapshot is in place at the peer. */
export function onChunkAnswered(p: Participant, peer: Progress, m: SnapshotResponse): boolean {
  const transfer = peer.transfer
  if (m.installed) {
    assert(m.snapshotIndex <= p.log.lastIndex, "a peer must not hold more of this leader's log than the leader")
    peer.matched(m.snapshotIndex)
    return peer.state === "snapshot" && (transfer === undefined || peer.match >= transfer.index)
  }
  if (transfer === undefined || m.snapshotIndex !== transfer.index || m.receivedBytes > transfer.totalBytes)
    return false
  if (m.receivedBytes > transfer.acknowledgedBytes) {
    transfer.acknowledgedBytes = m.receivedBytes
    transfer.nextOffset = Math.max(transfer.nextOffset, m.receivedBytes)
    transfer.complete = transfer.nextOffset === transfer.totalBytes
    transfer.wentBackTo = -1
    transfer.progressAtMs = p.nowMs
  } else if (m.receivedBytes < transfer.nextOffset && m.receivedBytes !== transfer.wentBackTo) {
    if (m.receivedBytes >= transfer.acknowledgedBytes) goBack(p, transfer, m.receivedBytes)
    // Less than it had: the receiver began anew, or an old answer comes late. Believed now and then, or chunks would breed chunks.
    else if (p.nowMs - transfer.begunAnewAtMs >= p.options.heartbeatMs) {
      transfer.begunAnewAtMs = p.nowMs
      goBack(p, transfer, m.receivedBytes)
    }
  }
  return false
}
