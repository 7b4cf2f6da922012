/**
 * A client of the metadata: creates, deletes, changes and reads a few topics whose names it shares with its like, so that their
 * operations meet.
 */
import type { Connection } from "./Connection.ts"
import { TopicOperations } from "./TopicOperations.ts"

/** Few, so that operations on one key overlap; each is a partition more for every node. */
const NAMES = ["m0", "m1"]
const PRODUCER_ID_BLOCK = 10
/** Operations under way at once: each more makes the history harder to judge. */
const IN_FLIGHT_MAX = 3

export class MetadataClient {
  readonly #at: Connection
  readonly #topics: TopicOperations
  readonly #dataNames: ReadonlyArray<string>

  constructor(connection: Connection, dataNames: ReadonlyArray<string>) {
    this.#at = connection
    this.#topics = new TopicOperations(connection)
    this.#dataNames = dataNames
    connection.every(connection.options.metadataEveryMs, "metadata", () => this.#act())
  }

  get pending(): number {
    return this.#topics.pending
  }

  #act(): void {
    const at = this.#at
    if (this.pending >= IN_FLIGHT_MAX) return
    if (at.image === undefined || at.random.chance(0.3)) at.refresh(() => {})
    if (at.image === undefined) return
    const drawn = at.random.fraction()
    if (drawn < 0.45) return this.#topics.read(at.random.pick([...NAMES, ...this.#dataNames]))
    if (drawn < 0.6) return this.#topics.allocateProducerIds(PRODUCER_ID_BLOCK)
    const name = at.random.pick(NAMES)
    const known = at.image.topic(name)
    const { replicationFactor } = at.options
    const minInSync = at.random.between(1, replicationFactor)
    if (known === undefined || at.random.chance(0.1)) {
      this.#topics.create({ name, partitions: 1, replicationFactor, minInSync }, at.image, () => {})
    } else if (drawn < 0.85) this.#topics.setMinInSync(name, known.topicId, minInSync)
    else this.#topics.delete(name, known.topicId, () => {})
  }
}
