import * as Admin from "@chronik-effect/server/client/kafka/Admin.ts"
import * as GroupAdmin from "@chronik-effect/server/client/kafka/GroupAdmin.ts"
import { type KafkaClient, makeKafkaClient } from "@chronik-effect/server/client/kafka/KafkaClient.ts"
import { makeProducer } from "@chronik-effect/server/client/kafka/Produce.ts"
import * as Effect from "effect/Effect"
import { Kafka, logLevel } from "kafkajs"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { type Broker, startBroker } from "../../src/testing.ts"
import { commandLine, rowsOf } from "./CommandLine.ts"

let broker: Broker
let at: ReadonlyArray<string>

const using = <A>(use: (client: KafkaClient) => Effect.Effect<A, unknown>): Promise<A> =>
  Effect.runPromise(
    Effect.scoped(Effect.flatMap(makeKafkaClient({ bootstrap: broker.bootstrap, timeoutMs: 5_000 }), use))
  )

/** Ten records in each partition, one a second from the epoch on. */
const fill = (client: KafkaClient, topic: string, partitions: number) =>
  Effect.gen(function* () {
    yield* Admin.createTopic(client, { name: topic, partitions, configs: new Map([["retention.ms", "-1"]]) })
    const producer = yield* makeProducer(client, {})
    for (let partition = 0; partition < partitions; partition++) {
      const records = Array.from({ length: 10 }, (_, i) => ({ value: Buffer.from(`${i}`), timestamp: i * 1_000 }))
      yield* producer.send(topic, partition, records)
    }
  })

const committed = (groupId: string) =>
  using((client) =>
    Effect.map(GroupAdmin.groupOffsets(client, groupId), (offsets) =>
      offsets.map(({ topic, partition, offset }) => [topic, partition, offset])
    )
  )

beforeAll(async () => {
  broker = await startBroker()
  at = ["--bootstrap-server", broker.bootstrap]
})
afterAll(() => broker.close())

describe("group list and describe", () => {
  it("say so when there is none", async () => {
    await using empty = await startBroker()
    const listed = await commandLine("group", "list", "--bootstrap-server", empty.bootstrap)
    expect(listed).toEqual({ code: 0, stdout: "There are no groups.\n", stderr: "" })
    const unknown = await commandLine("group", "describe", "nobody", "--bootstrap-server", empty.bootstrap)
    expect(unknown.code).toBe(1)
    expect(unknown.stderr).toContain("Group nobody: the broker answers GROUP_ID_NOT_FOUND (69)")
  })

  it("show members, what they are assigned, what is committed and how far behind that is", async () => {
    await using((client) => fill(client, "watched", 2))
    const kafka = new Kafka({ clientId: "watcher", brokers: [broker.bootstrap], logLevel: logLevel.NOTHING })
    const consumer = kafka.consumer({ groupId: "watching" })
    await consumer.connect()
    await consumer.subscribe({ topics: ["watched"], fromBeginning: false })
    const joined = new Promise((resolve) => consumer.on(consumer.events.GROUP_JOIN, resolve))
    await consumer.run({ eachMessage: async () => {}, autoCommit: false })
    await joined
    await consumer.commitOffsets([{ topic: "watched", partition: 1, offset: "4" }])
    const described = await commandLine("group", "describe", "watching", ...at)
    const listed = await commandLine("group", "list", ...at)
    const json = await commandLine("group", "describe", "watching", "--json", ...at)
    await consumer.disconnect()

    expect(listed.stdout).toMatch(/^watching +classic +Stable +consumer$/m)
    const [title, , first, second] = rowsOf(described.stdout)
    expect(title).toEqual(["Group watching", "classic", "Stable", "1 member", "assigned by RoundRobinAssigner"])
    expect(first!.slice(0, 5)).toEqual(["watched", "0", "-", "10", "-"])
    expect(second!.slice(0, 5)).toEqual(["watched", "1", "4", "10", "6"])
    expect(second![5]).toMatch(/^watcher-/)
    expect(second![6]).toBe("watcher /127.0.0.1")
    expect(JSON.parse(json.stdout).positions).toMatchObject([
      { partition: 0, committed: null, lag: null },
      { partition: 1, committed: 4, end: 10, lag: 6 }
    ])
  })
})

describe("group reset", () => {
  beforeAll(() => using((client) => fill(client, "moved", 2)))

  it("shows the plan and changes nothing without --execute", async () => {
    const planned = await commandLine("group", "reset", "planner", "--topic", "moved", "--to-latest", ...at)
    expect(rowsOf(planned.stdout).slice(1)).toEqual([
      ["moved", "0", "-", "10"],
      ["moved", "1", "-", "10"],
      ["Nothing is changed yet: add --execute to do it."]
    ])
    expect(await committed("planner")).toEqual([])
  })

  it.each<readonly [what: string, flags: ReadonlyArray<string>, to: number]>([
    ["the start", ["--to-earliest"], 0],
    ["the end", ["--to-latest"], 10],
    ["an offset", ["--to-offset", "3"], 3],
    ["an offset beyond the log", ["--to-offset", "300"], 10],
    ["further back", ["--shift-by", "-2"], 3],
    ["further back than the log goes", ["--shift-by=-100"], 0],
    ["a time", ["--to-datetime", "1970-01-01T00:00:07Z"], 7],
    ["a time after the last record", ["--to-datetime", "2020-01-01T00:00:00Z"], 10]
  ])("moves to %s", async (_, flags, to) => {
    const groupId = `mover${flags.join("")}`
    await using((client) => GroupAdmin.setGroupOffsets(client, groupId, [{ topic: "moved", partition: 1, offset: 5 }]))
    const done = await commandLine("group", "reset", groupId, ...flags, "--execute", ...at)
    expect(done).toMatchObject({ code: 0, stderr: "" })
    expect(rowsOf(done.stdout)[1]).toEqual(["moved", "1", "5", String(to)])
    expect(await committed(groupId)).toEqual([["moved", 1, to]])
  })

  it("takes partitions of a topic", async () => {
    await commandLine("group", "reset", "one", "--topic", "moved:1", "--to-offset", "2", "--execute", ...at)
    expect(await committed("one")).toEqual([["moved", 1, 2]])
  })

  it.each<readonly [flags: ReadonlyArray<string>, problem: string]>([
    [[], "none is given"],
    [["--to-latest", "--to-offset", "1"], "--to-latest and --to-offset are given"],
    [["--to-offset", "-1"], '--to-offset is "-1", but it is a whole number from 0.'],
    [["--shift-by", "x"], '--shift-by is "x", but it is a whole number.'],
    [["--to-datetime", "noon"], '--to-datetime is "noon", but it is a time in ISO form'],
    [["--to-latest", "--topic", "moved:x"], '--topic is "moved:x"']
  ])("refuses %j", async (flags, problem) => {
    const refused = await commandLine("group", "reset", "g", ...flags, ...at)
    expect(refused.code).not.toBe(0)
    expect(refused.stderr).toContain(problem)
  })
})

describe("group delete", () => {
  it("removes a group and its offsets, and says when there is none", async () => {
    await using((client) => fill(client, "dropped", 1))
    await using((client) => GroupAdmin.setGroupOffsets(client, "gone", [{ topic: "dropped", partition: 0, offset: 5 }]))
    const deleted = await commandLine("group", "delete", "gone", ...at)
    expect(deleted).toEqual({ code: 0, stdout: "Group gone deleted.\n", stderr: "" })
    expect(await committed("gone")).toEqual([])
    const again = await commandLine("group", "delete", "gone", ...at)
    expect(again.code).toBe(1)
    expect(again.stderr).toContain("GROUP_ID_NOT_FOUND")
  })
})
