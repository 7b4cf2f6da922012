import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { type Broker, startBroker } from "../../src/testing.ts"
import { commandLine, rowsOf } from "./CommandLine.ts"

let broker: Broker
let at: ReadonlyArray<string>

beforeAll(async () => {
  broker = await startBroker()
  at = ["--bootstrap-server", broker.bootstrap]
  await commandLine("topic", "create", "t", ...at)
})
afterAll(() => broker.close())

describe("config", () => {
  it.each<readonly [resource: ReadonlyArray<string>, called: string, name: string, setBy: string]>([
    [["topic", "t"], "topic t", "retention.ms", "topic"],
    [["broker", "1"], "broker 1", "log.retention.ms", "this broker"],
    [["broker"], "all brokers", "log.retention.ms", "all brokers"]
  ])("sets, shows and unsets one of %j", async (resource, called, name, setBy) => {
    const nothing = await commandLine("config", "describe", ...resource, ...at)
    expect(nothing.stdout).toBe(`Nothing is set for ${called}: --all shows what counts.\n`)
    const set = await commandLine("config", "alter", ...resource, "--set", `${name}=60000`, ...at)
    expect(set).toEqual({ code: 0, stdout: `${name} = 60000 is set for ${called}.\n`, stderr: "" })
    const shown = await commandLine("config", "describe", ...resource, ...at)
    expect(rowsOf(shown.stdout).slice(1)).toEqual([[name, "60000", setBy]])
    await commandLine("config", "alter", ...resource, "--unset", name, ...at)
    expect((await commandLine("config", "describe", ...resource, ...at)).stdout).toBe(nothing.stdout)
  })

  it("shows everything that counts, with what it means as JSON", async () => {
    const all = await commandLine("config", "describe", "topic", "t", "--all", "--json", ...at)
    const configs: ReadonlyArray<{ readonly name: string; readonly documentation: string }> = JSON.parse(all.stdout)
    expect(configs.length).toBeGreaterThan(20)
    expect(configs.find(({ name }) => name === "cleanup.policy")).toMatchObject({
      value: "delete",
      source: "default",
      documentation: expect.stringMatching(/\w/)
    })
  })

  it.each<readonly [words: ReadonlyArray<string>, problem: string]>([
    [["describe", "topics", "t"], '"topics" has no configs. Did you mean "topic"?'],
    [["describe", "topic"], 'After "topic" comes the name of a topic.'],
    [["describe", "broker", "one"], 'After "broker" comes the id of a broker, or nothing for all brokers.'],
    [["describe", "broker", "7"], "The cluster has no broker 7; it has 1."],
    [["describe", "topic", "absent"], "UNKNOWN_TOPIC_OR_PARTITION"],
    [["alter", "topic", "t"], "Say what to change with --set NAME=VALUE or --unset NAME."],
    [["alter", "topic", "t", "--set", "retention.ms"], '--set is "retention.ms", but it is a name and a value'],
    [["alter", "topic", "t", "--set", "retention.ms=soon"], "INVALID_CONFIG"],
    [["alter", "topic", "t", "--set", "no.such.key=1"], "INVALID_CONFIG"]
  ])("refuses %j", async (words, problem) => {
    const refused = await commandLine("config", ...words, ...at)
    expect(refused.code).not.toBe(0)
    expect(refused.stdout).toBe("")
    expect(refused.stderr).toContain(problem)
  })
})
