/** A member of a group of the consumer protocol (KIP-848): every heartbeat by itself, with whatever identity. */
import { ErrorCode } from "@chronik-effect/core/model/ErrorCode.ts"
import type { Partially } from "@chronik-effect/core/protocol/Message.ts"
import { MetadataApi } from "@chronik-effect/core/protocol/messages/03_Metadata.ts"
import {
  ConsumerGroupHeartbeatApi,
  type ConsumerGroupHeartbeatRequest,
  type ConsumerGroupHeartbeatResponse
} from "@chronik-effect/core/protocol/messages/68_ConsumerGroupHeartbeat.ts"
import { Peer } from "./Peer.ts"

export interface OwnedPartitions {
  readonly topicId: string
  readonly partitions: ReadonlyArray<number>
}

export class ConsumerClient implements Disposable {
  readonly peer: Peer
  readonly groupId: string
  readonly memberId: string
  readonly topics: ReadonlyArray<string>
  readonly #names: ReadonlyMap<string, string>
  epoch = 0
  owned: ReadonlyArray<OwnedPartitions> = []

  private constructor(
    peer: Peer,
    groupId: string,
    memberId: string,
    topics: ReadonlyArray<string>,
    names: ReadonlyMap<string, string>
  ) {
    this.peer = peer
    this.groupId = groupId
    this.memberId = memberId
    this.topics = topics
    this.#names = names
  }

  static async open(
    port: number,
    groupId: string,
    memberId: string,
    topics: ReadonlyArray<string>,
    host?: string
  ): Promise<ConsumerClient> {
    const peer = await Peer.connect(port, host)
    const known = await peer.call(MetadataApi, 12, { topics: topics.map((name) => ({ name })) })
    const names = new Map(known.topics.map(({ name, topicId }) => [topicId, name ?? ""]))
    return new ConsumerClient(peer, groupId, memberId, topics, names)
  }

  join(more: Partially<ConsumerGroupHeartbeatRequest> = {}): Promise<ConsumerGroupHeartbeatResponse> {
    const subscribedTopicNames = [...this.topics]
    this.owned = []
    return this.beat({ memberEpoch: 0, rebalanceTimeoutMs: 30_000, subscribedTopicNames, topicPartitions: [], ...more })
  }

  /** One heartbeat that says what the member owns; it owns at once what it is given. */
  async beat(
    more: Partially<ConsumerGroupHeartbeatRequest> = {},
    version = 1
  ): Promise<ConsumerGroupHeartbeatResponse> {
    const answer = await this.peer.call(ConsumerGroupHeartbeatApi, version, {
      groupId: this.groupId,
      memberId: this.memberId,
      memberEpoch: this.epoch,
      topicPartitions: this.owned.map(({ topicId, partitions }) => ({ topicId, partitions: [...partitions] })),
      ...more
    })
    if (answer.errorCode === ErrorCode.NONE) this.epoch = answer.memberEpoch
    if (answer.assignment !== null) this.owned = answer.assignment.topicPartitions
    return answer
  }

  /** `topic-partition`, sorted. */
  get partitions(): ReadonlyArray<string> {
    const named = (topicId: string) => this.#names.get(topicId) ?? topicId
    return this.owned.flatMap(({ topicId, partitions }) => partitions.map((p) => `${named(topicId)}-${p}`)).sort()
  }

  [Symbol.dispose](): void {
    this.peer[Symbol.dispose]()
  }
}
