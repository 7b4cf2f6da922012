/**
 * Every partition of the committed image with what the controller knows about it beyond the image: evidence of its leader and
 * work under way. All of it is volatile; a new controller learns it again from the first heartbeats.
 *
 * Bounded by the partitions of the image. An entry is dropped with its topic, and evidence when the epoch or the config
 * version that it speaks of is no longer current (rule 30).
 */
import { assert } from "../base/Assert.ts"
import type { PartitionImage, TopicImage } from "../metadata/MetadataImage.ts"
import type { ReplicaId } from "../replication/Frame.ts"
import type { Election } from "./Elections.ts"

export interface HandOver {
  readonly target: number
  /** The leader has parked its appends and the target holds everything. */
  ready: boolean
}

/** What an operator wants of a partition's replicas, until the image says it. */
export type Intent = { readonly _tag: "Reassign"; readonly target: ReadonlyArray<number> } | { readonly _tag: "Cancel" }

export interface Tracked {
  readonly topicId: string
  readonly partition: number
  /** As committed. */
  image: PartitionImage
  deleted: boolean

  // evidence of the leader of image.leaderEpoch, under image.configVersion
  confirmed: boolean
  caughtUp: ReplicaId | undefined
  inSync: ReadonlyArray<number> | undefined
  // evidence of the leader of image.leaderEpoch
  serves: boolean
  lacking: boolean
  offline: boolean

  /** The greatest epoch that some replica may have promised. Beyond image.leaderEpoch: an election is open (rule 12). */
  promised: number
  election: Election | undefined
  /** Since when the partition has had no leader that could serve. */
  leaderlessSinceMs: number | undefined
  /** Elections because the leader lacked its quorum, one after the other (rule 15). */
  forced: number
  forcedAtMs: number

  handOver: HandOver | undefined
  /** An operator wants the preferred replica to lead. */
  wantsPreferred: boolean
  intent: Intent | undefined
  /** A command that changes the replicas is under way. */
  changing: boolean
  /** A command that changes the in-sync set is under way. */
  reporting: boolean
}

export class PartitionTable {
  readonly #topics = new Map<string, Array<Tracked>>()
  readonly #ledBy = new Map<number, Set<Tracked>>()

  get(topicId: string, partition: number): Tracked | undefined {
    return this.#topics.get(topicId)?.[partition]
  }

  ofTopic(topicId: string): ReadonlyArray<Tracked> {
    return this.#topics.get(topicId) ?? []
  }

  /** In the order in which they came. */
  *all(): Iterable<Tracked> {
    for (const partitions of this.#topics.values()) yield* partitions
  }

  /** Partitions that the image says this node leads. */
  ledBy(node: number): ReadonlySet<Tracked> {
    return this.#ledBy.get(node) ?? NONE
  }

  /** Takes the topic's partitions from `from` on. */
  add(topic: TopicImage, from: number): ReadonlyArray<Tracked> {
    const partitions = this.#topics.get(topic.topicId) ?? []
    assert(partitions.length === from, "partitions are tracked from 0 on, without gaps")
    this.#topics.set(topic.topicId, partitions)
    for (const image of topic.partitions.slice(from)) {
      const tracked = track(topic.topicId, image)
      partitions.push(tracked)
      this.#index(tracked)
    }
    return partitions.slice(from)
  }

  remove(topicId: string): ReadonlyArray<Tracked> {
    const partitions = this.ofTopic(topicId)
    this.#topics.delete(topicId)
    for (const tracked of partitions) {
      this.#ledBy.get(tracked.image.leader)?.delete(tracked)
      tracked.deleted = true
    }
    return partitions
  }

  /** Follows the image, and forgets the evidence that no longer speaks of it. Says whether the epoch has moved. */
  update(tracked: Tracked, image: PartitionImage): boolean {
    const before = tracked.image
    assert(image.leaderEpoch >= before.leaderEpoch, "leader epochs never fall")
    assert(image.configVersion >= before.configVersion, "config versions never fall")
    const epochMoved = image.leaderEpoch !== before.leaderEpoch
    if (epochMoved || image.configVersion !== before.configVersion) {
      tracked.confirmed = false
      tracked.caughtUp = undefined
      tracked.inSync = undefined
    }
    if (epochMoved) {
      tracked.serves = false
      tracked.lacking = false
      tracked.offline = false
      tracked.handOver = undefined
      tracked.wantsPreferred = false
    }
    this.#ledBy.get(before.leader)?.delete(tracked)
    tracked.image = image
    this.#index(tracked)
    return epochMoved
  }

  clear(): void {
    this.#topics.clear()
    this.#ledBy.clear()
  }

  #index(tracked: Tracked): void {
    const { leader } = tracked.image
    if (leader === -1) return
    const led = this.#ledBy.get(leader)
    if (led === undefined) this.#ledBy.set(leader, new Set([tracked]))
    else led.add(tracked)
  }
}

const NONE: ReadonlySet<Tracked> = new Set()

const track = (topicId: string, image: PartitionImage): Tracked => ({
  topicId,
  partition: image.partition,
  image,
  deleted: false,
  confirmed: false,
  caughtUp: undefined,
  inSync: undefined,
  serves: false,
  lacking: false,
  offline: false,
  promised: -1,
  election: undefined,
  leaderlessSinceMs: undefined,
  forced: 0,
  forcedAtMs: Number.NEGATIVE_INFINITY,
  handOver: undefined,
  wantsPreferred: false,
  intent: undefined,
  changing: false,
  reporting: false
})
