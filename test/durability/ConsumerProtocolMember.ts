/**
 * A member of a group of the consumer protocol (KIP-848) that lives through the death of its broker.
 *
 * It does what the protocol asks of a client and no more: one connection, one request at a time, the same member id for life.
 * What it is given it owns at once, what it is asked to give up it drops at once. Written for this test, so that whatever
 * hangs is the broker's.
 */
import { randomUUID } from "node:crypto"
import { ErrorCode, errorName } from "@chronik-effect/core/model/ErrorCode.ts"
import { FetchApi } from "@chronik-effect/core/protocol/messages/01_Fetch.ts"
import { MetadataApi } from "@chronik-effect/core/protocol/messages/03_Metadata.ts"
import { OffsetCommitApi } from "@chronik-effect/core/protocol/messages/08_OffsetCommit.ts"
import { OffsetFetchApi } from "@chronik-effect/core/protocol/messages/09_OffsetFetch.ts"
import { ConsumerGroupHeartbeatApi } from "@chronik-effect/core/protocol/messages/68_ConsumerGroupHeartbeat.ts"
import { baseOffset, lastOffsetDelta } from "@chronik-effect/core/record/RecordBatch.ts"
import { Peer } from "../badinput/Peer.ts"
import { batchesIn } from "../badinput/Requests.ts"
import type { GroupMember, MemberParts } from "./GroupMembers.ts"

const FETCH_WAIT_MS = 50
const RECONNECT_MS = 20
const LOG_LINES_MAX = 200
const LEAVE_EPOCH = -1

export const consumerProtocolMember = (parts: MemberParts): GroupMember => {
  const member = new ConsumerProtocolMember(parts)
  const running = member.run()
  const { name, groupId } = parts
  return {
    name,
    groupId,
    log: member.log,
    stop: async () => {
      member.stopped = true
      await running
    }
  }
}

class ConsumerProtocolMember {
  readonly log: Array<string> = []
  stopped = false
  readonly #parts: MemberParts
  readonly #memberId = randomUUID()
  #topicId = ""
  #epoch = 0
  /** Owned partition → next offset to read, once it is known. */
  #positions = new Map<number, number | undefined>()

  constructor(parts: MemberParts) {
    this.#parts = parts
  }

  async run(): Promise<void> {
    while (!(this.stopped && this.#epoch === LEAVE_EPOCH)) {
      try {
        using peer = await Peer.connect(Number(this.#parts.bootstrap.split(":")[1]))
        while (!this.stopped) await this.#turn(peer)
        await this.#leave(peer)
      } catch (failure) {
        // The broker is dead, or it says that this member is: what follows depends on the epoch alone.
        this.#note(failure instanceof Error ? failure.message : String(failure))
        await new Promise((next) => setTimeout(next, RECONNECT_MS))
      }
    }
  }

  async #turn(peer: Peer): Promise<void> {
    await this.#heartbeat(peer)
    await this.#findPositions(peer)
    for (const [partition, offset] of await this.#fetch(peer)) {
      const { events, groupId } = this.#parts
      await events.committing(groupId, partition, offset, () => this.#commit(peer, partition, offset))
      this.#positions.set(partition, offset)
    }
  }

  async #heartbeat(peer: Peer): Promise<void> {
    const joins = this.#epoch === 0
    const owned = joins ? [] : [{ topicId: this.#topicId, partitions: [...this.#positions.keys()] }]
    const answer = await peer.call(ConsumerGroupHeartbeatApi, 1, {
      groupId: this.#parts.groupId,
      memberId: this.#memberId,
      memberEpoch: this.#epoch,
      rebalanceTimeoutMs: 4_000,
      subscribedTopicNames: [this.#parts.topic],
      topicPartitions: owned.filter(({ partitions }) => partitions.length > 0)
    })
    const lost = [ErrorCode.UNKNOWN_MEMBER_ID, ErrorCode.FENCED_MEMBER_EPOCH, ErrorCode.GROUP_ID_NOT_FOUND]
    if (lost.some((code) => code === answer.errorCode)) {
      this.#epoch = 0
      this.#positions = new Map()
    }
    expectNone("heartbeat", answer.errorCode)
    if (answer.memberEpoch !== this.#epoch) this.#note(`epoch ${answer.memberEpoch}`)
    this.#epoch = answer.memberEpoch
    if (answer.assignment !== null) this.#assigned(answer.assignment.topicPartitions)
  }

  #assigned(assignment: ReadonlyArray<{ readonly topicId: string; readonly partitions: ReadonlyArray<number> }>): void {
    const before = this.#positions
    this.#positions = new Map()
    for (const { topicId, partitions } of assignment) {
      this.#topicId = topicId
      for (const partition of partitions) this.#positions.set(partition, before.get(partition))
    }
    this.#note(`assigned ${[...this.#positions.keys()]}`)
  }

  async #findPositions(peer: Peer): Promise<void> {
    const unknown = [...this.#positions].filter(([, offset]) => offset === undefined).map(([partition]) => partition)
    if (unknown.length === 0) return
    const { groupId, topic } = this.#parts
    const answer = await peer.call(OffsetFetchApi, 9, {
      groups: [
        {
          groupId,
          memberId: this.#memberId,
          memberEpoch: this.#epoch,
          topics: [{ name: topic, partitionIndexes: unknown }]
        }
      ]
    })
    const [group] = answer.groups
    expectNone("offset fetch", group!.errorCode)
    for (const { partitionIndex, committedOffset } of group!.topics[0]!.partitions) {
      this.#positions.set(partitionIndex, Math.max(0, committedOffset))
    }
  }

  /** The offsets behind what was read, by partition. */
  async #fetch(peer: Peer): Promise<ReadonlyMap<number, number>> {
    const partitions = [...this.#positions].map(([partition, fetchOffset]) => ({
      partition,
      fetchOffset: fetchOffset!,
      currentLeaderEpoch: -1,
      lastFetchedEpoch: -1,
      partitionMaxBytes: 1 << 20
    }))
    const read = new Map<number, number>()
    if (partitions.length === 0) {
      // Nothing to read, and nothing that would wait: the next heartbeat must not follow at once.
      await peer.call(MetadataApi, 12, { topics: [{ name: this.#parts.topic }] })
      await new Promise((next) => setTimeout(next, FETCH_WAIT_MS))
      return read
    }
    const answer = await peer.call(FetchApi, 16, {
      maxWaitMs: FETCH_WAIT_MS,
      minBytes: 1,
      maxBytes: 1 << 20,
      sessionId: 0,
      sessionEpoch: -1,
      topics: [{ topicId: this.#topicId, partitions }]
    })
    for (const found of answer.responses[0]?.partitions ?? []) {
      expectNone("fetch", found.errorCode)
      const last = batchesIn(found).at(-1)
      if (last !== undefined) read.set(found.partitionIndex, baseOffset(last, 0) + lastOffsetDelta(last, 0) + 1)
    }
    return read
  }

  async #commit(peer: Peer, partitionIndex: number, committedOffset: number): Promise<void> {
    const { groupId, topic } = this.#parts
    const answer = await peer.call(OffsetCommitApi, 9, {
      groupId,
      memberId: this.#memberId,
      generationIdOrMemberEpoch: this.#epoch,
      topics: [{ name: topic, partitions: [{ partitionIndex, committedOffset, committedMetadata: "" }] }]
    })
    expectNone("commit", answer.topics[0]!.partitions[0]!.errorCode)
  }

  async #leave(peer: Peer): Promise<void> {
    const answer = await peer.call(ConsumerGroupHeartbeatApi, 1, {
      groupId: this.#parts.groupId,
      memberId: this.#memberId,
      memberEpoch: LEAVE_EPOCH
    })
    const gone = [ErrorCode.NONE, ErrorCode.UNKNOWN_MEMBER_ID, ErrorCode.GROUP_ID_NOT_FOUND]
    if (!gone.some((code) => code === answer.errorCode)) expectNone("leave", answer.errorCode)
    this.#epoch = LEAVE_EPOCH
  }

  #note(line: string): void {
    this.log.push(`${new Date().toISOString().slice(14, 23)} ${line}`)
    if (this.log.length > LOG_LINES_MAX) this.log.splice(0, LOG_LINES_MAX / 4)
  }
}

const expectNone = (what: string, errorCode: number): void => {
  if (errorCode !== ErrorCode.NONE) throw new Error(`${what}: ${errorName(errorCode)}`)
}
