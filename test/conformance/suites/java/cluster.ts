/**
 * What is asked of a cluster: versions, leaders, reassignments, log directories, access control, producers.
 */
import { deepEqual, equal, match } from "node:assert/strict"
import type { Cases } from "../Suite.ts"
import type { JavaTools } from "./JavaTools.ts"

const TOPIC = "org.apache.kafka.tools.TopicCommand"
const ELECTION = "org.apache.kafka.tools.LeaderElectionCommand"
const REASSIGN = "org.apache.kafka.tools.reassign.ReassignPartitionsCommand"
const LOG_DIRS = "org.apache.kafka.tools.LogDirsCommand"
const ACL = "org.apache.kafka.tools.AclCommand"
const TRANSACTIONS = "org.apache.kafka.tools.TransactionsCommand"

export const clusterCases = async (cases: Cases, tools: JavaTools): Promise<void> => {
  await tools.admin(TOPIC, "--create", "--topic", "clustered", "--partitions", "2")
  await tools.produce("clustered", ["a", "b", "c"])

  await cases.add("BrokerApiVersionsCommand understands every version that we offer", async () => {
    const told = await tools.admin("org.apache.kafka.tools.BrokerApiVersionsCommand")
    match(told, /\(id: \d+ rack: null.*\) -> \(/)
    match(told, /Produce\(0\): 0 to \d+ \[usable: \d+\]/)
    match(told, /Fetch\(1\): \d+ to \d+ \[usable: \d+\]/)
    equal(/UNKNOWN\(\d+\)|usable: UNKNOWN/.test(told), false, told)
  })

  await cases.add("LeaderElectionCommand finds that every leader is the preferred one", async () => {
    const told = await tools.admin(ELECTION, "--election-type", "preferred", "--topic", "clustered", "--partition", "0")
    match(told, /Valid replica already elected for partitions.*clustered-0/)
    await tools.refuses(
      /does not exist|UnknownTopicOrPartition/,
      ELECTION,
      "--election-type",
      "preferred",
      "--topic",
      "absent",
      "--partition",
      "0"
    )
  })

  await cases.add("ReassignPartitionsCommand lists no reassignment", async () => {
    match(await tools.admin(REASSIGN, "--list"), /No partition reassignments found/)
  })

  await cases.add("LogDirsCommand shows the size of each partition", async () => {
    const told = await tools.admin(LOG_DIRS, "--describe", "--topic-list", "clustered")
    const shown = JSON.parse(told.split("\n").find((line) => line.startsWith("{")) ?? "{}")
    const partitions = shown.brokers[0].logDirs[0].partitions as ReadonlyArray<{ partition: string; size: number }>
    deepEqual(partitions.map(({ partition }) => partition).sort(), ["clustered-0", "clustered-1"])
    const bytes = partitions.reduce((sum, { size }) => sum + size, 0)
    equal(bytes > 0, true, told)
    equal(shown.brokers[0].logDirs[0].error, null)
  })

  await cases.add("AclCommand is told that there is no authorizer", async () => {
    await tools.refuses(/SecurityDisabledException|No Authorizer is configured/, ACL, "--list")
    const rule = ["--allow-principal", "User:alice", "--operation", "Read", "--topic", "clustered"]
    await tools.refuses(/SecurityDisabledException|No Authorizer is configured/, ACL, "--add", ...rule)
    await tools.refuses(/SecurityDisabledException|No Authorizer is configured/, ACL, "--remove", "--force", ...rule)
  })

  await cases.add("TransactionsCommand shows the producers of a partition", async () => {
    await tools.produce("clustered", ["d", "e", "f", "g"], "--producer-property", "enable.idempotence=true")
    const told = await Promise.all(
      ["0", "1"].map((partition) =>
        tools.admin(TRANSACTIONS, "describe-producers", "--topic", "clustered", "--partition", partition)
      )
    )
    match(told.join("\n"), /ProducerId\s+ProducerEpoch/)
    match(told.join("\n"), /^\d+\s+0\s+-1\s+\d+\s+\d+\s+None/m)
  })
}
