import { describe, expect, it } from "vitest"
import type { Prng } from "../../../packages/core/src/base/Prng.ts"
import { ProducerState } from "../../../packages/core/src/log/ProducerState.ts"
import type { Command } from "../../../packages/core/src/metadata/Command.ts"
import { emptyImage, type MetadataImage } from "../../../packages/core/src/metadata/MetadataImage.ts"
import { replay } from "../../../packages/core/src/metadata/Replay.ts"
import { type ErrorCode, errorName } from "../../../packages/core/src/model/ErrorCode.ts"
import { Linearizability } from "../check/Linearizability.ts"
import { Kernel } from "../kernel/Kernel.ts"
import { drawOptions, type Options } from "../kernel/Options.ts"
import type { Observation } from "../Observation.ts"
import type { SimBatch } from "../World.ts"
import type { ClientAnswer, ClientPort, ClientRequest, ErrorName, ProduceRequest } from "./ClientPort.ts"
import { startWorkload } from "./Workload.ts"

const NODES = [1, 2, 3]

/** One broker without faults behind a line that loses requests and answers. */
class Broker implements ClientPort {
  readonly nodes = NODES
  readonly logs = new Map<string, Array<SimBatch>>()
  readonly #producers = new Map<string, ProducerState>()
  readonly #kernel: Kernel
  readonly #random: Prng
  readonly #lossChance: number
  #image: MetadataImage = emptyImage("one")
  #index = 1

  constructor(kernel: Kernel, lossChance: number) {
    this.#kernel = kernel
    this.#random = kernel.stream("broker")
    this.#lossChance = lossChance
    for (const nodeId of NODES) {
      const command = { nodeId, incarnation: 1, directoryId: `d${nodeId}`, endpoints: [], rack: null }
      this.#apply({ _tag: "RegisterNode", ...command })
    }
  }

  ask(_client: number, _node: number, request: ClientRequest, onAnswer: (answer: ClientAnswer) => void): void {
    this.#travel(() => {
      const answer = this.#answer(request)
      if (request._tag !== "Produce" || request.acks !== 0) this.#travel(() => onAnswer(answer))
    })
  }

  #travel(arrive: () => void): void {
    if (!this.#random.chance(this.#lossChance)) this.#kernel.after(this.#random.fraction() * 5, "line", arrive)
  }

  #apply(command: Command) {
    const { image, result } = replay(this.#image, command, this.#index++)
    this.#image = image
    return result
  }

  #answer(request: ClientRequest): ClientAnswer {
    switch (request._tag) {
      case "Produce":
        return this.#produce(request)
      case "Fetch": {
        const batches = this.logs.get(`${request.topicId}-${request.partition}`) ?? []
        let baseOffset = 0
        const placed = batches.map((batch) => {
          const at = { baseOffset, batch }
          baseOffset += batch.ids.length
          return at
        })
        const wanted = placed.filter((at) => at.baseOffset + at.batch.ids.length > request.offset)
        return { _tag: "Fetch", error: "NONE", batches: wanted, highWatermark: baseOffset }
      }
      case "ReadTopic": {
        const topic = this.#image.topic(request.name)
        const minInSync = topic?.configs.get("min.insync.replicas") ?? null
        return { _tag: "ReadTopic", error: "NONE", topicId: topic?.topicId ?? null, minInSync }
      }
      case "Propose":
        return { _tag: "Propose", error: "NONE", result: this.#apply(request.command) }
      case "Operator":
        return { _tag: "Operator", error: "NONE" }
      case "Where": {
        const voters = NODES.map((node) => ({ node, directoryId: `d${node}` }))
        return { _tag: "Where", image: this.#image, configuration: { voters, learners: [] }, raftLeader: 1 }
      }
    }
  }

  #produce({ topicId, partition, batch }: ProduceRequest): ClientAnswer {
    const key = `${topicId}-${partition}`
    const log = this.logs.get(key) ?? []
    this.logs.set(key, log)
    const producers = this.#producers.get(key) ?? new ProducerState()
    this.#producers.set(key, producers)
    const baseOffset = log.reduce((sum, { ids }) => sum + ids.length, 0)
    const { producerId, producerEpoch, baseSequence, ids } = batch
    if (producerId >= 0) {
      const { errorCode, duplicate } = producers.checkSequence(producerId, producerEpoch, baseSequence, ids.length, 0)
      const error = errorName(errorCode as ErrorCode) as ErrorName
      if (errorCode !== 0) return { _tag: "Produce", error, baseOffset: -1, epoch: -1 }
      if (duplicate !== undefined) return { _tag: "Produce", error, baseOffset: duplicate.baseOffset, epoch: 0 }
      producers.appended(headerOf(batch), 0, baseOffset, 0)
    }
    log.push(batch)
    return { _tag: "Produce", error: "NONE", baseOffset, epoch: 0 }
  }
}

const headerOf = (batch: SimBatch): Uint8Array => {
  const bytes = new Uint8Array(61)
  const view = new DataView(bytes.buffer)
  view.setInt32(23, batch.ids.length - 1)
  view.setBigInt64(43, BigInt(batch.producerId))
  view.setInt16(51, batch.producerEpoch)
  view.setInt32(53, batch.baseSequence)
  return bytes
}

const run = (seed: number, lossChance: number, changes: Partial<Options>) => {
  const options = { ...drawOptions(seed), topics: 2, partitions: 2, replicationFactor: 3, minInSync: 1, ...changes }
  const kernel = new Kernel(seed, options)
  const seen: Array<Observation> = []
  kernel.addObserver((observation) => seen.push(observation))
  const broker = new Broker(kernel, lossChance)
  const view = { nodes: NODES, node: (node: number) => ({ directoryId: `d${node}` }) as never }
  const workload = startWorkload(kernel, options, broker, view)
  kernel.run(3_000, 1_000_000, () => undefined)
  workload.stop()
  kernel.run(12_000, 1_000_000, () => undefined)
  return { kernel, seen, broker, workload }
}

type Of<Tag extends Observation["_tag"]> = Extract<Observation, { readonly _tag: Tag }>
const only = <Tag extends Observation["_tag"]>(seen: ReadonlyArray<Observation>, tag: Tag): ReadonlyArray<Of<Tag>> =>
  seen.filter((observation): observation is Of<Tag> => observation._tag === tag)

const PRODUCE = { producers: 2, consumers: 1, metadataClients: 0, produceEveryMs: 5, produceTimeoutMs: 100 }

describe("producers", () => {
  it("settle every record, each sent under one name to one place", () => {
    const { seen, workload } = run(1, 0.1, { ...PRODUCE, idempotentShare: 0 })
    expect(workload.pending()).toBe(0)
    const ids = only(seen, "ProduceSent").flatMap((sent) => sent.ids)
    expect(ids.length).toBeGreaterThan(200)
    expect(new Set(ids).size).toBe(ids.length)
  })

  it("idempotent: every batch once in the log, in sequence, wherever its answer got lost", () => {
    const { seen, broker, kernel } = run(2, 0.2, { ...PRODUCE, idempotentShare: 1 })
    const acked = only(seen, "ProduceAcked")
    expect(acked.length).toBeGreaterThan(100)
    expect(kernel.coverage.counts["client.retry"]).toBeGreaterThan(10)
    for (const [key, log] of broker.logs) {
      const ids = log.flatMap((batch) => batch.ids)
      expect(new Set(ids).size).toBe(ids.length)
      for (const { topicId, partition, records } of acked) {
        if (key === `${topicId}-${partition}`) for (const { id, offset } of records) expect(ids[offset]).toBe(id)
      }
    }
    const givenUp = only(seen, "ProduceFailed").flatMap(({ ids }) => ids)
    const sent = only(seen, "ProduceSent").flatMap(({ ids }) => ids)
    expect(acked.flatMap(({ records }) => records).length + givenUp.length).toBe(sent.length)
  })

  it("idempotent: several batches in flight, never more than five, one until the first is acknowledged", () => {
    const { seen } = run(3, 0, { ...PRODUCE, produceEveryMs: 1, idempotentShare: 1 })
    const open = new Map<string, number>()
    let most = 0
    for (const observation of seen) {
      if (observation._tag !== "ProduceSent" && observation._tag !== "ProduceAcked") continue
      const lane = `${observation.client} ${observation.topicId}-${observation.partition}`
      const now = (open.get(lane) ?? 0) + (observation._tag === "ProduceSent" ? 1 : -1)
      open.set(lane, now)
      most = Math.max(most, now)
    }
    expect(most).toBe(5)
  })

  it("say all kinds of acks where the options ask for them", () => {
    const { seen } = run(4, 0, {
      ...PRODUCE,
      idempotentShare: 0,
      acksAllWeight: 1,
      acksOneWeight: 1,
      acksNoneWeight: 1
    })
    expect(new Set(only(seen, "ProduceSent").map(({ acks }) => acks))).toEqual(new Set([-1, 0, 1]))
    expect(new Set(only(seen, "ProduceAcked").map(({ acks }) => acks))).toEqual(new Set([-1, 1]))
  })
})

describe("readers", () => {
  it("read on from where they were", () => {
    const { seen } = run(5, 0, { ...PRODUCE, fetchEveryMs: 5 })
    const fetched = only(seen, "Fetched")
    expect(fetched.some(({ offset }) => offset > 0)).toBe(true)
    for (const { offset, records } of fetched) if (records.length > 0) expect(records[0]!.offset).toBe(offset)
  })
})

describe("metadata clients and the administrator", () => {
  const busy = {
    ...{ producers: 0, consumers: 0, metadataClients: 2, metadataEveryMs: 10, topicChangeEveryMs: 100 },
    ...{
      minInSyncChangeEveryMs: 50,
      reassignEveryMs: 50,
      membershipEveryMs: 50,
      transferEveryMs: 50,
      handOverEveryMs: 50
    }
  }

  it("answer for what they asked, as a register that loses nothing shows", () => {
    const { seen, kernel, workload } = run(6, 0.1, busy)
    expect(workload.pending()).toBe(0)
    const verdicts: Array<string> = []
    const checker = new Linearizability((state) => verdicts.push(state))
    for (const observation of seen) checker.observe(observation)
    checker.final()
    expect(verdicts).toContain("check.history linearizable")
    expect(verdicts).not.toContain("check.history undecided")
    const { counts } = kernel.coverage
    for (const kind of ["create", "delete", "set", "read", "allocate"]) {
      expect(counts[`client.${kind} ok`]).toBeGreaterThan(0)
    }
    for (const order of ["Reassign", "ElectPreferred", "RemoveMember", "TransferLeadership"]) {
      expect(counts[`operator.${order} NONE`]).toBeGreaterThan(0)
    }
  })

  it("leave the topics there that were asked for", () => {
    const { seen } = run(7, 0.2, busy)
    const created = new Map<string, number>()
    const calls = new Map(only(seen, "MetadataCall").map((call) => [`${call.client}/${call.operation}`, call]))
    for (const { client, operation, outcome } of only(seen, "MetadataReturn")) {
      const call = calls.get(`${client}/${operation}`)!
      if (outcome !== "ok" || !call.key.startsWith("t")) continue
      if (call.kind === "create") created.set(call.key, (created.get(call.key) ?? 0) + 1)
      if (call.kind === "delete") created.set(call.key, (created.get(call.key) ?? 0) - 1)
    }
    expect([...created.keys()].sort()).toEqual(["t0", "t1"])
    expect(Math.max(...created.values())).toBeLessThanOrEqual(1)
  })
})
