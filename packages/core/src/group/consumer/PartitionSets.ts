/** Sets of partitions by topic: comparing them, and going from one form to the other. Nothing here changes its arguments. */
import type { EpochPartitions, Partitions } from "./ConsumerRecord.ts"

/** As requests and answers list them. */
export interface TopicPartitions {
  readonly topicId: string
  readonly partitions: ReadonlyArray<number>
}

export const samePartitions = (a: Partitions, b: Partitions): boolean => {
  if (a.size !== b.size) return false
  for (const [topicId, partitions] of a) {
    const others = b.get(topicId)
    if (others === undefined || others.length !== partitions.length) return false
    for (let i = 0; i < partitions.length; i++) if (partitions[i] !== others[i]) return false
  }
  return true
}

/** The same partitions, whenever they were given. */
export const sameOwned = (a: EpochPartitions, b: EpochPartitions): boolean => {
  if (a === b) return true
  if (a.size !== b.size) return false
  for (const [topicId, epochs] of a) {
    const others = b.get(topicId)
    if (others === undefined || others.size !== epochs.size) return false
    for (const partition of epochs.keys()) if (!others.has(partition)) return false
  }
  return true
}

/** The same partitions, given at the same epochs. */
export const sameEpochs = (a: EpochPartitions, b: EpochPartitions): boolean => {
  if (a === b) return true
  if (!sameOwned(a, b)) return false
  for (const [topicId, epochs] of a) {
    const others = b.get(topicId)!
    for (const [partition, epoch] of epochs) if (others.get(partition) !== epoch) return false
  }
  return true
}

export const isSubset = (owned: ReadonlyArray<TopicPartitions>, assigned: EpochPartitions): boolean =>
  owned.every(({ topicId, partitions }) => {
    const epochs = assigned.get(topicId)
    return partitions.every((partition) => epochs?.has(partition) === true)
  })

export const overlaps = (owned: ReadonlyArray<TopicPartitions>, assigned: EpochPartitions): boolean =>
  owned.some(({ topicId, partitions }) => {
    const epochs = assigned.get(topicId)
    return epochs !== undefined && partitions.some((partition) => epochs.has(partition))
  })

export const listOwned = (assigned: EpochPartitions): ReadonlyArray<TopicPartitions> =>
  Array.from(assigned, ([topicId, epochs]) => ({ topicId, partitions: [...epochs.keys()].sort((a, b) => a - b) }))

export const listPartitions = (partitions: Partitions): ReadonlyArray<TopicPartitions> =>
  Array.from(partitions, ([topicId, numbers]) => ({ topicId, partitions: numbers }))

/** `partitions` as given at `epoch`. */
export const givenAt = (partitions: Partitions, epoch: number): EpochPartitions =>
  new Map(Array.from(partitions, ([topicId, numbers]) => [topicId, new Map(numbers.map((number) => [number, epoch]))]))

export const partitionsOf = (assigned: EpochPartitions): Partitions =>
  new Map(Array.from(assigned, ([topicId, epochs]) => [topicId, [...epochs.keys()].sort((a, b) => a - b)]))
