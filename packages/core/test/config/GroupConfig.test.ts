import { Result } from "effect"
import { describe, expect, it } from "vitest"
import { defaultBrokerConfig, makeBrokerConfig } from "../../src/config/BrokerConfig.ts"
import { clientMetricsProblem } from "../../src/config/ClientMetricsConfig.ts"
import { consumerGroupSettings, groupConfigsProblem } from "../../src/config/GroupConfig.ts"

const broker = defaultBrokerConfig()
const problem = (values: Record<string, string>, on = broker) =>
  groupConfigsProblem(new Map(Object.entries(values)), on)

describe("group configs", () => {
  it("are the broker's where the group has none of its own", () => {
    expect(consumerGroupSettings(undefined, broker)).toEqual({
      heartbeatIntervalMs: 5000,
      sessionTimeoutMs: 45_000,
      assignmentIntervalMs: 1000
    })
    const own = new Map([["consumer.session.timeout.ms", "50000"]])
    expect(consumerGroupSettings(own, broker).sessionTimeoutMs).toBe(50_000)
  })

  it.each([
    [{ "consumer.session.timeout.ms": "44999" }, /greater than or equal to group.consumer.min.session.timeout.ms/],
    [{ "consumer.session.timeout.ms": "60001" }, /less than or equal to group.consumer.max.session.timeout.ms/],
    [{ "consumer.heartbeat.interval.ms": "4999" }, /group.consumer.min.heartbeat.interval.ms/],
    [{ "consumer.heartbeat.interval.ms": "15001" }, /group.consumer.max.heartbeat.interval.ms/],
    [{ "consumer.assignment.interval.ms": "15001" }, /group.consumer.max.assignment.interval.ms/],
    [{ "consumer.heartbeat.interval.ms": "soon" }, /Not a number of type INT/],
    [{ "share.session.timeout.ms": "45000" }, /Unknown group config name: share.session.timeout.ms/]
  ])("refuses %o", (values, expected) => expect(problem(values)).toMatch(expected))

  it("takes the limits from the broker", () => {
    const made = makeBrokerConfig("standalone", [
      ["group.consumer.min.session.timeout.ms", "100"],
      ["group.consumer.min.heartbeat.interval.ms", "10"]
    ])
    if (Result.isFailure(made)) throw new Error(made.failure.join(" "))
    expect(
      problem({ "consumer.session.timeout.ms": "100", "consumer.heartbeat.interval.ms": "20" }, made.success)
    ).toBe(undefined)
    expect(problem({ "consumer.session.timeout.ms": "5000" }, made.success)).toMatch(/must be less than/)
  })

  it("in force stay within the broker's limits, which may have moved since", () => {
    const old = new Map([["consumer.session.timeout.ms", "1000"]])
    expect(consumerGroupSettings(old, broker).sessionTimeoutMs).toBe(45_000)
  })
})

describe("client metrics configs", () => {
  it.each([
    ["interval.ms", "99"],
    ["interval.ms", "3600001"],
    ["match", "client_id"],
    ["match", "planet=earth"],
    ["unknown1", "1"]
  ])("refuse %s=%s", (name, value) =>
    expect(clientMetricsProblem(new Map([[name, value]]))).toMatchObject({ message: expect.stringContaining(value) })
  )

  it("take what Kafka's tool sets", () => {
    const values = {
      "interval.ms": "60000",
      metrics: "org.apache.kafka.producer.",
      match: "client_id=a.*, client_source_port=1"
    }
    expect(clientMetricsProblem(new Map(Object.entries(values)))).toBeUndefined()
  })
})
