/**
 * TopicCommand, GetOffsetShell and DeleteRecordsCommand.
 */
import { deepEqual, match } from "node:assert/strict"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import type { Cases } from "../Suite.ts"
import type { JavaTools } from "./JavaTools.ts"

const TOPIC = "org.apache.kafka.tools.TopicCommand"

export const topicCases = async (cases: Cases, tools: JavaTools): Promise<void> => {
  const topic = (...args: ReadonlyArray<string>) => tools.admin(TOPIC, ...args)

  await cases.add("TopicCommand creates with partitions and configs, and describes them", async () => {
    const created = await topic("--create", "--topic", "made", "--partitions", "3", "--config", "retention.ms=3600000")
    match(created, /Created topic made/)
    const described = await topic("--describe", "--topic", "made")
    match(described, /PartitionCount: 3\s+ReplicationFactor: 1\s+Configs: .*retention\.ms=3600000/)
    match(described, /Topic: made\s+Partition: 2\s+Leader: \d+\s+Replicas: \d+\s+Isr: \d+/)
    match(described, /TopicId: [\w-]{22}/)
  })

  await cases.add("TopicCommand lists, and refuses what is wrong", async () => {
    const listed = (await topic("--list")).split("\n")
    deepEqual(listed.includes("made"), true)
    await tools.refuses(/already exists/, TOPIC, "--create", "--topic", "made")
    await topic("--create", "--topic", "made", "--if-not-exists")
    await tools.refuses(/Topic '(Optional\[)?absent\]?' does not exist/, TOPIC, "--describe", "--topic", "absent")
    await tools.refuses(/[Rr]eplication factor/, TOPIC, "--create", "--topic", "wide", "--replication-factor", "3")
    await tools.refuses(
      /unknown.*no\.such\.config|Unknown topic config name/i,
      TOPIC,
      "--create",
      "--topic",
      "odd",
      "--config",
      "no.such.config=1"
    )
  })

  await cases.add("TopicCommand adds partitions, never takes some away", async () => {
    await topic("--alter", "--topic", "made", "--partitions", "5")
    match(await topic("--describe", "--topic", "made"), /PartitionCount: 5/)
    await tools.refuses(
      /5 partition\(s\)|would not be an increase|higher than the requested/,
      TOPIC,
      "--alter",
      "--topic",
      "made",
      "--partitions",
      "2"
    )
  })

  await cases.add("TopicCommand finds no partition that is unavailable or under-replicated", async () => {
    deepEqual((await topic("--describe", "--unavailable-partitions")).trim(), "")
    deepEqual((await topic("--describe", "--under-replicated-partitions")).trim(), "")
  })

  await cases.add("TopicCommand deletes", async () => {
    await topic("--delete", "--topic", "made")
    deepEqual((await topic("--list")).split("\n").includes("made"), false)
    await tools.refuses(/Topic '(Optional\[)?made\]?' does not exist/, TOPIC, "--delete", "--topic", "made")
  })
  await offsetCases(cases, tools)
}

const offsetCases = async (cases: Cases, tools: JavaTools): Promise<void> => {
  await cases.add("GetOffsetShell shows first, last and timed offsets", async () => {
    await tools.admin(TOPIC, "--create", "--topic", "counted", "--partitions", "1")
    await tools.produce("counted", ["a", "b", "c"])
    const offsets = async (time: string) =>
      (await tools.admin("org.apache.kafka.tools.GetOffsetShell", "--topic", "counted", "--time", time)).trim()
    deepEqual(await offsets("-1"), "counted:0:3")
    deepEqual(await offsets("-2"), "counted:0:0")
    deepEqual(await offsets("1"), "counted:0:0")
    match(await offsets("max-timestamp"), /^counted:0:[012]$/)
    deepEqual(await offsets("earliest-local"), "counted:0:0")
  })

  await cases.add("DeleteRecordsCommand moves the log's start", async () => {
    const directory = mkdtempSync(join(tmpdir(), "chronik-delete-"))
    const file = join(directory, "offsets.json")
    writeFileSync(file, JSON.stringify({ version: 1, partitions: [{ topic: "counted", partition: 0, offset: 2 }] }))
    const told = await tools.admin("org.apache.kafka.tools.DeleteRecordsCommand", "--offset-json-file", file)
    rmSync(directory, { recursive: true })
    match(told, /partition: counted-0\s+low_watermark: 2/)
    const first = await tools.admin("org.apache.kafka.tools.GetOffsetShell", "--topic", "counted", "--time", "-2")
    deepEqual(first.trim(), "counted:0:2")
  })
}
