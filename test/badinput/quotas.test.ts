/**
 * Quotas as clients meet them: answers that tell to pause, connections that are not read meanwhile, and everybody else
 * undisturbed. Pauses are short here; their arithmetic is tested with a clock of its own beside `quota/ClientQuotas`.
 */
import { rmSync } from "node:fs"
import { ErrorCode } from "@chronik-effect/core/model/ErrorCode.ts"
import { ProduceApi } from "@chronik-effect/core/protocol/messages/00_Produce.ts"
import { FetchApi } from "@chronik-effect/core/protocol/messages/01_Fetch.ts"
import { MetadataApi } from "@chronik-effect/core/protocol/messages/03_Metadata.ts"
import { ApiVersionsApi } from "@chronik-effect/core/protocol/messages/18_ApiVersions.ts"
import { CreateTopicsApi } from "@chronik-effect/core/protocol/messages/19_CreateTopics.ts"
import { DeleteTopicsApi } from "@chronik-effect/core/protocol/messages/20_DeleteTopics.ts"
import { CreatePartitionsApi } from "@chronik-effect/core/protocol/messages/37_CreatePartitions.ts"
import { DescribeClientQuotasApi } from "@chronik-effect/core/protocol/messages/48_DescribeClientQuotas.ts"
import { AlterClientQuotasApi } from "@chronik-effect/core/protocol/messages/49_AlterClientQuotas.ts"
import { type Broker, startBroker } from "chronik-effect/testing"
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest"
import { BrokerProcess, freePort, temporaryDirectory } from "../support/BrokerProcess.ts"
import { ConnectionClosed, Peer } from "./Peer.ts"
import { batchesIn, batchOf, createTopic, fetchRequest, latestOffset, produceRequest, type Topic } from "./Requests.ts"

let broker: Broker
let root: Peer
let names = 0
const opened: Array<Peer> = []

beforeAll(async () => {
  broker = await startBroker()
  root = await Peer.connect(broker.port)
  root.clientId = "root"
})
afterEach(() => {
  for (const peer of opened.splice(0)) peer[Symbol.dispose]()
})
afterAll(async () => {
  root[Symbol.dispose]()
  await broker.close()
})

type Entity = ReadonlyArray<readonly [type: string, name: string | null]>

const alter = async (peer: Peer, entity: Entity, changes: Readonly<Record<string, number | null>>): Promise<void> => {
  const { entries } = await peer.call(AlterClientQuotasApi, 1, {
    entries: [
      {
        entity: entity.map(([entityType, entityName]) => ({ entityType, entityName })),
        ops: Object.entries(changes).map(([key, value]) => ({ key, value: value ?? 0, remove: value === null }))
      }
    ]
  })
  expect(entries[0]).toMatchObject({ errorCode: ErrorCode.NONE })
}

const clientNamed = async (clientId: string): Promise<Peer> => {
  const peer = await Peer.connect(broker.port)
  opened.push(peer)
  peer.clientId = clientId
  return peer
}
/** A client of its own with these quotas. */
const limited = async (changes: Readonly<Record<string, number>>): Promise<Peer> => {
  const clientId = `limited-${++names}`
  await alter(root, [["client-id", clientId]], changes)
  return clientNamed(clientId)
}
const freshTopic = (): Promise<Topic> => createTopic(root, `quotas-${++names}`)
const batchOfBytes = (bytes: number) => batchOf(["q".repeat(bytes)])
const timed = async <A>(run: () => Promise<A>): Promise<readonly [A, number]> => {
  const started = performance.now()
  const value = await run()
  return [value, performance.now() - started]
}

describe("producer_byte_rate", () => {
  test("in every version the answer comes at once, and what comes after it waits for the pause", async () => {
    const topic = await freshTopic()
    for (const version of [3, 5, 6, 9, 12]) {
      // A hundred thousand at once are free, ten seconds' worth; 3,000 more are paid back in 300 ms.
      const client = await limited({ producer_byte_rate: 10_000 })
      const request = produceRequest(topic, batchOfBytes(103_000))
      const [answer, tookMs] = await timed(() => client.call(ProduceApi, version, request))
      expect(answer.responses[0]!.partitionResponses[0]!.errorCode).toBe(0)
      expect(answer.throttleTimeMs).toBeGreaterThan(200)
      expect(answer.throttleTimeMs).toBeLessThan(400)
      const [, waitedMs] = await timed(() => client.call(ApiVersionsApi, 0, {}))
      expect(tookMs + waitedMs).toBeGreaterThan(answer.throttleTimeMs - 20)
    }
  })

  test("requests that came together are handled one after the other's pause; none is lost", async () => {
    const topic = await freshTopic()
    const client = await limited({ producer_byte_rate: 100_000 })
    const request = produceRequest(topic, batchOfBytes(1_010_000))
    client.ask(ProduceApi, 9, request)
    for (let i = 0; i < 3; i++) client.ask(ProduceApi, 9, produceRequest(topic, batchOfBytes(10_000)))
    const [, tookMs] = await timed(async () => {
      for (let i = 0; i < 4; i++) await client.frame()
    })
    // 1,040,000 bytes, of which a million are free.
    expect(tookMs).toBeGreaterThan(250)
    expect(await latestOffset(root, topic)).toBe(4)
  })

  test("acks=0 has no answer to tell it, and pauses all the same", async () => {
    const topic = await freshTopic()
    const client = await limited({ producer_byte_rate: 100_000 })
    client.ask(ProduceApi, 9, produceRequest(topic, batchOfBytes(1_020_000), { acks: 0 }))
    const [, waitedMs] = await timed(() => client.call(ApiVersionsApi, 0, {}))
    expect(waitedMs).toBeGreaterThan(150)
    expect(await latestOffset(root, topic)).toBe(1)
  })

  test("another client, and another connection, are not held up", async () => {
    const topic = await freshTopic()
    const client = await limited({ producer_byte_rate: 1 })
    const paused = await client.call(ProduceApi, 9, produceRequest(topic, batchOfBytes(100_000)))
    expect(paused.throttleTimeMs).toBeGreaterThan(90_000_000)
    const other = await clientNamed("somebody")
    const answer = await other.call(ProduceApi, 9, produceRequest(topic, batchOfBytes(100_000)))
    expect(answer).toMatchObject({ throttleTimeMs: 0, responses: [{ partitionResponses: [{ errorCode: 0 }] }] })
    // The same client by another connection is served, and told to pause.
    const again = await clientNamed(client.clientId!)
    expect((await again.call(ProduceApi, 9, produceRequest(topic, batchOfBytes(1)))).throttleTimeMs).toBeGreaterThan(0)
  })

  test("muted connections that go are forgotten; a half-sent frame of one holds up nobody", async () => {
    const topic = await freshTopic()
    for (let i = 0; i < 20; i++) {
      const client = await limited({ producer_byte_rate: 1 })
      client.ask(ProduceApi, 9, produceRequest(topic, batchOfBytes(10_000)))
      client.send(Buffer.from([0, 16, 0, 0, 0, 0, 0, 9]))
      await client.frame()
      if (i % 2 === 0) client.reset()
    }
    expect(await latestOffset(root, topic)).toBe(20)
  })
})

describe("consumer_byte_rate", () => {
  const filled = async (batches: number, bytes: number): Promise<Topic> => {
    const topic = await freshTopic()
    for (let i = 0; i < batches; i++) await root.call(ProduceApi, 9, produceRequest(topic, batchOfBytes(bytes)))
    return topic
  }

  test("in every version a fetch that would be too much is empty at once, and the next one gets it after the pause", async () => {
    const topic = await filled(2, 55_000)
    for (const version of [4, 7, 8, 12, 16]) {
      const client = await limited({ consumer_byte_rate: 10_000 })
      const one = (offset: number) => fetchRequest([topic], { offset, partitionMaxBytes: 1, maxWaitMs: 20_000 })
      const first = await client.call(FetchApi, version, one(0))
      expect([first.throttleTimeMs, batchesIn(first.responses[0]!.partitions[0]!).length]).toEqual([0, 1])
      const [throttled, tookMs] = await timed(() => client.call(FetchApi, version, one(1)))
      expect(throttled).toMatchObject({ errorCode: 0, responses: [] })
      expect(throttled.throttleTimeMs).toBeGreaterThan(100)
      const [later, waitedMs] = await timed(() => client.call(FetchApi, version, one(1)))
      expect([later.throttleTimeMs, batchesIn(later.responses[0]!.partitions[0]!).length]).toEqual([0, 1])
      expect(tookMs + waitedMs).toBeGreaterThan(throttled.throttleTimeMs - 20)
    }
  })

  test("a session outlives a throttled fetch; a full one that is throttled has none", async () => {
    const topic = await filled(2, 55_000)
    const client = await limited({ consumer_byte_rate: 10_000 })
    const request = { ...fetchRequest([topic], { partitionMaxBytes: 1 }), sessionEpoch: 0 }
    const { sessionId } = await client.call(FetchApi, 12, request)
    expect(sessionId).toBeGreaterThan(0)
    const throttled = await client.call(FetchApi, 12, {
      ...fetchRequest([topic], { offset: 1 }),
      sessionId,
      sessionEpoch: 1
    })
    expect(throttled).toMatchObject({ errorCode: 0, sessionId, responses: [] })
    expect(throttled.throttleTimeMs).toBeGreaterThan(0)
    const later = await client.call(FetchApi, 12, { ...fetchRequest([]), sessionId, sessionEpoch: 2 })
    expect(later).toMatchObject({ errorCode: 0, sessionId })
    expect(batchesIn(later.responses[0]!.partitions[0]!)).toHaveLength(1)
    const full = await client.call(FetchApi, 12, request)
    expect(full).toMatchObject({ sessionId: 0, responses: [] })
    expect(full.throttleTimeMs).toBeGreaterThan(0)
  })

  test("an answer holds no more than may be used at once, but one whole batch; min.bytes is bounded by it", async () => {
    const topic = await filled(20, 1_000)
    const client = await limited({ consumer_byte_rate: 500 })
    const request = fetchRequest([topic], { minBytes: 1 << 20, maxWaitMs: 20_000 })
    const [answer, tookMs] = await timed(() => client.call(FetchApi, 12, request))
    expect(batchesIn(answer.responses[0]!.partitions[0]!)).toHaveLength(4)
    expect(tookMs).toBeLessThan(10_000)
    const small = await limited({ consumer_byte_rate: 10 })
    const whole = await small.call(FetchApi, 12, request)
    expect(batchesIn(whole.responses[0]!.partitions[0]!)).toHaveLength(1)
  })

  test("a fetch that has parked is held to the quota when it wakes", async () => {
    const topic = await freshTopic()
    const client = await limited({ consumer_byte_rate: 100_000 })
    const parked = client.call(FetchApi, 12, fetchRequest([topic], { maxWaitMs: 20_000 }))
    const other = await clientNamed(client.clientId!)
    const old = await filled(1, 999_000)
    await other.call(FetchApi, 12, fetchRequest([old]))
    await root.call(ProduceApi, 9, produceRequest(topic, batchOfBytes(20_000)))
    const answer = await parked
    expect(answer.responses).toEqual([])
    expect(answer.throttleTimeMs).toBeGreaterThan(0)
  })
})

test("request_percentage: who uses the processor too much is paused, and told by whatever answer comes", async () => {
  const topic = await freshTopic()
  const client = await limited({ request_percentage: 0.001 })
  const told: Array<number> = []
  for (let i = 0; i < 3; i++) {
    told.push((await client.call(MetadataApi, 12, { topics: [{ name: topic.name }] })).throttleTimeMs)
    told.push((await client.call(ProduceApi, 9, produceRequest(topic, batchOfBytes(10)))).throttleTimeMs)
  }
  expect(told.some((ms) => ms > 0)).toBe(true)
  expect(Math.max(...told)).toBeLessThanOrEqual(1000)
})

describe("controller_mutation_rate", () => {
  const topicNamed = (name: string, numPartitions: number) => ({
    name,
    numPartitions,
    replicationFactor: -1,
    assignments: [],
    configs: []
  })
  const create = (peer: Peer, version: number, counts: ReadonlyArray<number>, validateOnly = false) =>
    peer.call(CreateTopicsApi, version, {
      topics: counts.map((count) => topicNamed(`mutated-${++names}`, count)),
      timeoutMs: 10_000,
      validateOnly
    })
  const codes = (answers: ReadonlyArray<{ readonly errorCode: number }>) => answers.map(({ errorCode }) => errorCode)
  const EXCEEDED = ErrorCode.THROTTLING_QUOTA_EXCEEDED

  test("CreateTopics: refused from version 6 on, carried out with a pause before", async () => {
    // Eleven seconds' worth at once: 110 partitions.
    const client = await limited({ controller_mutation_rate: 10 })
    const first = await create(client, 7, [100, 30, 1, 1])
    expect(codes(first.topics)).toEqual([0, 0, EXCEEDED, EXCEEDED])
    expect(first.throttleTimeMs).toBeGreaterThan(0)
    expect(codes((await create(client, 6, [50])).topics)).toEqual([0])
    const older = await create(client, 5, [1, 1])
    expect(codes(older.topics)).toEqual([0, 0])
    expect(older.throttleTimeMs).toBeGreaterThan(0)
  })

  test("a request that is only judged counts too; one that is refused for another reason does not", async () => {
    const client = await limited({ controller_mutation_rate: 10 })
    expect(codes((await create(client, 7, [0, -7])).topics)).toEqual([
      ErrorCode.INVALID_PARTITIONS,
      ErrorCode.INVALID_PARTITIONS
    ])
    expect(codes((await create(client, 7, [140], true)).topics)).toEqual([0])
    expect(codes((await create(client, 7, [1], true)).topics)).toEqual([EXCEEDED])
  })

  test("CreatePartitions from version 3 and DeleteTopics from version 5 on", async () => {
    const client = await limited({ controller_mutation_rate: 10 })
    const topics = await Promise.all([freshTopic(), freshTopic(), freshTopic()])
    const grow = async (version: number, topic: Topic, count: number) =>
      (
        await client.call(CreatePartitionsApi, version, {
          topics: [{ name: topic.name, count, assignments: null }],
          timeoutMs: 10_000
        })
      ).results
    const remove = async (version: number, topic: Topic) => {
      const asked = version >= 6 ? { topics: [{ name: topic.name }] } : { topicNames: [topic.name] }
      return (await client.call(DeleteTopicsApi, version, { ...asked, timeoutMs: 10_000 })).responses
    }
    expect(codes(await grow(3, topics[0]!, 130))).toEqual([0])
    expect(codes(await grow(3, topics[1]!, 2))).toEqual([EXCEEDED])
    // The connection was muted until all was paid back: each of these is the first after a pause.
    expect(codes(await grow(2, topics[1]!, 4))).toEqual([0])
    expect(codes(await remove(6, topics[0]!))).toEqual([0])
    expect(codes(await remove(5, topics[1]!))).toEqual([EXCEEDED])
  })
})

test("connection_creation_rate: one too many is closed unserved, after a moment; others are served", async () => {
  await alter(root, [["ip", "127.0.0.1"]], { connection_creation_rate: 1 })
  try {
    let served = 0
    let refused: unknown
    while (refused === undefined && served < 100) {
      const peer = await Peer.connect(broker.port)
      opened.push(peer)
      await peer.call(ApiVersionsApi, 0, {}).then(
        () => {
          served++
        },
        (error) => {
          refused = error
        }
      )
    }
    // Ten seconds' worth at once.
    expect(served).toBeGreaterThanOrEqual(10)
    expect(refused).toBeInstanceOf(ConnectionClosed)
  } finally {
    await alter(root, [["ip", "127.0.0.1"]], { connection_creation_rate: null })
  }
  expect((await (await clientNamed("after")).call(ApiVersionsApi, 0, {})).errorCode).toBe(0)
})

test("quotas are there after a restart, and in force", async () => {
  const node = new BrokerProcess(await freePort(), temporaryDirectory(), ["--log-level", "error"])
  try {
    await node.start()
    using before = await Peer.connect(node.port)
    await alter(
      before,
      [
        ["user", null],
        ["client-id", "slow"]
      ],
      { producer_byte_rate: 1000, request_percentage: 12.5 }
    )
    await node.end("SIGKILL")
    await node.start()
    using after = await Peer.connect(node.port)
    const shown = await after.call(DescribeClientQuotasApi, 1, { components: [], strict: false })
    expect(shown.entries).toEqual([
      {
        entity: [
          { entityType: "client-id", entityName: "slow" },
          { entityType: "user", entityName: null }
        ],
        values: [
          { key: "producer_byte_rate", value: 1000 },
          { key: "request_percentage", value: 12.5 }
        ]
      }
    ])
    const topic = await createTopic(after, "restarted")
    after.clientId = "slow"
    const answer = await after.call(ProduceApi, 9, produceRequest(topic, batchOfBytes(20_000)))
    expect(answer.throttleTimeMs).toBeGreaterThan(5000)
  } finally {
    await node.dispose()
    rmSync(node.dataDir, { recursive: true, force: true })
  }
})
