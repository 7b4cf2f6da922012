/**
 * kill -9 under load, again and again on one data directory: what was acknowledged must be there, where it was said to be.
 *
 * Idempotent producers of an unmodified client send single records with acks=all and note what each acknowledgement said.
 * At a random moment the broker is killed and started again. Then every partition is read from its beginning: each record
 * that was ever acknowledged (in any round) lies at its offset; nothing lies twice; offsets have no holes.
 *
 *   node test/durability/killRounds.ts [--rounds 200] [--seed N] [--producers 8]
 */
import { parseArgs } from "node:util"
import { Prng } from "@chronik-effect/core/base/Prng.ts"
import { createTopic } from "@chronik-effect/server/client/kafka/Admin.ts"
import { makeKafkaClient } from "@chronik-effect/server/client/kafka/KafkaClient.ts"
import { Producer, stringSerializers } from "@platformatic/kafka"
import { Effect } from "effect"
import { BrokerProcess, freePort, temporaryDirectory } from "../support/BrokerProcess.ts"
import { readPartition } from "./readPartition.ts"

const TOPIC = "killed"
const PARTITIONS = 4
const LOAD_MS_MIN = 40
const LOAD_MS_MAX = 400

export interface KillReport {
  readonly rounds: number
  readonly acknowledged: number
  readonly restartMsMedian: number
  readonly restartMsMax: number
  /** Without the time that the broker's thread was ready to run while others had the processors. */
  readonly restartOwnMsMedian: number
}

/** What the producers were told: by partition, offset to value. */
type Acknowledged = ReadonlyArray<Map<number, string>>

class Load {
  readonly acknowledged: Acknowledged = Array.from({ length: PARTITIONS }, () => new Map<number, string>())
  readonly #bootstrap: string
  #sent = 0

  constructor(bootstrap: string) {
    this.#bootstrap = bootstrap
  }

  /** Runs until `stopped` says so; a producer whose send fails ends quietly, since the broker is being killed. */
  run(producers: number, stopped: AbortSignal): Promise<unknown> {
    return Promise.all(Array.from({ length: producers }, (_, i) => this.#produce(i, stopped)))
  }

  async #produce(index: number, stopped: AbortSignal): Promise<void> {
    const producer = new Producer({
      clientId: `kill-${index}`,
      bootstrapBrokers: [this.#bootstrap],
      idempotent: true,
      retries: 2,
      retryDelay: 5,
      timeout: 5_000,
      serializers: stringSerializers
    })
    try {
      while (!stopped.aborted) {
        const partition = this.#sent % PARTITIONS
        const value = `${index}:${this.#sent++}`
        const result = await producer.send({ messages: [{ topic: TOPIC, partition, value }] })
        const at = result.offsets?.[0]
        if (at === undefined) throw new Error("an acknowledgement without an offset")
        this.acknowledged[at.partition]!.set(Number(at.offset), value)
      }
    } catch (failure) {
      if (!stopped.aborted) throw failure
    } finally {
      await producer.close(true).catch(() => undefined)
    }
  }
}

/** Throws with a sentence that names the first broken promise. */
const verify = async (bootstrap: string, acknowledged: Acknowledged): Promise<void> => {
  for (let partition = 0; partition < PARTITIONS; partition++) {
    const values = await readPartition(bootstrap, TOPIC, partition)
    const seen = new Set<string>()
    for (const [offset, value] of values.entries()) {
      if (seen.has(value))
        throw new Error(`${value} lies twice in partition ${partition}, the second time at ${offset}`)
      seen.add(value)
    }
    for (const [offset, value] of acknowledged[partition]!) {
      if (values[offset] === value) continue
      throw new Error(`${value} was acknowledged at ${partition}/${offset}; there is ${values[offset] ?? "nothing"}`)
    }
  }
}

export const killRounds = async (rounds: number, seed: number, producers: number): Promise<KillReport> => {
  const random = new Prng(seed)
  const broker = new BrokerProcess(await freePort(), temporaryDirectory(), [
    "--default-partitions",
    String(PARTITIONS),
    "--log-level",
    "warn"
  ])
  const restarts: Array<number> = []
  const own: Array<number> = []
  try {
    await broker.start()
    await makeTopic(broker.bootstrap)
    const load = new Load(broker.bootstrap)
    for (let round = 1; round <= rounds; round++) {
      const stopped = new AbortController()
      const running = load.run(producers, stopped.signal)
      const loadMs = LOAD_MS_MIN + (random.uint32() % (LOAD_MS_MAX - LOAD_MS_MIN))
      const killAt = new Promise((resolve) => setTimeout(resolve, loadMs))
      await Promise.race([killAt, running])
      stopped.abort()
      await broker.end("SIGKILL")
      await running
      await broker.start()
      restarts.push(broker.readyMs)
      own.push(broker.readyMs - broker.queuedMs)
      await verify(broker.bootstrap, load.acknowledged).catch((error: unknown) => {
        throw new Error(`round ${round} of seed ${seed}: ${error}\nThe broker said:\n${broker.output}`, {
          cause: error
        })
      })
      if (rounds >= 20 && round % 10 === 0)
        process.stdout.write(`round ${round}: ${count(load.acknowledged)} acknowledged, all there\n`)
    }
    restarts.sort((a, b) => a - b)
    own.sort((a, b) => a - b)
    return {
      rounds,
      acknowledged: count(load.acknowledged),
      restartMsMedian: restarts[restarts.length >> 1]!,
      restartMsMax: restarts.at(-1)!,
      restartOwnMsMedian: own[own.length >> 1]!
    }
  } finally {
    await broker.dispose()
  }
}

const makeTopic = (bootstrap: string): Promise<unknown> =>
  Effect.runPromise(
    Effect.scoped(
      Effect.flatMap(makeKafkaClient({ bootstrap }), (client) =>
        createTopic(client, { name: TOPIC, partitions: PARTITIONS })
      )
    )
  )

const count = (acknowledged: Acknowledged): number => acknowledged.reduce((sum, one) => sum + one.size, 0)

if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      rounds: { type: "string", default: "200" },
      seed: { type: "string", default: String(Date.now() % 1_000_000) },
      producers: { type: "string", default: "8" }
    }
  })
  process.stdout.write(`seed ${values.seed}\n`)
  const report = await killRounds(Number(values.rounds), Number(values.seed), Number(values.producers))
  process.stdout.write(`${JSON.stringify(report)}\n`)
}
