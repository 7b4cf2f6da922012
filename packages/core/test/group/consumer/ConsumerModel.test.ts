/**
 * Seeded histories of a group of the consumer protocol, and of one that both protocols share (`ConsumerModel.ts`).
 * `RUNS=2000` makes more of them, `SEED=7` those of a seed.
 */
import fc from "fast-check"
import { expect, test } from "vitest"
import { ConsumerModel } from "./ConsumerModel.ts"
import { ClassicClient, ConsumerClient, type ModelClient } from "./ModelClient.ts"

interface Step {
  readonly client: number
  readonly action: "beat" | "everybody" | "leave" | "leaveForAWhile" | "resubscribe" | "process" | "topic" | "crash"
  readonly passMs: number
  readonly log: "commit" | "hold" | "fail" | "failOne" | "failPart"
  readonly answerLost: boolean
  readonly choice: number
}

const SUBSCRIPTIONS = [
  { names: ["t"], regex: null },
  { names: ["t", "u"], regex: null },
  { names: ["u", "v"], regex: null },
  { names: ["t", "u", "v"], regex: null },
  { names: null, regex: "[tv].*" },
  { names: ["u"], regex: "v" }
] as const

const step: fc.Arbitrary<Step> = fc.record({
  client: fc.nat(5),
  action: fc.oneof(
    { weight: 8, arbitrary: fc.constant<Step["action"]>("beat") },
    { weight: 4, arbitrary: fc.constant<Step["action"]>("everybody") },
    {
      weight: 3,
      arbitrary: fc.constantFrom<Step["action"]>("leave", "leaveForAWhile", "resubscribe", "process", "topic", "crash")
    }
  ),
  passMs: fc.constantFrom(0, 0, 0, 100, 1_000, 2_000, 5_000, 9_000),
  log: fc.oneof(
    { weight: 8, arbitrary: fc.constant<Step["log"]>("commit") },
    { weight: 4, arbitrary: fc.constant<Step["log"]>("hold") },
    { weight: 1, arbitrary: fc.constantFrom<Step["log"]>("fail", "failOne", "failPart") }
  ),
  answerLost: fc.oneof({ weight: 6, arbitrary: fc.constant(false) }, { weight: 1, arbitrary: fc.constant(true) }),
  choice: fc.nat(100)
})

const run = (model: ConsumerModel, steps: ReadonlyArray<Step>): void => {
  let process = 0
  model.setTopic("t", 3)
  model.setTopic("u", 2)
  model.commitLog()
  for (const { client: index, action, passMs, log, answerLost, choice } of steps) {
    model.pass(passMs)
    const client = model.clients[index % model.clients.length]!
    switch (action) {
      case "beat":
        model.beat(client, answerLost)
        break
      case "everybody":
        for (const each of model.clients) model.beat(each)
        break
      case "leave":
      case "leaveForAWhile":
        if (client.ticket < 0) model.ask(client, client.leave(action === "leaveForAWhile"), answerLost)
        break
      case "resubscribe":
        client.subscription = subscriptionOf(client, choice)
        break
      case "process":
        client.restart(++process)
        break
      case "topic":
        model.setTopic(["t", "u", "v"][choice % 3]!, choice % 7)
        break
      case "crash":
        model.crash(choice % 4, choice % 2 === 0)
        break
    }
    if (log === "commit") model.commitLog()
    else if (log === "fail") model.failLog()
    else if (log === "failOne") model.failOne(choice)
    else if (log === "failPart") model.failPart(choice)
    model.check()
  }
}

const subscriptionOf = (client: ModelClient, choice: number) =>
  SUBSCRIPTIONS[choice % (client instanceof ClassicClient ? 4 : SUBSCRIPTIONS.length)]!

/** Sessions of processes that are gone, a rebalance timeout for who is slow, regexes that are looked at each 10 s. */
const SETTLE_MS = 120_000

/** Regexes are looked at each 10 s, then two heartbeats to give up and one to take. */
const GROWTH_SEEN_MS = 30_000

const consumers = (): ReadonlyArray<ModelClient> =>
  ["a", "b", "c", "d", "e"].map(
    (name, i) => new ConsumerClient(name, i >= 3 ? `i-${name}` : null, SUBSCRIPTIONS[i % 4]!)
  )

const mixed = (): ReadonlyArray<ModelClient> => [
  new ConsumerClient("a", null, SUBSCRIPTIONS[1]),
  new ConsumerClient("b", "i-b", SUBSCRIPTIONS[0]),
  new ClassicClient("x", null, SUBSCRIPTIONS[1], false),
  new ClassicClient("y", null, SUBSCRIPTIONS[1], true),
  new ClassicClient("z", "i-z", SUBSCRIPTIONS[3], true)
]

const histories = (clients: () => ReadonlyArray<ModelClient>, numRuns: number): void =>
  fc.assert(
    fc.property(fc.array(step, { maxLength: 80 }), fc.constantFrom(0, 1_000), (steps, intervalMs) => {
      const model = new ConsumerModel(clients(), intervalMs)
      run(model, steps)
      model.settle(SETTLE_MS)
      model.expectSettled()
      // Nobody moves any more: a topic that grows is noticed all the same.
      model.setTopic("t", (model.topics.topic("t")?.partitions ?? 0) + 2)
      model.settle(GROWTH_SEEN_MS)
      model.expectSettled()
      expect(model.unanswered).toBeLessThanOrEqual(model.clients.length)
    }),
    { numRuns, ...(process.env.SEED === undefined ? {} : { seed: Number(process.env.SEED) }) }
  )

const RUNS = Number(process.env.RUNS ?? 100)

test("any history of consumers keeps the invariants, and everybody is stable when it ends", {
  timeout: 120_000
}, () => {
  histories(consumers, RUNS)
})

test("any history of a group that both protocols share does so too", { timeout: 120_000 }, () => {
  histories(mixed, RUNS)
})
