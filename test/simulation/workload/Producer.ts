/**
 * A client that produces. It picks a partition each time, sends to the leader that its picture of the cluster names, and says
 * what became of it.
 *
 * Not idempotent: each batch is sent once, whatever happens to it. Idempotent (acks=all): a batch is sent again with the same
 * sequence until it is acknowledged or given up, up to five are in flight a partition (one until the first is acknowledged, since
 * a broker that knows nothing of a producer takes any sequence as its first), and after a batch was given up the producer goes
 * on in its next epoch, from sequence 0.
 */
import { hashText } from "../kernel/Streams.ts"
import type { SimBatch } from "../World.ts"
import type { ProduceRequest } from "./ClientPort.ts"
import type { Connection } from "./Connection.ts"

const IN_FLIGHT_MAX = 5
const GIVE_UP_MS = 4_000
/** Producer ids of one client: fewer partitions than this are produced to by it in a run. */
const IDS_A_CLIENT = 10_000

interface InFlight {
  readonly batch: SimBatch
  readonly sentMs: number
}

/** One idempotent producer and one partition. */
interface Lane {
  readonly topicId: string
  readonly partition: number
  readonly producerId: number
  producerEpoch: number
  nextSequence: number
  /** A batch of this epoch has been acknowledged. */
  established: boolean
  /** Not yet acknowledged, in the order of their sequences. */
  inFlight: Array<InFlight>
}

export class Producer {
  readonly #at: Connection
  readonly #idempotent: boolean
  readonly #lanes = new Map<string, Lane>()
  #records = 0

  constructor(connection: Connection) {
    this.#at = connection
    this.#idempotent = connection.random.chance(connection.options.idempotentShare)
    connection.every(connection.options.produceEveryMs, "produce", () => this.#produce())
  }

  get pending(): number {
    let pending = 0
    for (const lane of this.#lanes.values()) pending += lane.inFlight.length
    return pending
  }

  #produce(): void {
    const at = this.#at
    if (at.image === undefined || at.random.chance(0.05)) at.refresh(() => {})
    const place = at.anyPartition()
    if (place === undefined) return
    const { topicId } = place.topic
    const { partition } = place.partition
    if (this.#idempotent) this.#produceIdempotent(this.#lane(topicId, partition))
    else this.#produceOnce(topicId, partition)
  }

  #batch(producerId: number, producerEpoch: number, baseSequence: number): SimBatch {
    const { random, options, client } = this.#at
    const ids = Array.from({ length: random.between(1, options.recordsMax) }, () => `c${client}.${this.#records++}`)
    const bytes = ids.length * random.between(1, options.recordBytesMax)
    return { ids, hash: hashText(ids.join()), producerId, producerEpoch, baseSequence, bytes }
  }

  #sent({ topicId, partition, acks, batch }: ProduceRequest): void {
    this.#at.world.observe({
      _tag: "ProduceSent",
      client: this.#at.client,
      topicId,
      partition,
      acks,
      ids: batch.ids,
      idempotent: this.#idempotent
    })
  }

  #acked(request: ProduceRequest, node: number, baseOffset: number, epoch: number): void {
    const { topicId, partition, acks, batch } = request
    const { client, world } = this.#at
    const records = batch.ids.map((id, i) => ({ id, offset: baseOffset + i }))
    const idempotent = this.#idempotent
    world.observe({ _tag: "ProduceAcked", client, topicId, partition, acks, records, idempotent, node, epoch })
    world.cover(`client.acked ${acks}`)
  }

  #failed(batch: SimBatch, reason: string): void {
    this.#at.world.observe({ _tag: "ProduceFailed", client: this.#at.client, ids: batch.ids, reason })
    this.#at.world.cover(`client.failed ${reason}`)
  }

  // --- not idempotent

  #acks(): 0 | 1 | -1 {
    const { acksAllWeight, acksOneWeight, acksNoneWeight } = this.#at.options
    const drawn = this.#at.random.fraction() * (acksAllWeight + acksOneWeight + acksNoneWeight)
    return drawn < acksAllWeight ? -1 : drawn < acksAllWeight + acksOneWeight ? 1 : 0
  }

  #produceOnce(topicId: string, partition: number): void {
    const at = this.#at
    const acks = this.#acks()
    const request: ProduceRequest = { _tag: "Produce", topicId, partition, acks, batch: this.#batch(-1, -1, -1) }
    const node = at.leaderOf(topicId, partition)
    this.#sent(request)
    if (acks === 0) return at.tell(node, request)
    at.ask(node, request, (answer) => {
      if (answer?.error === "NONE") return this.#acked(request, node, answer.baseOffset, answer.epoch)
      this.#failed(request.batch, answer?.error ?? "no answer")
      at.refresh(() => {})
    })
  }

  // --- idempotent

  #lane(topicId: string, partition: number): Lane {
    const key = `${topicId}-${partition}`
    let lane = this.#lanes.get(key)
    if (lane === undefined) {
      const producerId = this.#at.client * IDS_A_CLIENT + this.#lanes.size
      const fresh = { producerEpoch: 0, nextSequence: 0, established: false, inFlight: [] }
      lane = { topicId, partition, producerId, ...fresh }
      this.#lanes.set(key, lane)
    }
    return lane
  }

  #produceIdempotent(lane: Lane): void {
    if (lane.inFlight.length >= (lane.established ? IN_FLIGHT_MAX : 1)) return
    const batch = this.#batch(lane.producerId, lane.producerEpoch, lane.nextSequence)
    lane.nextSequence += batch.ids.length
    const entry = { batch, sentMs: this.#at.world.nowMs() }
    lane.inFlight.push(entry)
    this.#sent(this.#request(lane, batch))
    this.#send(lane, entry)
  }

  #request({ topicId, partition }: Lane, batch: SimBatch): ProduceRequest {
    return { _tag: "Produce", topicId, partition, acks: -1, batch }
  }

  #send(lane: Lane, entry: InFlight): void {
    if (!lane.inFlight.includes(entry)) return
    const node = this.#at.leaderOf(lane.topicId, lane.partition)
    const request = this.#request(lane, entry.batch)
    const first = lane.inFlight[0] === entry
    this.#at.ask(node, request, (answer) => {
      // Given up meanwhile, together with one that was sent before it.
      if (!lane.inFlight.includes(entry)) return
      const error = answer?.error ?? "no answer"
      if (answer?.error === "NONE") {
        lane.inFlight = lane.inFlight.filter((other) => other !== entry)
        lane.established = true
        return this.#acked(request, node, answer.baseOffset, answer.epoch)
      }
      // Nothing before it was missing when it went out, so nothing will fill the gap that the broker sees.
      const gap = error === "OUT_OF_ORDER_SEQUENCE_NUMBER" && first
      const old = this.#at.world.nowMs() - entry.sentMs > GIVE_UP_MS
      if (gap || old || error === "INVALID_PRODUCER_EPOCH") return this.#giveUp(lane, error)
      this.#again(lane, entry)
    })
  }

  #again(lane: Lane, entry: InFlight): void {
    const { world, random } = this.#at
    world.cover("client.retry")
    world.after(5 + 60 * random.fraction(), "client retries", () => this.#at.refresh(() => this.#send(lane, entry)))
  }

  /** What is in flight has an unknown fate; the next epoch fences it off. */
  #giveUp(lane: Lane, reason: string): void {
    for (const { batch } of lane.inFlight) this.#failed(batch, reason)
    lane.inFlight = []
    lane.producerEpoch++
    lane.nextSequence = 0
    lane.established = false
  }
}
