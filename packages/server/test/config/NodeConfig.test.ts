import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import { describe, expect, it } from "vitest"
import { advertisedAddress, defaultNodeConfig, makeNodeConfig, NodeConfig } from "../../src/config/NodeConfig.ts"

const made = (values: Parameters<typeof makeNodeConfig>[0]) => Result.getOrThrow(makeNodeConfig(values))

describe("makeNodeConfig", () => {
  it("is a whole node without a word said", () => {
    expect(made({})).toMatchObject({ nodeId: 1, kafkaPort: 9_092, durability: "durable", defaultPartitions: 1 })
  })

  it("reads partitions from either name, Kafka's winning", () => {
    expect(made({ defaultPartitions: 4 }).defaultPartitions).toBe(4)
    expect(made({ defaultPartitions: 4 }).broker.integer("num.partitions")).toBe(4)
    expect(made({ defaultPartitions: 4, broker: new Map([["num.partitions", "7"]]) }).defaultPartitions).toBe(7)
  })

  it("names every broker config that is wrong", () => {
    const result = makeNodeConfig({
      broker: new Map([
        ["no.such", "1"],
        ["num.partitions", "0"]
      ])
    })
    expect(Result.isFailure(result) && result.failure.problems.length).toBe(2)
  })

  it("is a layer", async () => {
    const port = await Effect.runPromise(
      Effect.provide(
        NodeConfig.use((config) => Effect.succeed(config.kafkaPort)),
        NodeConfig.layer({ kafkaPort: 0 })
      )
    )
    expect(port).toBe(0)
  })
})

describe("advertisedAddress", () => {
  it("is what was configured, else the listening address, never a wildcard", () => {
    const at = (values: Parameters<typeof makeNodeConfig>[0]) =>
      advertisedAddress({ ...defaultNodeConfig, ...values }, 1_234, "10.0.0.5")
    expect(at({})).toEqual({ host: "127.0.0.1", port: 1_234 })
    expect(at({ host: "0.0.0.0" })).toEqual({ host: "10.0.0.5", port: 1_234 })
    expect(at({ host: "::" })).toEqual({ host: "10.0.0.5", port: 1_234 })
    expect(at({ host: "0.0.0.0", advertised: { host: "b" } })).toEqual({ host: "b", port: 1_234 })
    expect(at({ advertised: { host: "b", port: 5 } })).toEqual({ host: "b", port: 5 })
  })
})
