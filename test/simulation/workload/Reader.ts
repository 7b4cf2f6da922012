/** A client that reads: each time from one partition, where it left off or from the beginning again, mostly at the leader. */
import type { Connection } from "./Connection.ts"

const BYTES_MAX = 2_000
const SKIP_MAX = 50

export class Reader {
  readonly #at: Connection
  readonly #positions = new Map<string, number>()

  constructor(connection: Connection) {
    this.#at = connection
    connection.every(connection.options.fetchEveryMs, "fetch", () => this.#fetch())
  }

  #fetch(): void {
    const at = this.#at
    if (at.image === undefined || at.random.chance(0.1)) at.refresh(() => {})
    const place = at.anyPartition()
    if (place === undefined) return
    const { topicId } = place.topic
    const { partition } = place.partition
    const key = `${topicId}-${partition}`
    if (at.random.chance(0.02)) this.#positions.delete(key)
    const offset = this.#positions.get(key) ?? 0
    const node = at.random.chance(0.9) ? at.leaderOf(topicId, partition) : at.anyNode()
    at.ask(node, { _tag: "Fetch", topicId, partition, offset, bytesMax: BYTES_MAX }, (answer) => {
      if (answer === undefined) return
      at.world.cover(`client.fetch ${answer.error}`)
      // Below the log start, or beyond the end after an unclean election: on from somewhere near.
      if (answer.error === "OFFSET_OUT_OF_RANGE") this.#positions.set(key, at.random.below(offset + SKIP_MAX))
      if (answer.error !== "NONE") return at.refresh(() => {})
      const { client } = at
      const { highWatermark } = answer
      const records = answer.batches
        .flatMap(({ baseOffset, batch }) => batch.ids.map((id, i) => ({ id, offset: baseOffset + i })))
        .filter((record) => record.offset >= offset)
      at.world.observe({ _tag: "Fetched", client, topicId, partition, node, offset, records, highWatermark })
      this.#positions.set(key, (records.at(-1)?.offset ?? offset - 1) + 1)
    })
  }
}
