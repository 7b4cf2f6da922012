/**
 * What groups of the consumer protocol see of this node: its topics, its configuration and each group's own, regular
 * expressions. A look at the metadata as it is when the machine asks; nothing is kept but what was computed from the
 * broker's configuration, for as long as that stays the same.
 */
import { type ConsumerGroupSettings, consumerGroupSettings } from "@chronik-effect/core/config/GroupConfig.ts"
import type {
  AssignorName,
  ConsumerEnvironment,
  MigrationPolicy,
  TopicsView,
  TopicView
} from "@chronik-effect/core/group/consumer/ConsumerEnvironment.ts"
import type { MetadataImage, TopicImage } from "@chronik-effect/core/metadata/MetadataImage.ts"
import type { MetadataStore } from "../metadata/MetadataStore.ts"
import type { RegularExpressions } from "./RegularExpressions.ts"

export const groupEnvironment = (
  metadata: MetadataStore["Service"],
  expressions: RegularExpressions
): ConsumerEnvironment => {
  const broker = brokerValues(metadata)
  return {
    topics: () => topicsOf(metadata.image()),
    compileRegex: expressions.compile,
    settingsOf: (groupId) => {
      const own = metadata.image().groupConfig(groupId)
      return own === undefined ? broker().settings : consumerGroupSettings(own, metadata.brokerConfig())
    },
    get membersMax() {
      return broker().membersMax
    },
    get assignors() {
      return broker().assignors
    },
    get migrationPolicy() {
      return broker().migrationPolicy
    }
  }
}

interface BrokerValues {
  readonly settings: ConsumerGroupSettings
  readonly membersMax: number
  readonly assignors: ReadonlyArray<AssignorName>
  readonly migrationPolicy: MigrationPolicy
}

/** Every heartbeat asks for them, and the configuration is text. */
const brokerValues = (metadata: MetadataStore["Service"]): (() => BrokerValues) => {
  let of = metadata.brokerConfig()
  const compute = (): BrokerValues => ({
    settings: consumerGroupSettings(undefined, of),
    membersMax: of.integer("group.consumer.max.size"),
    // The definitions of both keys let no other values through.
    assignors: of.list("group.consumer.assignors") as ReadonlyArray<AssignorName>,
    migrationPolicy: of.text("group.consumer.migration.policy") as MigrationPolicy
  })
  let values = compute()
  return () => {
    const now = metadata.brokerConfig()
    if (now !== of) {
      of = now
      values = compute()
    }
    return values
  }
}

const topicsOf = (image: MetadataImage): TopicsView => ({
  version: image.offset,
  topic: (name) => viewOf(image.topic(name)),
  topicById: (topicId) => viewOf(image.topicById(topicId)),
  names: function* () {
    for (const { name } of image.topics()) yield name
  }
})

const viewOf = (topic: TopicImage | undefined): TopicView | undefined =>
  topic === undefined ? undefined : { name: topic.name, topicId: topic.topicId, partitions: topic.partitions.length }
