/**
 * ListOffsets, OffsetForLeaderEpoch and InitProducerId: every special value in every version, and what makes no sense.
 */
import { ErrorCode } from "@chronik-effect/core/model/ErrorCode.ts"
import { ListOffsetsApi } from "@chronik-effect/core/protocol/messages/02_ListOffsets.ts"
import { DeleteRecordsApi } from "@chronik-effect/core/protocol/messages/21_DeleteRecords.ts"
import { InitProducerIdApi } from "@chronik-effect/core/protocol/messages/22_InitProducerId.ts"
import { OffsetForLeaderEpochApi } from "@chronik-effect/core/protocol/messages/23_OffsetForLeaderEpoch.ts"
import { buildBatch } from "@chronik-effect/core/record/BatchBuilder.ts"
import { compress } from "@chronik-effect/server/io/Compression.ts"
import { afterAll, beforeAll, describe, expect, test } from "vitest"
import { type OpenNode, openNode } from "./OpenNode.ts"
import { Peer } from "./Peer.ts"
import { createTopic, int64, NOW, produce, type Topic, utf8 } from "./Requests.ts"

let node: OpenNode
let peer: Peer
let names = 0

beforeAll(async () => {
  node = await openNode()
  peer = await Peer.connect(node.port)
})
afterAll(async () => {
  peer[Symbol.dispose]()
  expect(node.errors).toEqual([])
  await node[Symbol.asyncDispose]()
})

const freshTopic = (partitions = 1): Promise<Topic> => createTopic(peer, `offsets-${++names}`, {}, partitions)
const {
  FENCED_LEADER_EPOCH,
  INVALID_REQUEST,
  NONE,
  UNKNOWN_LEADER_EPOCH,
  UNKNOWN_SERVER_ERROR,
  UNKNOWN_TOPIC_OR_PARTITION,
  UNSUPPORTED_VERSION
} = ErrorCode
const [LATEST, EARLIEST, MAX_TIMESTAMP, EARLIEST_LOCAL, LATEST_TIERED, EARLIEST_PENDING] = [-1, -2, -3, -4, -5, -6]
const SPECIALS = [LATEST, EARLIEST, MAX_TIMESTAMP, EARLIEST_LOCAL, LATEST_TIERED, EARLIEST_PENDING] as const

interface ListOptions {
  readonly version?: number
  readonly partitions?: ReadonlyArray<number>
  readonly isolationLevel?: number
  readonly currentLeaderEpoch?: number
}
/** `[error, timestamp, offset, leaderEpoch]` of each partition of the answer. */
const list = async (name: string, timestamp: number, options: ListOptions = {}) => {
  const answer = await peer.call(ListOffsetsApi, options.version ?? 11, {
    replicaId: -1,
    isolationLevel: options.isolationLevel ?? 0,
    topics: [
      {
        name,
        partitions: (options.partitions ?? [0]).map((partitionIndex) => ({
          partitionIndex,
          timestamp,
          currentLeaderEpoch: options.currentLeaderEpoch ?? -1
        }))
      }
    ]
  })
  return answer.topics[0]!.partitions.map((p) => [p.errorCode, p.timestamp, p.offset, p.leaderEpoch])
}

/** Records at NOW, NOW + 20, NOW + 10 and NOW + 20, in two batches. */
const filled = async (): Promise<Topic> => {
  const topic = await freshTopic()
  const record = (after: number) => ({ timestamp: NOW + after, value: utf8(`${after}`) })
  for (const [codec, times] of [
    [0, [0, 20]],
    [1, [10, 20]]
  ] as const) {
    expect((await produce(peer, topic, buildBatch(times.map(record), { codec, compress }))).errorCode).toBe(NONE)
  }
  return topic
}

describe("ListOffsets", () => {
  test("special timestamps, from the version on that knows each", async () => {
    const { name } = await filled()
    const since = new Map([
      [MAX_TIMESTAMP, 7],
      [EARLIEST_LOCAL, 8],
      [LATEST_TIERED, 9],
      [EARLIEST_PENDING, 11]
    ])
    const expected = new Map([
      [LATEST, [NONE, -1, 4, 0]],
      [EARLIEST, [NONE, -1, 0, 0]],
      [MAX_TIMESTAMP, [NONE, NOW + 20, 1, 0]],
      [EARLIEST_LOCAL, [NONE, -1, 0, 0]],
      [LATEST_TIERED, [NONE, -1, -1, -1]],
      [EARLIEST_PENDING, [NONE, -1, -1, -1]]
    ])
    for (let version = 1; version <= 11; version++) {
      for (const special of SPECIALS) {
        const known = version >= (since.get(special) ?? 0)
        const [error, timestamp, offset, epoch] = known ? expected.get(special)! : [UNSUPPORTED_VERSION, -1, -1, -1]
        const withEpoch = [error, timestamp, offset, version >= 4 ? epoch : -1]
        expect([version, special, ...(await list(name, special, { version }))]).toEqual([version, special, withEpoch])
      }
      expect(await list(name, -7, { version })).toEqual([[UNSUPPORTED_VERSION, -1, -1, -1]])
    }
  })

  test("an empty log: its ends with the current epoch, no record by time", async () => {
    const { name } = await freshTopic()
    for (const special of [LATEST, EARLIEST, EARLIEST_LOCAL])
      expect(await list(name, special)).toEqual([[NONE, -1, 0, 0]])
    for (const time of [MAX_TIMESTAMP, 0, NOW]) expect(await list(name, time)).toEqual([[NONE, -1, -1, -1]])
  })

  test("by time: the first record at or after it, exact to the record, also inside compressed batches", async () => {
    const { name } = await filled()
    for (const isolationLevel of [0, 1]) {
      const at = async (time: number) => (await list(name, time, { isolationLevel }))[0]!.slice(1, 3)
      expect(await at(0)).toEqual([NOW, 0])
      expect(await at(NOW)).toEqual([NOW, 0])
      expect(await at(NOW + 1)).toEqual([NOW + 20, 1])
      expect(await at(NOW + 20)).toEqual([NOW + 20, 1])
      expect(await at(NOW + 21)).toEqual([-1, -1])
      expect(await at(int64(2n ** 63n - 1n))).toEqual([-1, -1])
    }
    const lowest = int64(-(2n ** 63n))
    expect(await list(name, lowest)).toEqual([[UNSUPPORTED_VERSION, -1, -1, -1]])
  })

  test("after the records are deleted: the new start, its epoch, and nothing by time", async () => {
    const { name } = await filled()
    const remove = (offset: number) =>
      peer.call(DeleteRecordsApi, 2, {
        topics: [{ name, partitions: [{ partitionIndex: 0, offset }] }],
        timeoutMs: 10_000
      })
    await remove(2)
    expect(await list(name, EARLIEST)).toEqual([[NONE, -1, 2, 0]])
    expect(await list(name, 0)).toEqual([[NONE, NOW + 10, 2, 0]])
    expect(await list(name, MAX_TIMESTAMP)).toEqual([[NONE, NOW + 20, 3, 0]])
    await remove(4)
    expect(await list(name, EARLIEST)).toEqual([[NONE, -1, 4, 0]])
    expect(await list(name, 0)).toEqual([[NONE, -1, -1, -1]])
  })

  test("unknown and repeated partitions, isolation levels, leader epochs", async () => {
    const topic = await freshTopic(2)
    expect(await list("nobody", LATEST)).toEqual([[UNKNOWN_TOPIC_OR_PARTITION, -1, -1, -1]])
    const unknown = await list(topic.name, LATEST, { partitions: [9, -1, 1] })
    expect(unknown.map(([error]) => error)).toEqual([UNKNOWN_TOPIC_OR_PARTITION, UNKNOWN_TOPIC_OR_PARTITION, NONE])
    const repeated = await list(topic.name, LATEST, { partitions: [0, 0, 1, 0] })
    expect(repeated.map(([error]) => error)).toEqual([INVALID_REQUEST, NONE])
    expect(await list(topic.name, LATEST, { isolationLevel: 7 })).toEqual([[UNKNOWN_SERVER_ERROR, -1, -1, -1]])
    for (const [epoch, error] of [
      [-1, NONE],
      [0, NONE],
      [1, UNKNOWN_LEADER_EPOCH],
      [-2, FENCED_LEADER_EPOCH]
    ] as const) {
      expect((await list(topic.name, LATEST, { currentLeaderEpoch: epoch }))[0]![0]).toBe(error)
    }
  })
})

describe("OffsetForLeaderEpoch", () => {
  const ends = async (name: string, asked: ReadonlyArray<readonly [number, number, number?]>, version = 4) => {
    const answer = await peer.call(OffsetForLeaderEpochApi, version, {
      replicaId: -1,
      topics: [
        {
          topic: name,
          partitions: asked.map(([partition, leaderEpoch, current]) => ({
            partition,
            leaderEpoch,
            currentLeaderEpoch: current ?? -1
          }))
        }
      ]
    })
    return answer.topics[0]!.partitions.map((p) => [p.errorCode, p.leaderEpoch, p.endOffset])
  }

  test("the current epoch ends at the log's end, also before its first record; others are not known", async () => {
    const { name } = await filled()
    const empty = await freshTopic()
    for (const version of [2, 3, 4]) {
      expect(
        await ends(
          name,
          [
            [0, 0],
            [0, 1],
            [0, -1],
            [0, 0x7fffffff]
          ],
          version
        )
      ).toEqual([
        [NONE, 0, 4],
        [NONE, -1, -1],
        [NONE, -1, -1],
        [NONE, -1, -1]
      ])
      expect(
        await ends(
          empty.name,
          [
            [0, 0],
            [0, 1]
          ],
          version
        )
      ).toEqual([
        [NONE, 0, 0],
        [NONE, -1, -1]
      ])
    }
  })

  test("unknown partitions, and epochs that the client is wrong about", async () => {
    const { name } = await filled()
    expect(await ends("nobody", [[0, 0]])).toEqual([[UNKNOWN_TOPIC_OR_PARTITION, -1, -1]])
    expect(
      await ends(name, [
        [9, 0],
        [-1, 0],
        [0, 0, 7],
        [0, 0, -2],
        [0, 0, 0]
      ])
    ).toEqual([
      [UNKNOWN_TOPIC_OR_PARTITION, -1, -1],
      [UNKNOWN_TOPIC_OR_PARTITION, -1, -1],
      [UNKNOWN_LEADER_EPOCH, -1, -1],
      [FENCED_LEADER_EPOCH, -1, -1],
      [NONE, 0, 4]
    ])
  })
})

describe("InitProducerId", () => {
  const init = (version: number, more: object = {}) =>
    peer.call(InitProducerIdApi, version, { transactionalId: null, transactionTimeoutMs: 60_000, ...more })

  test("a fresh id and epoch 0 in every version, whatever the timeout", async () => {
    const seen = new Set<number>()
    for (let version = 0; version <= 5; version++) {
      for (const transactionTimeoutMs of [60_000, 0, -1]) {
        const answer = await init(version, { transactionTimeoutMs })
        expect(answer).toMatchObject({ errorCode: NONE, producerEpoch: 0 })
        seen.add(answer.producerId)
      }
    }
    expect(seen.size).toBe(18)
  })

  test("an id without an epoch, an epoch without an id, and transactional ids", async () => {
    expect((await init(5, { producerId: 5, producerEpoch: 3 })).errorCode).toBe(NONE)
    for (const version of [3, 5]) {
      for (const wrong of [
        { producerId: 5, producerEpoch: -1 },
        { producerId: -1, producerEpoch: 3 },
        { transactionalId: "" },
        { transactionalId: "t" }
      ]) {
        const answer = await init(version, wrong)
        expect(answer).toMatchObject({ errorCode: INVALID_REQUEST, producerId: -1, producerEpoch: -1 })
      }
    }
  })
})
