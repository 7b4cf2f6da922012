/**
 * What a node goes through between two crashes: a seeded sequence of appends (with and without producer ids, many partitions
 * in one commit), retries, reads, log starts moved by hand and by retention, topics made, extended, reconfigured, deleted and
 * made again. Everything is noted in `Promises`; everything that can be checked while the node runs is checked here.
 */
import type { Prng } from "@chronik-effect/core/base/Prng.ts"
import type { Command } from "@chronik-effect/core/metadata/Command.ts"
import type { TopicImage } from "@chronik-effect/core/metadata/MetadataImage.ts"
import { ErrorCode } from "@chronik-effect/core/model/ErrorCode.ts"
import { Effect } from "effect"
import { Broken, handOver, makeBatch, PRODUCERS, type Promises, readAll } from "./Promises.ts"
import { NODE_ID, type StorageStack } from "./StorageStack.ts"

const NAMES = ["orders", "payments", "clicks", "audit"] as const
const SENDERS = [-1, -1, ...PRODUCERS] as const
/** Small enough that files roll and go. */
const CONFIGS: ReadonlyArray<readonly [string, string]> = [
  ["segment.bytes", "20000"],
  ["retention.bytes", "60000"]
]

export interface Life {
  readonly stack: StorageStack
  readonly promises: Promises
  readonly random: Prng
  readonly isAlive: () => boolean
}

export const creation = (name: string, topicId: string, partitions: number): Command => ({
  _tag: "CreateTopic",
  name,
  topicId,
  internal: false,
  partitions: Array.from({ length: partitions }, () => ({ replicas: [NODE_ID], isr: [NODE_ID], leader: NODE_ID })),
  configs: CONFIGS
})

/** Runs `steps` steps. Succeeds when they are done; what happens after a crash is of no interest. */
export const live = Effect.fnUntraced(function* (life: Life, steps: number) {
  for (let step = 0; step < steps && life.isAlive(); step++) {
    if (life.stack.metadata.image().topicCount === 0) yield* createTopic(life)
    yield* pickStep(life)
    life.promises.hold()
  }
  yield* life.stack.wal.flushed
  if (life.isAlive()) life.promises.flushed()
})

const pickStep = (life: Life): Effect.Effect<unknown, unknown> => {
  const dice = life.random.below(100)
  if (dice < 64) return burst(life)
  if (dice < 74) return retry(life)
  if (dice < 82) return read(life)
  if (dice < 87) return moveStart(life)
  if (dice < 91) return retain(life)
  return Effect.all([changeTopics(life), dice < 96 ? burst(life) : Effect.void], { concurrency: 2 })
}

const hosted = ({ stack, random }: Life) => random.pick([...stack.partitions.all()])

/** Some batches handed over in one turn: they share a commit. */
const burst = (life: Life) =>
  Effect.suspend(() => {
    const { promises, random } = life
    const outcomes = Array.from({ length: random.between(1, 6) }, () => {
      const partition = hosted(life)
      const log = promises.log(partition.topic, partition.topicId, partition.partition)
      const producerId = random.pick(SENDERS)
      const bytes = random.chance(0.06) ? random.between(4000, 7000) : random.between(40, 1400)
      const batch = makeBatch(random.between(1, 3), bytes, producerId, log.nextSequence(producerId))
      return promises.append(partition, log, batch, life.isAlive)
    })
    return Effect.forEach(outcomes, (outcome) => outcome, { concurrency: "unbounded" }).pipe(
      Effect.tap((all) => {
        const refused = all.find(({ errorCode }) => errorCode !== ErrorCode.NONE)
        // A topic may be deleted under its producers.
        if (refused !== undefined && refused.errorCode !== ErrorCode.UNKNOWN_TOPIC_OR_PARTITION && life.isAlive()) {
          return Effect.die(new Broken(`an append to a healthy node was answered with ${refused.errorCode}`))
        }
        return Effect.void
      })
    )
  })

/** A producer that did not hear the answer sends again. */
const retry = (life: Life) =>
  Effect.gen(function* () {
    const partition = hosted(life)
    const log = life.promises.log(partition.topic, partition.topicId, partition.partition)
    const last = log.lastOf(life.random.pick(PRODUCERS))
    if (last === undefined || last.base < log.start) return
    const { errorCode, baseOffset } = yield* handOver(partition, last.sent)
    if (!life.isAlive() || partition.closedWith !== ErrorCode.NONE) return
    if (errorCode === ErrorCode.NONE && baseOffset === last.base) return
    throw new Broken(`a retry of ${log.name} at ${last.base} was answered ${errorCode} at ${baseOffset}`)
  })

const read = (life: Life) =>
  Effect.gen(function* () {
    const partition = hosted(life)
    const log = life.promises.log(partition.topic, partition.topicId, partition.partition)
    const { logStartOffset: start, highWatermark: end } = partition
    if (start === end) return
    const bytes = yield* readAll(partition, start, end, life.random.pick([500, 5_000, 50_000]))
    if (Buffer.compare(bytes, log.between(start, end)) !== 0) throw new Broken(`${log.name} was read back differently`)
  })

const moveStart = (life: Life) =>
  Effect.gen(function* () {
    const partition = hosted(life)
    const log = life.promises.log(partition.topic, partition.topicId, partition.partition)
    partition.startAt(life.random.between(partition.logStartOffset, partition.highWatermark))
    log.start = partition.logStartOffset
    if (!life.random.chance(0.5)) return
    yield* life.stack.wal.flushed
    if (life.isAlive()) life.promises.flushed()
  })

const retain = (life: Life) =>
  Effect.map(life.stack.retention.round, () => {
    for (const partition of life.stack.partitions.all()) {
      life.promises.log(partition.topic, partition.topicId, partition.partition).start = partition.logStartOffset
    }
  })

/** Topic ids of this process, so that a topic made again has another one. */
let created = 0
const newTopicId = () => `T${String(++created).padStart(20, "0")}A`

const createTopic = ({ promises, stack, random, isAlive }: Life) =>
  Effect.suspend(() => {
    const name = NAMES.find((one) => stack.metadata.image().topic(one) === undefined)
    if (name === undefined) return Effect.void
    return promises.propose(stack, creation(name, newTopicId(), random.between(1, 4)), isAlive)
  })

const changeTopics = (life: Life): Effect.Effect<void, unknown> => {
  const { promises, stack, random, isAlive } = life
  const topics = [...stack.metadata.image().topics()].sort((a, b) => (a.name < b.name ? -1 : 1))
  const topic = random.pick(topics)
  if (topics.length < 3 || random.chance(0.3)) return createTopic(life)
  return promises.propose(stack, random.chance(0.4) ? deletion(topic) : change(topic, random), isAlive)
}

const deletion = ({ topicId }: TopicImage): Command => ({ _tag: "DeleteTopic", topicId })

const change = ({ topicId, partitions }: TopicImage, random: Prng): Command =>
  partitions.length < 5 && random.chance(0.5)
    ? {
        _tag: "CreatePartitions",
        topicId,
        from: partitions.length,
        partitions: [{ replicas: [NODE_ID], isr: [NODE_ID], leader: NODE_ID }]
      }
    : {
        _tag: "AlterConfigs",
        resourceType: 2,
        resource: topicId,
        changes: [{ name: "segment.bytes", op: 0, value: String(random.between(10_000, 40_000)) }]
      }
