/**
 * A whole image as bytes: msgpack, one positional array
 * `[version, clusterId, offset, nextStream, nextProducerId, brokers, brokerConfigs, features, topics, commands, groupConfigs,
 * clientMetrics, clientQuotas]`. Version 1 had no directories of replicas, version 2 nothing after `commands`.
 *
 * Everything is written in a defined order (ids, names), so equal images have equal bytes on every node. Integrity (checksum,
 * atomic replacement) is the file's matter: `server/metadata/SnapshotFile`.
 */
import { HashMap } from "effect"
import { type ClientQuota, entityKey } from "./ClientQuotas.ts"
import { endpointOf, entityPartOf, MetadataFormatError, pack, packEndpoint, Row, unpack } from "./CommandCodec.ts"
import {
  type AppliedCommand,
  type BrokerImage,
  type CommandResult,
  emptyImage,
  foldedName,
  MetadataImage,
  type PartitionImage,
  type TopicImage
} from "./MetadataImage.ts"

const VERSION = 3

export const encodeSnapshot = (image: MetadataImage): Uint8Array =>
  pack([
    VERSION,
    image.clusterId,
    image.offset,
    image.nextStream,
    image.nextProducerId,
    [...image.brokers.values()].sort((a, b) => a.nodeId - b.nodeId).map(packBroker),
    sorted(image.brokerConfigs).map(packConfigs),
    sorted(image.features),
    [...image.topics()].sort((a, b) => (a.name < b.name ? -1 : 1)).map(packTopic),
    [...HashMap.entries(image.fields.commands)]
      .sort(([, a], [, b]) => a.endOffset - b.endOffset)
      .map(([id, { endOffset, result }]) => [id, endOffset, packResult(result)]),
    sorted(HashMap.entries(image.groupConfigs)).map(packConfigs),
    sorted(HashMap.entries(image.clientMetrics)).map(packConfigs),
    sorted(HashMap.entries(image.clientQuotas)).map(([, { entity, values }]) => [entity, sorted(values)])
  ])

const packConfigs = ([resource, values]: [string, ReadonlyMap<string, string>]): ReadonlyArray<unknown> => [
  resource,
  sorted(values)
]

const sorted = <V>(map: Iterable<readonly [string, V]>): Array<[string, V]> =>
  Array.from(map, ([key, value]): [string, V] => [key, value]).sort(([a], [b]) => (a < b ? -1 : 1))

const packBroker = (broker: BrokerImage): ReadonlyArray<unknown> => [
  broker.nodeId,
  broker.incarnation,
  broker.directoryId,
  broker.endpoints.map(packEndpoint),
  broker.rack,
  broker.fenced,
  broker.registeredAt
]

const packTopic = (topic: TopicImage): ReadonlyArray<unknown> => [
  topic.name,
  topic.topicId,
  topic.internal,
  sorted(topic.configs),
  topic.partitions.map((p) => [
    p.stream,
    p.replicas,
    p.isr,
    p.leader,
    p.leaderEpoch,
    p.configVersion,
    p.adding,
    p.removing,
    p.electedAt,
    p.directories,
    p.unclean,
    p.target
  ])
]

const packResult = (result: CommandResult): ReadonlyArray<unknown> => {
  switch (result._tag) {
    case "Applied":
      return [0]
    case "Rejected":
      return [1, result.errorCode, result.message]
    case "ProducerIds":
      return [2, result.first, result.count]
    case "PartitionsChanged":
      return [3, result.refused]
  }
}

/**
 * The image of a snapshot.
 *
 * **Errors** `MetadataFormatError` for damaged bytes and for a version of a newer chronik-effect.
 */
export const decodeSnapshot = (bytes: Uint8Array): MetadataImage => {
  const row = new Row(unpack(bytes), "a metadata snapshot")
  const version = row.number()
  if (!Number.isInteger(version) || version < 1 || version > VERSION) {
    throw new MetadataFormatError(
      `The metadata snapshot has version ${version}; this chronik-effect reads versions up to ${VERSION}: start the newer one.`
    )
  }
  const empty = emptyImage(row.string())
  const offset = row.number()
  const nextStream = row.number()
  const nextProducerId = row.number()
  const brokers = row.array(brokerOf)
  const brokerConfigs = row.array(configsOf)
  const features = row.array((r): [string, number] => [r.string(), r.number()])
  // Version 1 did not say where replicas lie: they are taken to be where their nodes are registered.
  const directoryOf = (node: number) => brokers.find((broker) => broker.nodeId === node)?.directoryId ?? ""
  const topics = row.array((r) => topicOf(r, version === 1 ? directoryOf : undefined))
  const commands = row.array((r): [string, AppliedCommand] => [
    r.string(),
    { endOffset: r.number(), result: r.struct(resultOf) }
  ])
  const later = version >= 3
  const groupConfigs = later ? row.array(configsOf) : []
  const clientMetrics = later ? row.array(configsOf) : []
  const clientQuotas = later ? row.array(quotaOf) : []
  return new MetadataImage({
    ...empty.fields,
    offset,
    nextStream,
    nextProducerId,
    brokers: new Map(brokers.map((broker) => [broker.nodeId, broker])),
    brokerConfigs: new Map(brokerConfigs),
    groupConfigs: HashMap.fromIterable(groupConfigs),
    clientMetrics: HashMap.fromIterable(clientMetrics),
    clientQuotas: HashMap.fromIterable(clientQuotas.map((quota) => [entityKey(quota.entity), quota])),
    features: new Map(features),
    topicsByName: HashMap.fromIterable(topics.map((topic) => [topic.name, topic])),
    topicsById: HashMap.fromIterable(topics.map((topic) => [topic.topicId, topic])),
    foldedNames: HashMap.fromIterable(topics.map((topic) => [foldedName(topic.name), topic.name])),
    commands: HashMap.fromIterable(commands),
    commandIds: HashMap.fromIterable(commands.map(([id, { endOffset }]) => [endOffset, id])),
    firstCommand: commands[0]?.[1].endOffset ?? offset
  })
}

const configsOf = (row: Row): [string, ReadonlyMap<string, string>] => [row.string(), new Map(row.array(pairOf))]

const quotaOf = (row: Row): ClientQuota => ({
  entity: row.array(entityPartOf),
  values: new Map(row.array((r): [string, number] => [r.string(), r.number()]))
})

const pairOf = (row: Row): [string, string] => [row.string(), row.string()]

const brokerOf = (row: Row): BrokerImage => ({
  nodeId: row.number(),
  incarnation: row.number(),
  directoryId: row.string(),
  endpoints: row.array(endpointOf),
  rack: row.nullable(() => row.string()),
  fenced: row.boolean(),
  registeredAt: row.number()
})

const topicOf = (row: Row, directoryOf: ((node: number) => string) | undefined): TopicImage => {
  const head = {
    name: row.string(),
    topicId: row.string(),
    internal: row.boolean(),
    configs: new Map(row.array(pairOf))
  }
  let partition = 0
  return {
    ...head,
    partitions: row.array((r) => partitionOf(r, partition++, directoryOf))
  }
}

const partitionOf = (
  row: Row,
  partition: number,
  directoryOf: ((node: number) => string) | undefined
): PartitionImage => {
  const written = {
    partition,
    stream: row.number(),
    replicas: row.numbers(),
    isr: row.numbers(),
    leader: row.number(),
    leaderEpoch: row.number(),
    configVersion: row.number(),
    adding: row.numbers(),
    removing: row.numbers(),
    electedAt: row.number()
  }
  return directoryOf === undefined
    ? { ...written, directories: row.strings(), unclean: row.boolean(), target: row.numbers() }
    : { ...written, directories: written.replicas.map(directoryOf), unclean: false, target: [] }
}

const resultOf = (row: Row): CommandResult => {
  switch (row.number()) {
    case 0:
      return { _tag: "Applied" }
    case 1:
      return { _tag: "Rejected", errorCode: row.number(), message: row.string() }
    case 2:
      return { _tag: "ProducerIds", first: row.number(), count: row.number() }
    case 3:
      return { _tag: "PartitionsChanged", refused: row.array((r): [string, number] => [r.string(), r.number()]) }
    default:
      throw new MetadataFormatError(
        "The metadata snapshot holds an unknown result of a command: start the newer chronik-effect."
      )
  }
}
