/**
 * The committed offsets of one group: topic → partition → what was committed last.
 *
 * Moves only by replayed records. Offsets that a producer's transaction wrote are kept aside until the transaction ends;
 * meanwhile their partitions are *unstable*, which readers that ask for stable offsets are told.
 */
import type { CommittedOffset } from "../GroupRecord.ts"

const key = (topic: string, partition: number): string => `${partition}/${topic}`

interface PendingOffset {
  readonly topic: string
  readonly partition: number
  readonly value: CommittedOffset
}

export class OffsetTable {
  readonly #topics = new Map<string, Map<number, CommittedOffset>>()
  /** producerId → what its open transaction wrote, by key. */
  readonly #open = new Map<number, Map<string, PendingOffset>>()
  /** key → open transactions that wrote it. */
  readonly #unstable = new Map<string, number>()

  get size(): number {
    let size = 0
    for (const partitions of this.#topics.values()) size += partitions.size
    return size
  }

  get isEmpty(): boolean {
    return this.#topics.size === 0 && this.#open.size === 0
  }

  get(topic: string, partition: number): CommittedOffset | undefined {
    return this.#topics.get(topic)?.get(partition)
  }

  set(topic: string, partition: number, value: CommittedOffset | null): void {
    const partitions = this.#topics.get(topic)
    if (value !== null) {
      if (partitions === undefined) this.#topics.set(topic, new Map([[partition, value]]))
      else partitions.set(partition, value)
    } else if (partitions?.delete(partition) && partitions.size === 0) this.#topics.delete(topic)
  }

  /** Whether an open transaction has written an offset for the partition. */
  isUnstable(topic: string, partition: number): boolean {
    return this.#unstable.has(key(topic, partition))
  }

  setPending(producerId: number, topic: string, partition: number, value: CommittedOffset): void {
    const at = key(topic, partition)
    let pending = this.#open.get(producerId)
    if (pending === undefined) {
      pending = new Map()
      this.#open.set(producerId, pending)
    }
    if (!pending.has(at)) this.#unstable.set(at, (this.#unstable.get(at) ?? 0) + 1)
    pending.set(at, { topic, partition, value })
  }

  /** The transaction's marker was replayed: its offsets count now, or never. */
  endTransaction(producerId: number, committed: boolean): void {
    const pending = this.#open.get(producerId)
    if (pending === undefined) return
    this.#open.delete(producerId)
    for (const [at, { topic, partition, value }] of pending) {
      const others = this.#unstable.get(at)! - 1
      if (others === 0) this.#unstable.delete(at)
      else this.#unstable.set(at, others)
      if (committed) this.set(topic, partition, value)
    }
  }

  *entries(): IterableIterator<readonly [topic: string, partition: number, value: CommittedOffset]> {
    for (const [topic, partitions] of this.#topics) {
      for (const [partition, value] of partitions) yield [topic, partition, value]
    }
  }

  topics(): IterableIterator<string> {
    return this.#topics.keys()
  }

  partitionsOf(topic: string): ReadonlyArray<number> {
    return [...(this.#topics.get(topic)?.keys() ?? [])]
  }
}
