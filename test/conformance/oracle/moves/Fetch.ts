/**
 * Records come out: offsets on all edges, sizes, epochs, sessions, and reads that wait.
 */
import { FetchApi } from "@chronik-effect/core/protocol/messages/01_Fetch.ts"
import { ListOffsetsApi } from "@chronik-effect/core/protocol/messages/02_ListOffsets.ts"
import { OffsetForLeaderEpochApi } from "@chronik-effect/core/protocol/messages/23_OffsetForLeaderEpoch.ts"
import { type Move, move } from "../Move.ts"
import type { Topic, World } from "../World.ts"

const MIB = 1 << 20

interface Place {
  readonly name: string
  readonly id: string
  readonly topic: Topic | undefined
  readonly index: number
}

/** Different partitions; now and then the same one twice. */
const places = async (world: World): Promise<ReadonlyArray<Place>> => {
  const { random } = world
  const found: Array<Place> = []
  for (let left = random.pick([1, 1, 2, 3]); left > 0; left--) {
    const named = await world.named()
    const place = { ...named, index: world.partitionIndex(named.topic) }
    if (!found.some(({ name, index }) => name === place.name && index === place.index)) found.push(place)
  }
  return found
}

/** One entry a topic, with what is asked of each of its partitions. */
const byTopic = <A>(chosen: ReadonlyArray<Place>, ask: (place: Place) => A) =>
  [...Map.groupBy(chosen, ({ name }) => name).values()].map((same) => ({
    name: same[0]!.name,
    topic: same[0]!.name,
    topicId: same[0]!.id,
    partitions: same.map(ask)
  }))

const partitionOf = (world: World, { topic, index }: Place) => ({
  partition: index,
  currentLeaderEpoch: world.leaderEpoch(),
  fetchOffset: world.offset(topic, index),
  lastFetchedEpoch: world.random.chance(0.85) ? -1 : world.random.pick([0, 1, 5]),
  logStartOffset: world.random.chance(0.9) ? -1 : 0,
  partitionMaxBytes: world.random.chance(0.005) ? -1 : world.random.pick([MIB, MIB, MIB, 0, 1, 100, 200, 500])
})

const topicsOf = (world: World, chosen: ReadonlyArray<Place>) => byTopic(chosen, (place) => partitionOf(world, place))

const read = async (world: World): Promise<void> => {
  const { random, run } = world
  const topics = topicsOf(world, await places(world))
  await run.ask(FetchApi, {
    maxWaitMs: 0,
    minBytes: random.pick([0, 1, 100, 100_000]),
    maxBytes: random.chance(0.005) ? -1 : random.pick([MIB, MIB, 55 * MIB, 2_147_483_647, 0, 1, 150, 400]),
    isolationLevel: random.chance(0.01) ? 2 : random.below(2),
    sessionId: 0,
    sessionEpoch: -1,
    topics: random.chance(0.03) ? [] : topics
  })
}

/** Parked until its time is over, or until somebody produces what it waits for. */
const wait = async (world: World): Promise<void> => {
  const topic = await world.topic()
  const { endOffset } = topic.partitions[0]!
  const partitions = [{ partition: 0, fetchOffset: endOffset, partitionMaxBytes: MIB }]
  await world.run.ask(FetchApi, {
    maxWaitMs: world.random.pick([1, 20, 60]),
    minBytes: world.random.pick([1, 1000]),
    sessionEpoch: -1,
    topics: [{ topic: topic.name, topicId: topic.id, partitions }]
  })
}

const session = async (world: World): Promise<void> => {
  const { random, run } = world
  const on = `session ${random.below(3)}`
  const version = random.between(7, run.versionOf(FetchApi, { from: 13 }))
  const first = await places(world)
  const base = { maxWaitMs: 0, minBytes: 1, maxBytes: MIB }
  const opened = await run.ask(FetchApi, { ...base, sessionEpoch: 0, topics: topicsOf(world, first) }, { on, version })
  const sessionId = opened.answer?.sessionId ?? 0
  if (sessionId === 0 || !opened.same) return
  let epoch = 1
  for (let left = random.between(1, 5); left > 0; left--) {
    const added = random.chance(0.5) ? topicsOf(world, (await places(world)).slice(0, 1)) : []
    const forgotten = random.chance(0.3) ? first.slice(0, 1) : []
    const wrong = random.chance(0.12)
    const { answer, same } = await run.ask(
      FetchApi,
      {
        ...base,
        sessionId: wrong && random.chance(0.5) ? 123_456_789 : sessionId,
        sessionEpoch: wrong ? random.pick([epoch + 1, epoch - 1, 2_147_483_647]) : epoch,
        topics: added,
        forgottenTopicsData: forgotten.map(({ name, id, index }) => ({ topic: name, topicId: id, partitions: [index] }))
      },
      { on, version }
    )
    if (!same || answer === undefined) break
    if (answer.errorCode === 0) epoch++
    if (answer.sessionId === 0) return
  }
  await run.ask(FetchApi, { ...base, sessionId, sessionEpoch: -1, topics: [] }, { on, version })
}

const timestampOf = (world: World, { topic, index }: Place): number => {
  const { random } = world
  const batches = topic?.partitions[index]?.batches ?? []
  const special = random.pick([-1, -2, -3, -4, -5, -6, -7, 0, 1, 2 ** 50])
  if (batches.length === 0 || random.chance(0.5)) return special
  return random.pick(random.pick(batches).times) + random.pick([0, 0, 1, -1])
}

const list = async (world: World): Promise<void> => {
  const { random, run } = world
  const chosen = await places(world)
  const twice = random.chance(0.04) ? [...chosen, chosen[0]!] : chosen
  const topics = byTopic(twice, (place) => ({
    partitionIndex: place.index,
    currentLeaderEpoch: world.leaderEpoch(),
    timestamp: timestampOf(world, place)
  }))
  await run.ask(ListOffsetsApi, {
    replicaId: random.chance(0.95) ? -1 : random.pick([-2, 1, 7]),
    isolationLevel: random.pick([0, 0, 1]),
    topics: random.chance(0.05) ? [] : topics,
    timeoutMs: 1000
  })
}

const epochs = async (world: World): Promise<void> => {
  const { random, run } = world
  const chosen = await places(world)
  await run.ask(OffsetForLeaderEpochApi, {
    replicaId: random.chance(0.9) ? -1 : -2,
    topics: byTopic(chosen, ({ index }) => ({
      partition: index,
      currentLeaderEpoch: world.leaderEpoch(),
      leaderEpoch: random.pick([0, 0, 0, 1, -1, 5, -2])
    }))
  })
}

export const fetchMoves: ReadonlyArray<Move> = [
  move("fetch", [FetchApi], 30, read),
  move("fetch that waits", [FetchApi], 1, wait),
  move("fetch session", [FetchApi], 8, session),
  move("list offsets", [ListOffsetsApi], 24, list),
  move("offset for leader epoch", [OffsetForLeaderEpochApi], 10, epochs)
]
