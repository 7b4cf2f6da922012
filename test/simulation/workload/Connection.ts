/**
 * What every virtual client has: a number, chances of its own, requests with a timeout, and a picture of the cluster as some
 * node last described it. An answer that comes after the timeout is not heard.
 */
import type { Prng } from "../../../packages/core/src/base/Prng.ts"
import type { MetadataImage, PartitionImage, TopicImage } from "../../../packages/core/src/metadata/MetadataImage.ts"
import type { Options } from "../kernel/Options.ts"
import type { World } from "../World.ts"
import type { ClientAnswer, ClientPort, ClientRequest } from "./ClientPort.ts"

/** What the clients need of the options; the kernel draws them. */
export type WorkloadOptions = Pick<
  Options,
  | "voters"
  | "topics"
  | "partitions"
  | "replicationFactor"
  | "minInSync"
  | "producers"
  | "consumers"
  | "metadataClients"
  | "produceEveryMs"
  | "produceTimeoutMs"
  | "recordsMax"
  | "recordBytesMax"
  | "idempotentShare"
  | "acksAllWeight"
  | "acksOneWeight"
  | "acksNoneWeight"
  | "fetchEveryMs"
  | "metadataEveryMs"
  | "topicChangeEveryMs"
  | "reassignEveryMs"
  | "membershipEveryMs"
  | "transferEveryMs"
  | "handOverEveryMs"
  | "minInSyncChangeEveryMs"
>

export interface ClientWorld extends World {
  /** A generator of its own for one client: what others draw does not shift it. */
  stream(name: string): Prng
}

type AnswerTo<Request extends ClientRequest> = Extract<ClientAnswer, { readonly _tag: Request["_tag"] }>

export interface Place {
  readonly topic: TopicImage
  readonly partition: PartitionImage
}

export class Connection {
  readonly client: number
  readonly world: ClientWorld
  readonly options: WorkloadOptions
  readonly random: Prng
  /** No new operations; those under way come to an end. */
  stopped = false
  image: MetadataImage | undefined
  readonly #port: ClientPort

  constructor(world: ClientWorld, port: ClientPort, options: WorkloadOptions, client: number) {
    this.world = world
    this.#port = port
    this.options = options
    this.client = client
    this.random = world.stream(`client ${client}`)
  }

  get nodes(): ReadonlyArray<number> {
    return this.#port.nodes
  }

  anyNode(): number {
    return this.random.pick(this.#port.nodes)
  }

  /** `onAnswer` is called once, with undefined when the time is over. */
  ask<Request extends ClientRequest>(
    node: number,
    request: Request,
    onAnswer: (answer: AnswerTo<Request> | undefined) => void
  ): void {
    let waiting = true
    const end = (answer: ClientAnswer | undefined) => {
      if (!waiting) return
      waiting = false
      onAnswer(answer as AnswerTo<Request> | undefined)
    }
    const timer = this.world.after(this.options.produceTimeoutMs, "client timeout", () => end(undefined))
    this.#port.ask(this.client, node, request, (answer) => {
      this.world.cancel(timer)
      end(answer)
    })
  }

  /** Sends what is never answered. */
  tell(node: number, request: ClientRequest): void {
    this.#port.ask(this.client, node, request, () => {})
  }

  /** Asks any node for its picture of the cluster, which may be older than the one before. */
  refresh(done: () => void): void {
    this.ask(this.anyNode(), { _tag: "Where" }, (answer) => {
      if (answer !== undefined) this.image = answer.image
      done()
    })
  }

  /** Calls `act` about every `everyMs` until the workload stops; never when it is 0. */
  every(everyMs: number, label: string, act: () => void): void {
    if (everyMs <= 0) return
    const delayMs = everyMs * (0.25 + 1.5 * this.random.fraction())
    this.world.after(delayMs, label, () => {
      if (this.stopped) return
      act()
      this.every(everyMs, label, act)
    })
  }

  /** A partition of the last picture; undefined when it shows none. */
  anyPartition(): Place | undefined {
    // The image lists topics in no order that a seed would fix.
    const topics = [...(this.image?.topics() ?? [])].sort((a, b) => (a.name < b.name ? -1 : 1))
    if (topics.length === 0) return undefined
    const topic = this.random.pick(topics)
    return { topic, partition: this.random.pick(topic.partitions) }
  }

  /** Who leads a partition, by the last picture; any node when that shows nobody. */
  leaderOf(topicId: string, partition: number): number {
    const leader = this.image?.topicById(topicId)?.partitions[partition]?.leader ?? -1
    return leader >= 0 ? leader : this.anyNode()
  }
}
