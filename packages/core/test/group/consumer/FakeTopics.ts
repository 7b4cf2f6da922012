/** Topics as the group machine sees them, made and changed by a test. A topic made anew has another id. */
import type { TopicsView, TopicView } from "../../../src/group/consumer/ConsumerEnvironment.ts"

/** Readable, and a uuid: the name filled up with zeros. */
export const topicIdOf = (name: string, life = 0): string => (name + (life === 0 ? "" : `_${life}`)).padEnd(22, "A")

/** Names of tests hold neither underscores nor capital letters. */
export const nameOf = (topicId: string): string => topicId.replace(/(_\d+)?A*$/, "")

export class FakeTopics implements TopicsView {
  version = 0
  readonly #byName = new Map<string, TopicView>()
  readonly #byId = new Map<string, TopicView>()
  readonly #lives = new Map<string, number>()

  /** 0 partitions: the topic is gone. */
  set(name: string, partitions: number): void {
    this.version++
    const before = this.#byName.get(name)
    if (partitions === 0) {
      if (before !== undefined) this.#byId.delete(before.topicId)
      this.#byName.delete(name)
      this.#lives.set(name, (this.#lives.get(name) ?? 0) + 1)
      return
    }
    const topicId = before?.topicId ?? topicIdOf(name, this.#lives.get(name) ?? 0)
    const topic = { name, topicId, partitions }
    this.#byName.set(name, topic)
    this.#byId.set(topicId, topic)
  }

  topic(name: string): TopicView | undefined {
    return this.#byName.get(name)
  }

  topicById(topicId: string): TopicView | undefined {
    return this.#byId.get(topicId)
  }

  names(): Iterable<string> {
    return this.#byName.keys()
  }
}
