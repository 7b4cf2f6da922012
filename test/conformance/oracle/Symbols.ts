/**
 * Which id of Kafka is which id of ours.
 *
 * Both brokers make ids of their own (topics, members, producers, fetch sessions). The first time that two of them stand at
 * the same place of two answers they become a pair; from then on each must come with the other. An id that is used again
 * where Kafka makes another one, or the other way round, is a difference.
 */
export type Kind = "uuid" | "member" | "producer" | "session" | "cluster" | "path"

export class Symbols {
  readonly #ours = new Map<string, unknown>()
  readonly #kafka = new Map<string, unknown>()

  /** Whether the two may be the same thing; when neither has been seen they become a pair, unless told to only look. */
  matches(kind: Kind, kafka: unknown, ours: unknown, look = false): boolean {
    const kafkaKey = `${kind} ${kafka}`
    const oursKey = `${kind} ${ours}`
    const known = this.#ours.get(kafkaKey)
    if (known !== undefined || this.#kafka.has(oursKey)) return known === ours && this.#kafka.get(oursKey) === kafka
    if (look) return true
    this.#ours.set(kafkaKey, ours)
    this.#kafka.set(oursKey, kafka)
    return true
  }

  /** Our id for Kafka's; an id that neither broker has made means the same to both. */
  toOurs<A>(kind: Kind, kafka: A): A {
    return (this.#ours.get(`${kind} ${kafka}`) as A | undefined) ?? kafka
  }
}
