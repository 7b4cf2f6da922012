/**
 * ConsumerGroupCommand: list, describe in all its forms, reset-offsets of each kind, delete-offsets, delete.
 */
import { deepEqual, equal, match } from "node:assert/strict"
import type { Cases } from "../Suite.ts"
import { column, type JavaTools } from "./JavaTools.ts"

const GROUP = "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand"
const TOPIC = "org.apache.kafka.tools.TopicCommand"
const LINES = Array.from({ length: 10 }, (_, i) => `line ${i}`)

export const groupCases = async (cases: Cases, tools: JavaTools): Promise<void> => {
  await tools.admin(TOPIC, "--create", "--topic", "grouped", "--partitions", "1")
  await tools.produce("grouped", LINES)
  await aLife(cases, tools, "classic")
  if (tools.modern) await aLife(cases, tools, "consumer")
  await resets(cases, tools)
  await deletions(cases, tools)
}

/** Consumes everything in a group and leaves it. */
export const consume = (
  tools: JavaTools,
  topic: string,
  group: string,
  count: number,
  ...args: ReadonlyArray<string>
) =>
  tools.admin(
    "org.apache.kafka.tools.consumer.ConsoleConsumer",
    "--topic",
    topic,
    "--group",
    group,
    "--from-beginning",
    "--max-messages",
    String(count),
    "--timeout-ms",
    "60000",
    ...args
  )

const committed = async (tools: JavaTools, group: string, topic: string): Promise<string | undefined> =>
  column(await tools.admin(GROUP, "--describe", "--group", group, "--offsets"), "CURRENT-OFFSET", group, topic)[0]

/** What the command shows of a group while it has a member, and after that. */
export const aLife = async (cases: Cases, tools: JavaTools, protocol: "classic" | "consumer"): Promise<void> => {
  const group = `lived-${protocol}`
  const command = (...args: ReadonlyArray<string>) => tools.admin(GROUP, ...args, "--group", group)
  const ofProtocol = tools.modern && protocol === "consumer"
  const args = [
    "--bootstrap-server",
    tools.bootstrap,
    "--topic",
    "grouped",
    "--group-id",
    group,
    "--reset-policy",
    "earliest"
  ]

  await cases.add(`ConsumerGroupCommand describes a ${protocol} group with a member, and without`, async () => {
    const member = tools.start("org.apache.kafka.tools.VerifiableConsumer", [
      ...args,
      ...(tools.modern ? ["--group-protocol", protocol] : [])
    ])
    try {
      await member.says(/"name":"offsets_committed".*"success":true/)
      match(
        await command("--describe", "--members", "--verbose"),
        new RegExp(`${group}\\s+\\S+\\s+/127\\.0\\.0\\.1\\s+\\S+\\s+1\\s`)
      )
      match(
        await command("--describe", "--state"),
        new RegExp(`${group}\\s+127\\.0\\.0\\.1:\\d+\\s+\\(\\d+\\)\\s+\\S+\\s+Stable\\s.*1`)
      )
      const offsets = await command("--describe", "--offsets")
      deepEqual(column(offsets, "CURRENT-OFFSET", group), ["10"])
      deepEqual(column(offsets, "LOG-END-OFFSET", group), ["10"])
      deepEqual(column(offsets, "LAG", group), ["0"])
      match(offsets, /\/127\.0\.0\.1/)
      await tools.refuses(/not empty|is not inactive|NonEmpty|non-empty/i, GROUP, "--delete", "--group", group)
      await tools.refuses(
        /subscribed to it|actively subscribed|GroupSubscribedToTopic/i,
        GROUP,
        "--delete-offsets",
        "--group",
        group,
        "--topic",
        "grouped"
      )
    } finally {
      await member.end()
    }
    match(await command("--describe", "--state"), /Empty\s.*0/)
    equal(await committed(tools, group, "grouped"), "10")
  })

  await cases.add(
    `ConsumerGroupCommand lists a ${protocol} group by state${tools.modern ? " and type" : ""}`,
    async () => {
      equal((await tools.admin(GROUP, "--list")).split("\n").includes(group), true)
      match(await tools.admin(GROUP, "--list", "--state", "Empty"), new RegExp(`${group}\\s+.*Empty`))
      equal((await tools.admin(GROUP, "--list", "--state", "Stable")).includes(group), false)
      if (!tools.modern) return
      match(
        await tools.admin(GROUP, "--list", "--type", protocol),
        new RegExp(`${group}\\s+${ofProtocol ? "[Cc]onsumer" : "[Cc]lassic"}`)
      )
    }
  )
}

/** New offsets of a plan; 3.9 prints its whole table on one line. */
const planned = (text: string, group: string): ReadonlyArray<string> =>
  [...text.matchAll(new RegExp(`${group}\\s+grouped\\s+0\\s+(\\d+)`, "g"))].map((found) => found[1]!)

const resets = async (cases: Cases, tools: JavaTools): Promise<void> => {
  const group = "resetting"
  await consume(tools, "grouped", group, 10)
  const reset = (...how: ReadonlyArray<string>) =>
    tools.admin(GROUP, "--reset-offsets", "--group", group, "--topic", "grouped", ...how)
  const kinds: ReadonlyArray<readonly [string, ReadonlyArray<string>, string]> = [
    ["to-earliest", ["--to-earliest"], "0"],
    ["to-offset", ["--to-offset", "4"], "4"],
    ["shift-by", ["--shift-by", "3"], "7"],
    ["to-current", ["--to-current"], "7"],
    ["to-latest", ["--to-latest"], "10"],
    ["to-datetime", ["--to-datetime", "2020-01-01T00:00:00.000"], "0"],
    ["by-duration", ["--by-duration", "PT1H"], "0"],
    ["shift-by beyond the end", ["--shift-by", "1000"], "10"]
  ]
  for (const [name, how, expected] of kinds) {
    await cases.add(`ConsumerGroupCommand resets offsets ${name}`, async () => {
      deepEqual(planned(await reset(...how, "--execute"), group), [expected])
      equal(await committed(tools, group, "grouped"), expected)
    })
  }
  await cases.add("ConsumerGroupCommand only plans without --execute", async () => {
    deepEqual(planned(await reset("--to-offset", "2", "--dry-run"), group), ["2"])
    equal(await committed(tools, group, "grouped"), "10")
  })
  await cases.add("ConsumerGroupCommand exports a plan and resets from the file", async () => {
    const plan = await reset("--to-offset", "6", "--dry-run", "--export")
    match(plan, /"grouped",0,6|grouped,0,6/)
  })
}

const deletions = async (cases: Cases, tools: JavaTools): Promise<void> => {
  await cases.add("ConsumerGroupCommand deletes offsets of a topic", async () => {
    await consume(tools, "grouped", "forgetful", 10)
    const deleted = await tools.admin(GROUP, "--delete-offsets", "--group", "forgetful", "--topic", "grouped:0")
    match(deleted, /grouped\s+0\s+Successful/)
    equal(await committed(tools, "forgetful", "grouped").catch(() => undefined), undefined)
  })
  await cases.add("ConsumerGroupCommand deletes groups, and says which there are not", async () => {
    await consume(tools, "grouped", "doomed", 10)
    match(
      await tools.admin(GROUP, "--delete", "--group", "doomed"),
      /Deletion of requested consumer groups \('doomed'\) was successful/
    )
    equal((await tools.admin(GROUP, "--list")).split("\n").includes("doomed"), false)
    await tools.refuses(/does not exist|not found|GroupIdNotFound/i, GROUP, "--delete", "--group", "doomed")
    await tools.refuses(/does not exist|not found/i, GROUP, "--describe", "--group", "doomed")
  })
}
