/**
 * What the script knows of the brokers: topics with their batches, topics that are gone, producers. It is told by Kafka's
 * answers, so that wrong arguments can be chosen to be just wrong.
 */

import type { Prng } from "@chronik-effect/core/base/Prng.ts"
import { ZERO_UUID } from "@chronik-effect/core/base/Uuid.ts"
import { ListOffsetsApi } from "@chronik-effect/core/protocol/messages/02_ListOffsets.ts"
import { MetadataApi } from "@chronik-effect/core/protocol/messages/03_Metadata.ts"
import { CreateTopicsApi } from "@chronik-effect/core/protocol/messages/19_CreateTopics.ts"
import { DeleteTopicsApi } from "@chronik-effect/core/protocol/messages/20_DeleteTopics.ts"
import { DescribeConfigsApi } from "@chronik-effect/core/protocol/messages/32_DescribeConfigs.ts"
import { IncrementalAlterConfigsApi } from "@chronik-effect/core/protocol/messages/44_IncrementalAlterConfigs.ts"
import type { Run } from "./Run.ts"

export interface StoredBatch {
  readonly baseOffset: number
  readonly count: number
  readonly bytes: number
  readonly times: ReadonlyArray<number>
}

export interface Partition {
  startOffset: number
  endOffset: number
  batches: Array<StoredBatch>
}

export interface Topic {
  readonly name: string
  readonly id: string
  readonly configs: Readonly<Record<string, string>>
  readonly partitions: Array<Partition>
}

/** A topic as a request names it: perhaps wrongly. */
export interface NamedTopic {
  readonly name: string
  readonly id: string
}

/** A producer id and where it stands in each partition. */
export interface Producer {
  readonly id: number
  readonly epoch: number
  readonly sequences: Map<string, number>
}

const TOPICS_MAX = 12
const GONE_MAX = 12
const INVALID_NAMES = ["", ".", "..", "a/b", "a b", "ä", "x".repeat(249), "x".repeat(250)]
const OTHER_ID = "kkkkkkkkTTTTTTTTaaaaaQ"

export class World {
  readonly run: Run
  readonly random: Prng
  readonly prefix: string
  topics: Array<Topic> = []
  /** Without records, for configs that would take records away. */
  readonly kept: Array<Topic> = []
  gone: Array<NamedTopic> = []
  readonly producers: Array<Producer> = []
  #names = 0
  #barriers = 0

  constructor(run: Run, tag: string) {
    this.run = run
    this.random = run.random
    this.prefix = `s${run.seed}${tag}-`
  }

  freshName(what: string): string {
    return `${this.prefix}${what}-${++this.#names}`
  }

  /** A topic that is there, made when there is none. */
  async topic(wanted: (topic: Topic) => boolean = () => true): Promise<Topic> {
    const found = this.topics.filter(wanted)
    if (found.length > 0) return this.random.pick(found)
    return this.createTopic(1 + this.random.below(3), {})
  }

  /** Created on both sides and ready for records. Data is never old enough to go by itself. */
  async createTopic(partitions: number, configs: Readonly<Record<string, string>>): Promise<Topic> {
    if (this.topics.length >= TOPICS_MAX) await this.deleteTopic(this.random.pick(this.topics))
    const name = this.freshName("t")
    const all: Readonly<Record<string, string>> = { "retention.ms": "-1", ...configs }
    const { answer } = await this.run.ask(
      CreateTopicsApi,
      {
        topics: [
          {
            name,
            numPartitions: partitions,
            replicationFactor: 1,
            configs: Object.entries(all).map(([key, value]) => ({ name: key, value }))
          }
        ],
        timeoutMs: 10_000
      },
      { from: 5 }
    )
    if (answer?.topics[0]?.errorCode !== 0) throw new Error(`Kafka did not create ${name}: ${JSON.stringify(answer)}`)
    return this.adopt(name, partitions, all)
  }

  /** A topic that is about to be on both sides: waits for it and learns its id. */
  async adopt(name: string, partitions: number, configs: Readonly<Record<string, string>> = {}): Promise<Topic> {
    const shown = await this.untilShown(name, partitions)
    const { answer } = await this.run.ask(
      MetadataApi,
      { topics: [{ name }], allowAutoTopicCreation: false },
      { from: 10 }
    )
    const topic: Topic = {
      name,
      id: answer?.topics[0]?.topicId ?? ZERO_UUID,
      configs,
      partitions: Array.from({ length: partitions }, () => ({ startOffset: 0, endOffset: 0, batches: [] }))
    }
    if (shown) this.topics.push(topic)
    return topic
  }

  /** Kafka shows a topic before it has made its logs. */
  async untilShown(name: string, partitions: number): Promise<boolean> {
    const indexes = Array.from({ length: partitions }, (_, partitionIndex) => ({ partitionIndex, timestamp: -1 }))
    return this.run.settle(
      `${name} has ${partitions} partitions with a log`,
      ListOffsetsApi,
      { replicaId: -1, topics: [{ name, partitions: indexes }] },
      (answer) => answer.topics.every((each) => each.partitions.every(({ errorCode }) => errorCode === 0)),
      7
    )
  }

  async deleteTopic(topic: Topic): Promise<void> {
    this.forget(topic)
    await this.run.ask(DeleteTopicsApi, {
      topics: [{ name: topic.name }],
      topicNames: [topic.name],
      timeoutMs: 10_000
    })
    await this.untilGone(topic)
  }

  forget(topic: Topic): void {
    this.topics = this.topics.filter((each) => each !== topic)
    this.gone.push({ name: topic.name, id: topic.id })
    if (this.gone.length > GONE_MAX) this.gone.shift()
  }

  async untilGone(topic: NamedTopic): Promise<void> {
    await this.run.settle(
      `${topic.name} is gone`,
      MetadataApi,
      { topics: [{ name: topic.name }], allowAutoTopicCreation: false },
      (answer) => answer.topics[0]?.errorCode === 3,
      9
    )
    await this.barrier()
  }

  /**
   * What the controller has decided before is in force everywhere: Kafka's broker publishes one image after the other, and
   * shows the next one only when the last one has reached its logs.
   */
  async barrier(): Promise<void> {
    const { run } = this
    const name = `${this.prefix}barrier`
    if (this.#barriers === 0) {
      const create = { topics: [{ name, numPartitions: 1, replicationFactor: 1 }], timeoutMs: 10_000 }
      await this.#each((side) => run.askSide(side, CreateTopicsApi, 4, create, "settle"))
      await this.untilShown(name, 1)
    }
    const value = String(1_000_000_000 + ++this.#barriers)
    const configs = [{ name: "retention.ms", configOperation: 0, value }]
    const alter = { resources: [{ resourceType: 2, resourceName: name, configs }] }
    await this.#each((side) => run.askSide(side, IncrementalAlterConfigsApi, 0, alter, "settle"))
    await run.settle(
      "the barrier is shown",
      DescribeConfigsApi,
      { resources: [{ resourceType: 2, resourceName: name, configurationKeys: ["retention.ms"] }] },
      (answer) => answer.results[0]?.configs[0]?.value === value,
      1
    )
  }

  async #each(work: (side: Run["kafka"]) => Promise<unknown>): Promise<void> {
    await Promise.all([work(this.run.kafka), work(this.run.ours)])
  }

  /** A topic as a client may name it: mostly right, else unknown, gone, invalid, or with the id of another. */
  async named(): Promise<NamedTopic & { readonly topic: Topic | undefined }> {
    const { random } = this
    const topic = await this.topic()
    const wrong = (name: string, id: string) => ({ name, id, topic: undefined })
    switch (random.below(20)) {
      case 0:
        return wrong("unknown", OTHER_ID)
      case 1:
        return wrong(random.pick(INVALID_NAMES), OTHER_ID)
      case 2:
        return this.gone.length === 0 ? wrong("unknown", OTHER_ID) : { ...random.pick(this.gone), topic: undefined }
      default:
        return { name: topic.name, id: topic.id, topic }
    }
  }

  /** An index of the topic's partitions, now and then just wrong. */
  partitionIndex(topic: Topic | undefined): number {
    const count = topic?.partitions.length ?? 1
    if (this.random.chance(0.06)) return this.random.pick([-1, count, 1000, 2_147_483_647])
    return this.random.below(count)
  }

  /** An offset on an edge of the partition or of one of its batches. */
  offset(topic: Topic | undefined, index: number): number {
    const { random } = this
    const partition = topic?.partitions[index]
    if (partition === undefined) return random.below(3)
    const { startOffset, endOffset, batches } = partition
    const batch = batches.length === 0 ? undefined : random.pick(batches)
    const edges = [startOffset, endOffset, endOffset - 1, endOffset + 1, startOffset - 1, 0, -1, -2, 2 ** 40]
    if (batch !== undefined) {
      const { baseOffset, count } = batch
      edges.push(baseOffset, baseOffset, baseOffset + count - 1, baseOffset + (count >> 1), baseOffset + count)
    }
    return random.pick(edges)
  }

  leaderEpoch(): number {
    return this.random.chance(0.8) ? this.random.pick([-1, 0]) : this.random.pick([-2, 1, 5, 2_147_483_647])
  }
}
