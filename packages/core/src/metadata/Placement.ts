/**
 * Which nodes hold the replicas of a new partition: one pure function over the live brokers, used wherever partitions are made.
 *
 * Round-robin: partition p's leader is the p-th broker from the start, its followers are the next ones in the ring, so three
 * partitions on three nodes become [1,2,3], [2,3,1], [3,1,2]. Where racks are set, the ring alternates between racks and a
 * partition takes one broker of each rack before it takes a second of any.
 */
import { assert } from "../base/Assert.ts"

export interface PlacedBroker {
  readonly nodeId: number
  readonly rack: string | null
}

/**
 * Replica sets of `count` new partitions, the leader first.
 *
 * `start`: place in the ring of the first partition's leader. Must not ask for more replicas than there are brokers.
 */
export const place = (
  brokers: ReadonlyArray<PlacedBroker>,
  count: number,
  replicationFactor: number,
  start: number
): ReadonlyArray<ReadonlyArray<number>> => {
  assert(replicationFactor >= 1 && replicationFactor <= brokers.length, "placement needs a broker for each replica")
  const ring = ringOf(brokers)
  return Array.from({ length: count }, (_, p) => replicasFrom(ring, (start + p) % ring.length, replicationFactor))
}

/**
 * The broker that best takes the place of a lost replica beside those that stay: of a rack that they lack, if there is one.
 * Undefined when every broker holds one already.
 *
 * `start`: place in the ring where the search begins, so that many replacements spread over the ring.
 */
export const placeReplacement = (
  brokers: ReadonlyArray<PlacedBroker>,
  staying: ReadonlyArray<PlacedBroker>,
  start: number
): number | undefined => {
  const taken = new Set(staying.map((broker) => broker.nodeId))
  const ring = ringOf(brokers)
  const order = ring.map((_, i) => ring[(start + i) % ring.length]!).filter((broker) => !taken.has(broker.nodeId))
  const racks = new Set(staying.map(rackOf))
  return (order.find((broker) => !racks.has(rackOf(broker))) ?? order[0])?.nodeId
}

/** Brokers by id, or interleaved by rack: a1 b1 c1 a2 b2 c2. Brokers without a rack count as a rack each. */
const ringOf = (brokers: ReadonlyArray<PlacedBroker>): ReadonlyArray<PlacedBroker> => {
  const byId = [...brokers].sort((a, b) => a.nodeId - b.nodeId)
  if (byId.every((broker) => broker.rack === null)) return byId
  const racks = new Map<string, Array<PlacedBroker>>()
  for (const broker of byId) {
    const rack = rackOf(broker)
    racks.set(rack, [...(racks.get(rack) ?? []), broker])
  }
  const columns = [...racks].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, column]) => column)
  const ring: Array<PlacedBroker> = []
  for (let row = 0; ring.length < byId.length; row++) {
    for (const column of columns) {
      const broker = column[row]
      if (broker !== undefined) ring.push(broker)
    }
  }
  return ring
}

const rackOf = (broker: PlacedBroker): string => (broker.rack === null ? `\u0000${broker.nodeId}` : broker.rack)

const replicasFrom = (
  ring: ReadonlyArray<PlacedBroker>,
  leader: number,
  replicationFactor: number
): ReadonlyArray<number> => {
  const order = ring.map((_, i) => ring[(leader + i) % ring.length]!)
  const chosen: Array<PlacedBroker> = []
  // Each pass takes at most one broker of a rack, so racks fill evenly.
  while (chosen.length < replicationFactor) {
    const racks = new Set<string>()
    for (const broker of order) {
      if (chosen.length === replicationFactor) break
      if (chosen.includes(broker) || racks.has(rackOf(broker))) continue
      racks.add(rackOf(broker))
      chosen.push(broker)
    }
  }
  return chosen.map((broker) => broker.nodeId)
}
