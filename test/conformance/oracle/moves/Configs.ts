/**
 * Configs of topics, brokers and groups: described, replaced, changed one by one, right and wrong.
 */
import { DescribeConfigsApi } from "@chronik-effect/core/protocol/messages/32_DescribeConfigs.ts"
import { AlterConfigsApi } from "@chronik-effect/core/protocol/messages/33_AlterConfigs.ts"
import { IncrementalAlterConfigsApi } from "@chronik-effect/core/protocol/messages/44_IncrementalAlterConfigs.ts"
import { ListConfigResourcesApi } from "@chronik-effect/core/protocol/messages/74_ListConfigResources.ts"
import { type Move, move } from "../Move.ts"
import type { World } from "../World.ts"

type Setting = readonly [name: string, value: string | null]

const TOPIC = 2
const BROKER = 4
const LOGGER = 8
const CLIENT_METRICS = 16
const GROUP = 32

/** The topic of these carries no records: whatever is set takes nothing away from the other moves. */
const TOPIC_SETTINGS: ReadonlyArray<Setting> = [
  ["retention.ms", "1000000000"],
  ["retention.ms", "-2"],
  ["retention.bytes", "-1"],
  ["cleanup.policy", "compact"],
  ["cleanup.policy", "delete,compact"],
  ["cleanup.policy", "none"],
  ["max.message.bytes", "2000"],
  ["max.message.bytes", "nonsense"],
  ["max.message.bytes", null],
  ["segment.bytes", "1048576"],
  ["segment.bytes", "14"],
  ["min.insync.replicas", "1"],
  ["min.insync.replicas", "0"],
  ["compression.type", "gzip"],
  ["compression.gzip.level", "9"],
  ["compression.gzip.level", "10"],
  ["message.timestamp.type", "LogAppendTime"],
  ["min.cleanable.dirty.ratio", "0.3"],
  ["min.compaction.lag.ms", "100"],
  ["max.compaction.lag.ms", "0"],
  ["max.compaction.lag.ms", "10"],
  ["leader.replication.throttled.replicas", "0:1"],
  ["leader.replication.throttled.replicas", "*"],
  ["leader.replication.throttled.replicas", "nonsense"],
  ["remote.storage.enable", "true"],
  ["local.retention.ms", "-2"],
  ["unclean.leader.election.enable", "maybe"],
  ["message.format.version", "3.0"],
  ["no.such.config", "1"],
  ["", ""]
]

const BROKER_SETTINGS: ReadonlyArray<Setting> = [
  ["log.cleaner.backoff.ms", "15001"],
  ["num.io.threads", "9"],
  ["log.retention.bytes", "123456789"],
  ["max.connections", "2000000000"],
  ["max.connections", "-1"],
  ["compression.type", "nonsense"],
  ["message.max.bytes", "1048589"],
  ["broker.id", "5"],
  ["log.dirs", "/elsewhere"],
  ["advertised.listeners", "PLAINTEXT://elsewhere:1"],
  ["no.such.config", "1"],
  ["num.partitions", "9"],
  ["auto.create.topics.enable", "false"]
]

const GROUP_SETTINGS: ReadonlyArray<Setting> = [
  ["consumer.session.timeout.ms", "46000"],
  ["consumer.session.timeout.ms", "1"],
  ["consumer.heartbeat.interval.ms", "6000"],
  ["consumer.heartbeat.interval.ms", "nonsense"],
  ["no.such.config", "1"]
]

const CLIENT_METRICS_SETTINGS: ReadonlyArray<Setting> = [
  ["interval.ms", "60000"],
  ["interval.ms", "5"],
  ["metrics", "org.apache.kafka."],
  ["match", "client_id=a"],
  ["match", "nonsense"],
  ["no.such.config", "1"]
]

interface Resource {
  readonly resourceType: number
  readonly resourceName: string
  readonly settings: ReadonlyArray<Setting>
}

const resourceOf = async (world: World): Promise<Resource> => {
  const { random } = world
  const topic = await emptyTopic(world)
  const of = (resourceType: number, resourceName: string, settings: ReadonlyArray<Setting>): Resource => ({
    resourceType,
    resourceName,
    settings
  })
  return random.pick([
    of(TOPIC, topic, TOPIC_SETTINGS),
    of(TOPIC, topic, TOPIC_SETTINGS),
    of(TOPIC, topic, TOPIC_SETTINGS),
    of(TOPIC, random.pick(["unknown", "", "a/b", ".."]), TOPIC_SETTINGS),
    of(BROKER, random.pick(["1", "1", "", "", "7", "nonsense"]), BROKER_SETTINGS),
    of(GROUP, random.pick([`${world.prefix}group`, ""]), GROUP_SETTINGS),
    of(CLIENT_METRICS, random.pick([`${world.prefix}metrics`, ""]), CLIENT_METRICS_SETTINGS),
    of(LOGGER, random.pick(["1", "7"]), [["no.such.logger", "INFO"]]),
    of(random.pick([0, 1, 3, 127, -1]), "1", [["a", "b"]])
  ])
}

const empties = new WeakMap<World, string>()

const emptyTopic = async (world: World): Promise<string> => {
  const known = empties.get(world)
  if (known !== undefined) return known
  const topic = await world.createTopic(1, {})
  // Not among those that get records; deleted at the end like them.
  world.topics = world.topics.filter((each) => each !== topic)
  world.kept.push(topic)
  empties.set(world, topic.name)
  return topic.name
}

const describe = async (world: World): Promise<void> => {
  const { random, run } = world
  const one = await resourceOf(world)
  const other = await resourceOf(world)
  const keys = random.pick([null, null, [], one.settings.slice(0, 3).map(([name]) => name), ["no.such.config"]])
  const asked = ({ resourceType, resourceName }: Resource) => ({ resourceType, resourceName, configurationKeys: keys })
  await run.ask(DescribeConfigsApi, {
    resources: random.chance(0.2) ? [asked(one), asked(other)] : [asked(one)],
    includeSynonyms: random.chance(0.6),
    includeDocumentation: random.chance(0.3)
  })
}

const change = async (world: World): Promise<void> => {
  const { random, run } = world
  const { resourceType, resourceName, settings } = await resourceOf(world)
  const configs = Array.from({ length: random.pick([1, 1, 1, 2, 0]) }, () => {
    const [name, value] = random.pick(settings)
    return { name, configOperation: random.pick([0, 0, 0, 0, 1, 1, 2, 3, 4]), value }
  })
  const one = { resourceType, resourceName, configs }
  const resources = random.chance(0.05) ? [one, one] : [one]
  await run.ask(IncrementalAlterConfigsApi, { resources, validateOnly: random.chance(0.3) })
  await look(world, one)
}

const replace = async (world: World): Promise<void> => {
  const { random, run } = world
  const { resourceType, resourceName, settings } = await resourceOf(world)
  const configs = Array.from({ length: random.pick([1, 1, 2, 0]) }, () => {
    const [name, value] = random.pick(settings)
    return { name, value }
  })
  const one = { resourceType, resourceName, configs }
  // Kafka does not let go of its own min.insync.replicas there: it refuses what ours would do.
  const forAllBrokers = resourceType === BROKER && resourceName === ""
  await run.ask(AlterConfigsApi, { resources: [one], validateOnly: forAllBrokers || random.chance(0.3) })
  await look(world, one)
}

/** Whatever came of it: it is in force everywhere, and shown. */
const look = async (
  world: World,
  { resourceType, resourceName }: { readonly resourceType: number; readonly resourceName: string }
): Promise<void> => {
  await world.barrier()
  const resources = [{ resourceType, resourceName, configurationKeys: null }]
  await world.run.ask(DescribeConfigsApi, { resources, includeSynonyms: world.random.chance(0.5) })
}

const list = async (world: World): Promise<void> => {
  const { random, run } = world
  const resourceTypes = random.pick([
    [],
    [TOPIC],
    [BROKER],
    [GROUP],
    [CLIENT_METRICS],
    [LOGGER],
    [TOPIC, GROUP],
    [1],
    [99]
  ])
  await run.ask(ListConfigResourcesApi, { resourceTypes })
}

export const configMoves: ReadonlyArray<Move> = [
  move("describe configs", [DescribeConfigsApi], 6, describe),
  move("change configs", [IncrementalAlterConfigsApi, DescribeConfigsApi], 6, change),
  move("replace configs", [AlterConfigsApi, DescribeConfigsApi], 4, replace),
  move("list config resources", [ListConfigResourcesApi], 4, list)
]
