/**
 * How long the `uniform` assignor takes, in the turn of the heartbeat that asks for it: a fresh group, one more member, half of
 * them gone, twice as many. Equal subscriptions.
 *
 *   node test/benchmark/assignor.ts
 */
import { uniformAssignor } from "@chronik-effect/core/group/assignor/UniformAssignor.ts"
import type { Partitions } from "@chronik-effect/core/group/consumer/ConsumerRecord.ts"

const SHAPES = [
  { members: 500, topics: 1, partitions: 10_000 },
  { members: 500, topics: 100, partitions: 100 },
  { members: 500, topics: 10_000, partitions: 1 }
]
const NOTHING: Partitions = new Map()

for (const { members, topics: count, partitions } of SHAPES) {
  const entries = Array.from({ length: count }, (_, i) => ({ topicId: `id-${i}`, name: `t${i}`, partitions }))
  const topics = new Map(entries.map((topic) => [topic.topicId, topic]))
  const topicIds = new Set(topics.keys())
  const timed = (size: number, last: ReadonlyMap<string, Partitions>) => {
    const input = Array.from({ length: size }, (_, i) => ({
      memberId: `m${i}`,
      instanceId: null,
      topicIds,
      last: last.get(`m${i}`) ?? NOTHING
    }))
    const began = performance.now()
    const assignment = uniformAssignor({ members: input, topics })
    return { assignment, ms: (performance.now() - began).toFixed(0) }
  }
  const first = timed(members, new Map())
  const changes = [members + 1, members / 2, members * 2].map((size) => timed(size, first.assignment).ms)
  process.stdout.write(
    `${members} members, ${count} topics of ${partitions}: fresh ${first.ms} ms; one more, half, twice as many: ${changes.join(", ")} ms\n`
  )
}
