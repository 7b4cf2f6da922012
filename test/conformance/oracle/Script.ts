/**
 * One seed: what both brokers serve is learnt, every API is asked once in every version, then moves are chosen by weight
 * until enough requests have been made.
 */
import { Prng } from "@chronik-effect/core/base/Prng.ts"
import { FindCoordinatorApi } from "@chronik-effect/core/protocol/messages/10_FindCoordinator.ts"
import { ListGroupsApi } from "@chronik-effect/core/protocol/messages/16_ListGroups.ts"
import { InitProducerIdApi } from "@chronik-effect/core/protocol/messages/22_InitProducerId.ts"
import type { Findings } from "./Findings.ts"
import type { Move } from "./Move.ts"
import { moves } from "./moves/moves.ts"
import { sweep } from "./moves/Sweep.ts"
import { Run } from "./Run.ts"
import type { Side } from "./Wire.ts"
import { World } from "./World.ts"

export interface Play {
  readonly seed: number
  /** Part of every name. */
  readonly tag: string
  readonly requests: number
  readonly only: string | undefined
  readonly kafka: Side
  readonly ours: Side
  readonly findings: Findings
  readonly say: (text: string) => void
}

/** Kafka makes its topics of offsets when somebody asks for a coordinator, and loads them after that. */
const warm = async (run: Run): Promise<void> => {
  const asked = { key: "warm", keyType: 0, coordinatorKeys: ["warm"] }
  await run.settle("a coordinator is there", FindCoordinatorApi, asked, (answer) => answer.errorCode === 0, 3)
  const anew = { transactionalId: null, transactionTimeoutMs: 1000 }
  await run.settle("producer ids are there", InitProducerIdApi, anew, (answer) => answer.errorCode === 0)
  await run.settle("every coordinator is loaded", ListGroupsApi, {}, (answer) => answer.errorCode === 0, 4)
}

const chosen = (random: Prng, among: ReadonlyArray<Move>): Move => {
  let at = random.below(among.reduce((sum, { weight }) => sum + weight, 0))
  for (const each of among) {
    at -= each.weight
    if (at < 0) return each
  }
  throw new Error("a move has a weight that is no whole number")
}

export const playSeed = async (play: Play): Promise<void> => {
  const { seed, findings } = play
  const random = new Prng(seed)
  const run = new Run(seed, random, play.kafka, play.ours, findings)
  await run.learn()
  await warm(run)
  const world = new World(run, play.tag)
  const among = moves.filter(
    ({ apis }) =>
      apis.every((api) => run.serves(api)) && (play.only === undefined || apis.some(({ name }) => name === play.only))
  )
  if (among.length === 0) throw new Error(`no move asks ${play.only}`)
  const [before, startedMs] = [findings.requests, performance.now()]
  if (play.only === undefined) await sweep(world)
  while (findings.requests - before < play.requests) await chosen(random, among).make(world)
  for (const topic of [...world.topics, ...world.kept]) await world.deleteTopic(topic)
  const seconds = ((performance.now() - startedMs) / 1000).toFixed(1)
  play.say(
    `seed ${seed}: ${findings.requests - before} requests in ${seconds} s, ${findings.unexplained.size} kinds of unexplained differences so far`
  )
}
