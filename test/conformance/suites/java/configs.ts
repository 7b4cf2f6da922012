/**
 * ConfigCommand: topics, brokers, groups, client metrics and quotas.
 */
import { doesNotMatch, match } from "node:assert/strict"
import type { Cases } from "../Suite.ts"
import type { JavaTools } from "./JavaTools.ts"

const CONFIG = "kafka.admin.ConfigCommand"

export const configCases = async (cases: Cases, tools: JavaTools, brokerId: string): Promise<void> => {
  const config = (...args: ReadonlyArray<string>) => tools.admin(CONFIG, ...args)
  const topic = ["--entity-type", "topics", "--entity-name", "configured"]
  await tools.admin("org.apache.kafka.tools.TopicCommand", "--create", "--topic", "configured")

  await cases.add("ConfigCommand alters a topic's configs, and takes them back", async () => {
    await config("--alter", ...topic, "--add-config", "retention.ms=60000,cleanup.policy=[compact,delete]")
    const described = await config("--describe", ...topic)
    match(described, /retention\.ms=60000.*synonyms=\{DYNAMIC_TOPIC_CONFIG:retention\.ms=60000/)
    match(described, /cleanup\.policy=compact,delete/)
    await config("--alter", ...topic, "--delete-config", "retention.ms,cleanup.policy")
    doesNotMatch(await config("--describe", ...topic), /retention\.ms=/)
  })

  await cases.add("ConfigCommand shows a topic's defaults with their synonyms", async () => {
    const all = await config("--describe", "--all", ...topic)
    match(all, / retention\.ms=604800000 /)
    match(all, / cleanup\.policy=delete .*synonyms=\{DEFAULT_CONFIG:log\.cleanup\.policy=delete\}/)
    match(all, /segment\.bytes=1073741824/)
    match(all, /min\.insync\.replicas=1/)
  })

  await cases.add("ConfigCommand refuses what no topic takes", async () => {
    await tools.refuses(/no\.such/, CONFIG, "--alter", ...topic, "--add-config", "no.such=1")
    await tools.refuses(/retention\.ms/, CONFIG, "--alter", ...topic, "--add-config", "retention.ms=often")
    await tools.refuses(
      /does not exist|[Uu]nknown/,
      CONFIG,
      "--alter",
      "--entity-type",
      "topics",
      "--entity-name",
      "absent",
      "--add-config",
      "retention.ms=1"
    )
  })

  await brokerConfigs(cases, tools, brokerId)
  await groupConfigs(cases, tools)
  await quotas(cases, tools)
}

const brokerConfigs = async (cases: Cases, tools: JavaTools, brokerId: string): Promise<void> => {
  const config = (...args: ReadonlyArray<string>) => tools.admin(CONFIG, ...args)
  const broker = ["--entity-type", "brokers", "--entity-name", brokerId]
  const everyBroker = ["--entity-type", "brokers", "--entity-default"]
  await cases.add("ConfigCommand alters one broker's configs and all brokers'", async () => {
    await config("--alter", ...broker, "--add-config", "log.retention.ms=7200000")
    match(
      await config("--describe", ...broker),
      /log\.retention\.ms=7200000.*DYNAMIC_BROKER_CONFIG:log\.retention\.ms=7200000/
    )
    await config("--alter", ...everyBroker, "--add-config", "log.retention.ms=3600000")
    match(await config("--describe", ...everyBroker), /log\.retention\.ms=3600000/)
    const synonyms =
      /DYNAMIC_BROKER_CONFIG:log\.retention\.ms=7200000, DYNAMIC_DEFAULT_BROKER_CONFIG:log\.retention\.ms=3600000/
    match(await config("--describe", ...broker), synonyms)
    await config("--alter", ...broker, "--delete-config", "log.retention.ms")
    await config("--alter", ...everyBroker, "--delete-config", "log.retention.ms")
    doesNotMatch(await config("--describe", ...everyBroker), /log\.retention\.ms=/)
  })

  await cases.add("ConfigCommand shows every broker config, and refuses read-only ones", async () => {
    const all = await config("--describe", "--all", ...broker)
    match(all, /num\.partitions=/)
    match(all, /group\.max\.session\.timeout\.ms=1800000/)
    await tools.refuses(
      /[Rr]ead.?only|Cannot update|not dynamically|Invalid/,
      CONFIG,
      "--alter",
      ...broker,
      "--add-config",
      "node.id=7"
    )
  })
}

const groupConfigs = async (cases: Cases, tools: JavaTools): Promise<void> => {
  // A resource that this tool knows from 4.0 on.
  if (!tools.modern) return
  const group = ["--entity-type", "groups", "--entity-name", "tuned"]
  await cases.add("ConfigCommand alters a group's configs", async () => {
    await tools.admin(CONFIG, "--alter", ...group, "--add-config", "consumer.session.timeout.ms=50000")
    match(await tools.admin(CONFIG, "--describe", ...group), /consumer\.session\.timeout\.ms=50000/)
    await tools.admin(CONFIG, "--alter", ...group, "--delete-config", "consumer.session.timeout.ms")
    doesNotMatch(await tools.admin(CONFIG, "--describe", ...group), /consumer\.session\.timeout\.ms=50000/)
  })
  await cases.add("ConfigCommand refuses a group config out of its range", () =>
    tools.refuses(
      /consumer\.session\.timeout\.ms/,
      CONFIG,
      "--alter",
      ...group,
      "--add-config",
      "consumer.session.timeout.ms=1"
    )
  )
}

const quotas = async (cases: Cases, tools: JavaTools): Promise<void> => {
  const user = ["--entity-type", "users", "--entity-name", "alice"]
  const client = ["--entity-type", "clients", "--entity-name", "loader"]
  await cases.add("ConfigCommand keeps quotas of users, clients and both", async () => {
    await tools.admin(CONFIG, "--alter", ...client, "--add-config", "producer_byte_rate=1048576")
    await tools.admin(CONFIG, "--alter", ...user, ...client, "--add-config", "consumer_byte_rate=2097152")
    match(await tools.admin(CONFIG, "--describe", ...client), /client-id 'loader' are producer_byte_rate=1048576/)
    match(
      await tools.admin(CONFIG, "--describe", ...user, ...client),
      /user-principal 'alice', client-id 'loader' are consumer_byte_rate=2097152/
    )
    await tools.admin(CONFIG, "--alter", ...client, "--delete-config", "producer_byte_rate")
    doesNotMatch(await tools.admin(CONFIG, "--describe", ...client), /producer_byte_rate/)
  })
  await cases.add("ConfigCommand keeps the default quota of clients", async () => {
    const everyClient = ["--entity-type", "clients", "--entity-default"]
    await tools.admin(CONFIG, "--alter", ...everyClient, "--add-config", "request_percentage=150")
    match(await tools.admin(CONFIG, "--describe", ...everyClient), /the default client-id are request_percentage=150/)
    await tools.admin(CONFIG, "--alter", ...everyClient, "--delete-config", "request_percentage")
  })
}
