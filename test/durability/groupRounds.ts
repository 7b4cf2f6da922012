/**
 * kill -9 among consumer groups, again and again: nobody waits for ever, and what was committed stays committed.
 *
 * Members of several groups, by two unmodified clients and one of the consumer protocol, come, go and commit while a producer
 * writes to every partition. At a random moment the broker is killed and started again on its port. Then every partition of
 * every group must be consumed again in time, the committed offsets must be explained by the commits (`CommitHistory`), and
 * whoever leaves must be gone within `LEAVING_MS_MAX`. In some rounds all members leave at once right after the restart.
 *
 *   node test/durability/groupRounds.ts [--rounds 100] [--seed N] [--recovery-ms 2000]
 */
import { parseArgs } from "node:util"
import { Prng } from "@chronik-effect/core/base/Prng.ts"
import { ConsumerGroupDescribeApi } from "@chronik-effect/core/protocol/messages/69_ConsumerGroupDescribe.ts"
import { type Admin, Kafka, logLevel, type Producer } from "kafkajs"
import { Peer } from "../badinput/Peer.ts"
import { BrokerProcess, freePort, temporaryDirectory } from "../support/BrokerProcess.ts"
import { CommitHistory, type FoundOffset } from "./CommitHistory.ts"
import { consumerProtocolMember } from "./ConsumerProtocolMember.ts"
import { type GroupMember, kafkaJsMember, type MemberEvents, platformaticMember } from "./GroupMembers.ts"

/** Each group is of one client, since they offer no protocol in common; delta is of the consumer protocol (KIP-848). */
const CLIENTS = {
  alpha: kafkaJsMember,
  beta: platformaticMember,
  gamma: kafkaJsMember,
  delta: consumerProtocolMember
} as const
const GROUPS = ["alpha", "beta", "gamma", "delta"] as const
type GroupId = (typeof GROUPS)[number]
const TOPIC = "grouped"
const PARTITIONS = 6
const MEMBERS_MIN = 10
const MEMBERS_MAX = 26
const LOAD_MS_MIN = 50
const LOAD_MS_MAX = 900
const LOADING_MS_MAX = 15_000
const LEAVING_MS_MAX = 10_000
const EXODUS_EVERY = 3
const PRODUCE_EVERY_MS = 10
const LOG_TAIL = 60

/** As quick as the members of the classic groups ask for themselves. */
const BROKER = [
  "group.min.session.timeout.ms=1000",
  "group.initial.rebalance.delay.ms=100",
  "group.consumer.min.session.timeout.ms=1000",
  "group.consumer.session.timeout.ms=2000",
  "group.consumer.min.heartbeat.interval.ms=100",
  "group.consumer.heartbeat.interval.ms=200",
  "group.consumer.min.assignment.interval.ms=0",
  "group.consumer.assignment.interval.ms=100"
]

interface Quantiles {
  readonly median: number
  readonly p90: number
  readonly max: number
}

export interface GroupRoundsReport {
  readonly rounds: number
  readonly members: number
  readonly commitsAcknowledged: number
  readonly restartMsMax: number
  /** From the port's first answer after a kill until every partition of the group is consumed. */
  readonly recoveryMs: Readonly<Record<GroupId, Quantiles>>
  readonly recoveryMsMax: number
  readonly leavingMsMedian: number
  readonly leavingMsMax: number
}

class Rounds implements MemberEvents {
  /** By group: a duration for each round. */
  readonly recoveries: Readonly<Record<GroupId, Array<number>>> = { alpha: [], beta: [], gamma: [], delta: [] }
  readonly leavings: Array<number> = []
  readonly restarts: Array<number> = []
  readonly history = new CommitHistory()
  readonly #broker: BrokerProcess
  readonly #random: Prng
  readonly #recoveryMsMax: number
  readonly #admin: Admin
  readonly #producer: Producer
  #members: Array<GroupMember> = []
  readonly #leaving = new Set<GroupMember>()
  #failure: Error | undefined
  #produced: ReturnType<typeof setTimeout> | undefined
  #kills = 0
  /** Partitions of each group of which something was consumed and committed since the last kill. */
  #consumed = nothingConsumed()
  #onConsumed = (): void => {}
  made = 0

  constructor(broker: BrokerProcess, seed: number, recoveryMsMax: number) {
    this.#recoveryMsMax = recoveryMsMax
    this.#broker = broker
    this.#random = new Prng(seed)
    const retry = { initialRetryTime: 20, maxRetryTime: 100, retries: 100 }
    const kafka = new Kafka({ clientId: "rounds", brokers: [broker.bootstrap], retry, logLevel: logLevel.NOTHING })
    this.#admin = kafka.admin()
    this.#producer = kafka.producer({ retry })
  }

  async begin(): Promise<void> {
    await this.#admin.connect()
    await this.#admin.createTopics({ topics: [{ topic: TOPIC, numPartitions: PARTITIONS }] })
    await this.#producer.connect()
    this.#produce()
  }

  readonly committing: MemberEvents["committing"] = async (groupId, partition, offset, commit) => {
    const kills = this.#kills
    await this.history.commit(groupId, partition, offset, commit)
    // What was asked of the dead broker says nothing about the one that lives.
    if (kills !== this.#kills) return
    this.#consumed[groupId as GroupId].add(partition)
    this.#onConsumed()
  }

  async round(number: number): Promise<void> {
    this.#fill()
    await this.#load()
    await this.#broker.end("SIGKILL")
    this.history.brokerEnded()
    this.#kills++
    this.#consumed = nothingConsumed()
    await this.#broker.start()
    this.restarts.push(this.#broker.readyMs)
    const ready = performance.now()
    if (number % EXODUS_EVERY === 0) for (const member of [...this.#members]) this.#leave(member)
    else await this.#recovered(ready)
    await this.history.check(() => this.#committedOffsets())
    if (number % EXODUS_EVERY === 0) await this.#left()
    if (this.#failure !== undefined) throw this.#failure
  }

  async end(): Promise<void> {
    for (const member of [...this.#members]) this.#leave(member)
    await this.#left()
    if (this.#failure !== undefined) throw this.#failure
  }

  async dispose(): Promise<void> {
    clearTimeout(this.#produced)
    await Promise.allSettled([this.#producer.disconnect(), this.#admin.disconnect()])
  }

  /** Between two and seven members of each group. */
  #fill(): void {
    const wanted = this.#between(MEMBERS_MIN, MEMBERS_MAX)
    for (const groupId of GROUPS) {
      while (this.#members.filter((member) => member.groupId === groupId).length < 2) this.#join(groupId)
    }
    while (this.#members.length < wanted) this.#join(GROUPS[this.#random.uint32() % GROUPS.length]!)
    while (this.#members.length > wanted) this.#leaveAny()
  }

  async #load(): Promise<void> {
    const loadMs = this.#between(LOAD_MS_MIN, LOAD_MS_MAX)
    const changes = this.#random.uint32() % 5
    const until = performance.now() + loadMs
    for (let i = 0; i < changes; i++) {
      await pause(loadMs / (changes + 1))
      if (this.#random.uint32() % 2 === 0) this.#leaveAny()
      else this.#join(GROUPS[this.#random.uint32() % GROUPS.length]!)
    }
    await pause(Math.max(0, until - performance.now()))
  }

  #join(groupId: GroupId): void {
    const { bootstrap } = this.#broker
    const name = `${groupId}-${this.made++}`
    this.#members.push(CLIENTS[groupId]({ name, bootstrap, groupId, topic: TOPIC, events: this }))
  }

  /** Never the last two of a group: somebody must consume. */
  #leaveAny(): void {
    const spare = this.#members.filter(({ groupId }) => this.#members.filter((m) => m.groupId === groupId).length > 2)
    if (spare.length > 0) this.#leave(spare[this.#random.uint32() % spare.length]!)
  }

  #leave(member: GroupMember): void {
    this.#members = this.#members.filter((other) => other !== member)
    this.#leaving.add(member)
    const began = performance.now()
    member.stop().then(
      () => {
        this.#leaving.delete(member)
        this.leavings.push(performance.now() - began)
      },
      (failure: unknown) => {
        this.#failure ??= new Error(`${member.name} could not leave: ${String(failure)}`)
      }
    )
  }

  async #left(): Promise<void> {
    const deadline = performance.now() + LEAVING_MS_MAX
    while (this.#leaving.size > 0 && this.#failure === undefined) {
      if (performance.now() > deadline) {
        throw await this.#stuck(`members that leave are not gone after ${LEAVING_MS_MAX} ms`, [...this.#leaving])
      }
      await pause(10)
    }
  }

  async #recovered(since: number): Promise<void> {
    const missing = new Set<GroupId>(GROUPS)
    const consuming = new Promise<void>((resolve) => {
      this.#onConsumed = () => {
        for (const group of missing) {
          if (this.#consumed[group].size < PARTITIONS) continue
          missing.delete(group)
          this.recoveries[group].push(performance.now() - since)
        }
        if (missing.size === 0) resolve()
      }
      this.#onConsumed()
    })
    let timer: ReturnType<typeof setTimeout> | undefined
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, this.#recoveryMsMax)
    })
    await Promise.race([consuming, late])
    clearTimeout(timer)
    if (missing.size === 0) return
    const concerned = [...this.#members, ...this.#leaving].filter(({ groupId }) => missing.has(groupId as GroupId))
    throw await this.#stuck(`${[...missing]} do not consume ${this.#recoveryMsMax} ms after the restart`, concerned)
  }

  async #committedOffsets(): Promise<ReadonlyArray<FoundOffset>> {
    const found: Array<FoundOffset> = []
    for (const group of GROUPS) {
      for (const { partitions } of await this.#fetchOffsets(group)) {
        for (const { partition, offset } of partitions) found.push({ group, partition, offset: Number(offset) })
      }
    }
    return found
  }

  /** This client takes a coordinator that loads for an error. */
  async #fetchOffsets(groupId: GroupId): Promise<Awaited<ReturnType<Admin["fetchOffsets"]>>> {
    const deadline = performance.now() + LOADING_MS_MAX
    while (true) {
      try {
        return await this.#admin.fetchOffsets({ groupId, topics: [TOPIC] })
      } catch (failure) {
        const loading = (failure as { readonly type?: string }).type === "GROUP_LOAD_IN_PROGRESS"
        if (!loading || performance.now() > deadline) throw failure
      }
    }
  }

  #produce(): void {
    const messages = range(PARTITIONS).map((partition) => ({ partition, value: "a record" }))
    const next = () => {
      this.#produced = setTimeout(() => this.#produce(), PRODUCE_EVERY_MS)
    }
    // A batch that is lost with the broker is nobody's: others follow.
    this.#producer.send({ topic: TOPIC, messages }).then(next, next)
  }

  /** What is needed to tell whose fault it is. */
  async #stuck(what: string, members: ReadonlyArray<GroupMember>): Promise<Error> {
    const lines = [what]
    const described = await this.#admin
      .describeGroups([...GROUPS])
      .catch((failure: unknown) => ({ groups: [], failure }))
    for (const { groupId, state, members: present } of described.groups) {
      lines.push(`${groupId} is ${state}: ${present.map(({ memberId }) => memberId).join(", ")}`)
    }
    lines.push(await this.#describeConsumerProtocol().catch((failure: unknown) => String(failure)))
    for (const { name, log } of members) lines.push(`==== ${name}`, ...log.slice(-LOG_TAIL))
    lines.push("==== broker", this.#broker.output.slice(-4_000))
    return new Error(lines.join("\n"))
  }

  async #describeConsumerProtocol(): Promise<string> {
    using peer = await Peer.connect(Number(this.#broker.bootstrap.split(":")[1]))
    const { groups } = await peer.call(ConsumerGroupDescribeApi, 1, { groupIds: ["delta"] })
    const lines = groups.flatMap(({ groupId, groupState, groupEpoch, members }) => [
      `${groupId} is ${groupState} in epoch ${groupEpoch}`,
      ...members.map(({ memberId, clientId, memberEpoch, assignment, targetAssignment }) => {
        const [own, target] = [assignment, targetAssignment].map((all) =>
          all.topicPartitions.map(({ partitions }) => partitions.join(" ")).join(", ")
        )
        return `  ${clientId} ${memberId} in epoch ${memberEpoch} has [${own}] and shall have [${target}]`
      })
    ])
    return lines.join("\n")
  }

  #between(min: number, max: number): number {
    return min + (this.#random.uint32() % (max - min + 1))
  }
}

/** `recoveryMsMax`: from the restart until every partition of every group is consumed again. */
export const groupRounds = async (rounds: number, seed: number, recoveryMsMax: number): Promise<GroupRoundsReport> => {
  const settings = BROKER.flatMap((setting) => ["--set", setting])
  const broker = new BrokerProcess(await freePort(), temporaryDirectory(), ["--log-level", "warn", ...settings])
  const run = new Rounds(broker, seed, recoveryMsMax)
  try {
    await broker.start()
    await run.begin()
    for (let round = 1; round <= rounds; round++) {
      await run.round(round)
      if (rounds >= 10) process.stdout.write(`round ${round}: ${summary(run)}\n`)
    }
    await run.end()
    return {
      rounds,
      members: run.made,
      commitsAcknowledged: run.history.acknowledged,
      restartMsMax: quantile(run.restarts, 1),
      recoveryMs: {
        alpha: quantiles(run.recoveries.alpha),
        beta: quantiles(run.recoveries.beta),
        gamma: quantiles(run.recoveries.gamma),
        delta: quantiles(run.recoveries.delta)
      },
      recoveryMsMax: quantile(Object.values(run.recoveries).flat(), 1),
      leavingMsMedian: quantile(run.leavings, 0.5),
      leavingMsMax: quantile(run.leavings, 1)
    }
  } finally {
    const disposed = run.dispose()
    await broker.dispose()
    await disposed
  }
}

const summary = (run: Rounds): string => {
  const last = GROUPS.map((group) => `${group} ${run.recoveries[group].at(-1)?.toFixed(0) ?? "-"}`).join(", ")
  const slowest = quantile(run.leavings, 1).toFixed(0)
  return `consuming after ${last} ms; ${run.leavings.length} left, the slowest in ${slowest} ms; ${run.history.acknowledged} commits`
}

const nothingConsumed = (): Record<GroupId, Set<number>> => ({
  alpha: new Set(),
  beta: new Set(),
  gamma: new Set(),
  delta: new Set()
})

const quantiles = (values: ReadonlyArray<number>): Quantiles => ({
  median: quantile(values, 0.5),
  p90: quantile(values, 0.9),
  max: quantile(values, 1)
})

const quantile = (values: ReadonlyArray<number>, part: number): number => {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? Number.NaN
}

const range = (count: number): ReadonlyArray<number> => Array.from({ length: count }, (_, i) => i)

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      rounds: { type: "string", default: "100" },
      seed: { type: "string", default: String(Date.now() % 1_000_000) },
      "recovery-ms": { type: "string", default: "2000" }
    }
  })
  process.stdout.write(`seed ${values.seed}\n`)
  const report = await groupRounds(Number(values.rounds), Number(values.seed), Number(values["recovery-ms"]))
  process.stdout.write(`${JSON.stringify(report)}\n`)
  // A kafkajs consumer that crashed while it was told to disconnect starts itself again and never ends.
  process.exit(0)
}
