/**
 * Topic creation as clients see it (R1, R6, R10, R13, R15), on a durable node over real sockets.
 *
 * Times are asserted with room for a machine that is shared; the figures themselves are in docs/performance.md.
 */

import { MetadataApi } from "@chronik-effect/core/protocol/messages/03_Metadata.ts"
import { BatchBuilder } from "@chronik-effect/core/record/BatchBuilder.ts"
import { createTopic } from "@chronik-effect/server/client/kafka/Admin.ts"
import { makeKafkaClient } from "@chronik-effect/server/client/kafka/KafkaClient.ts"
import { produceLane } from "@chronik-effect/server/client/kafka/Produce.ts"
import { startBroker } from "chronik-effect/testing"
import { Effect } from "effect"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { temporaryDirectory } from "../support/BrokerProcess.ts"

let broker: Awaited<ReturnType<typeof startBroker>>

beforeAll(async () => {
  broker = await startBroker({ dataDir: temporaryDirectory(), partitions: 6 })
})
afterAll(() => broker.close())

const run = <A, E>(program: Effect.Effect<A, E, import("effect").Scope.Scope>) =>
  Effect.runPromise(Effect.scoped(program))
const client = Effect.suspend(() => makeKafkaClient({ bootstrap: broker.bootstrap, clientId: "requirements" }))
const quantile = (values: ReadonlyArray<number>, q: number) =>
  [...values].sort((a, b) => a - b)[Math.min(values.length - 1, Math.floor(values.length * q))]!

const oneRecord = (): Uint8Array => {
  const builder = new BatchBuilder()
  builder.append({ value: new Uint8Array([1]) })
  return builder.finish()
}

describe("topic creation", () => {
  it("R10: produce right after the answer, 1,000 times, never meets a partition that does not serve", async () => {
    const times: Array<number> = []
    await run(
      Effect.gen(function* () {
        const kafka = yield* client
        const connection = yield* kafka.dedicated({ host: broker.host, port: broker.port })
        const batch = oneRecord()
        for (let i = 0; i < 1_000; i++) {
          const name = `r10-${i}`
          const started = performance.now()
          yield* createTopic(kafka, { name, partitions: 2 })
          times.push(performance.now() - started)
          const { topicId } = yield* kafka.topic(name)
          // One attempt, no retry: any error code fails the test.
          const lane = yield* produceLane(connection, { topic: name, topicId, partition: i % 2 }, -1, 5_000)
          expect((yield* lane.produce(batch.slice())).baseOffset).toBe(0)
        }
      })
    )
    expect(quantile(times, 0.5)).toBeLessThan(5)
  }, 120_000)

  it("R13: a metadata query is answered from memory", async () => {
    const times = await run(
      Effect.gen(function* () {
        const kafka = yield* client
        const connection = yield* kafka.dedicated({ host: broker.host, port: broker.port })
        const measured: Array<number> = []
        for (let i = 0; i < 500; i++) {
          const started = performance.now()
          yield* connection.request(MetadataApi, { topics: [{ name: "r10-1" }], allowAutoTopicCreation: false })
          measured.push(performance.now() - started)
        }
        return measured
      })
    )
    expect(quantile(times, 0.5)).toBeLessThan(1)
  })

  it("R6: 128 concurrent creations take far less time than 128 creations, as long as a commit is what takes time", async () => {
    const { alone, together } = await run(
      Effect.gen(function* () {
        const kafka = yield* client
        const measured: Array<number> = []
        for (let i = 0; i < 16; i++) {
          const started = performance.now()
          yield* createTopic(kafka, { name: `alone-${i}` })
          measured.push(performance.now() - started)
        }
        const between = performance.now()
        const names = Array.from({ length: 128 }, (_, i) => `together-${i}`)
        yield* Effect.forEach(names, (name) => createTopic(kafka, { name }), { concurrency: "unbounded" })
        return { alone: quantile(measured, 0.5), together: performance.now() - between }
      })
    )
    // A creation costs some processor time that cannot be shared; commits are counted in MetadataStore.test.ts.
    expect(together).toBeLessThan(128 * Math.max(alone, 1))
  })
})
