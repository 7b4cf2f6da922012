/**
 * Runs a text scenario against a group machine with groups of the consumer protocol, and prints what it does.
 *
 * Files look as those of `../Scenario.ts`. `topics t=3 u=0` makes t a topic of three partitions and u none. A client's name
 * is its member id; it remembers its epoch and what it was told to have (`owned=told`). Partitions are written `t:0,1/u:2`.
 */

import type { ConsumerHeartbeatCommand, GroupResult, JoinCommand } from "../../../src/group/Commands.ts"
import {
  type AssignorName,
  type ConsumerEnvironment,
  defaultConsumerEnvironment,
  type MigrationPolicy
} from "../../../src/group/consumer/ConsumerEnvironment.ts"
import type { TopicPartitions } from "../../../src/group/consumer/PartitionSets.ts"
import { defaultGroupConfig, type GroupConfig } from "../../../src/group/GroupConfig.ts"
import { GroupMachine } from "../../../src/group/GroupMachine.ts"
import {
  describeConsumerGroup,
  describeGroup,
  listGroups,
  noClassicGroup,
  validateOffsetFetch
} from "../../../src/group/GroupViews.ts"
import { ErrorCode, errorName } from "../../../src/model/ErrorCode.ts"
import {
  ConsumerProtocolAssignment,
  ConsumerProtocolSubscription
} from "../../../src/protocol/records/ConsumerProtocol.ts"
import { encodeVersioned } from "../../../src/protocol/records/CoordinatorRecord.ts"
import { MachineDriver } from "../MachineDriver.ts"
import { shownAssignment, showOwned } from "../Show.ts"
import { FakeTopics, topicIdOf } from "./FakeTopics.ts"

interface Client {
  memberId: string
  epoch: number
  instance: string | null
  told: ReadonlyArray<TopicPartitions>
}

type Args = ReadonlyMap<string, string>

export class ConsumerScenario {
  readonly #clients = new Map<string, Client>()
  readonly #topics = new FakeTopics()
  #config: GroupConfig = { ...defaultGroupConfig, initialRebalanceDelayMs: 0 }
  #environment: ConsumerEnvironment = {
    ...defaultConsumerEnvironment,
    topics: () => this.#topics,
    compileRegex: (pattern) => compile(pattern)
  }
  #settings = { heartbeatIntervalMs: 5_000, sessionTimeoutMs: 45_000, assignmentIntervalMs: 0 }
  readonly #driver = new MachineDriver(
    () => new GroupMachine(this.#config, { ...this.#environment, settingsOf: () => this.#settings }),
    (name, response) => this.#learn(this.#client(name), response)
  )
  #uuid = 0

  constructor() {
    // 0 in a record means that nobody knows the time.
    this.#driver.now = 1_000
  }

  run(line: string): ReadonlyArray<string> {
    this.#driver.trace = []
    const [verb = "", ...words] = line.split(/\s+/)
    const names = words.filter((word) => !word.includes("="))
    const args: Args = new Map(
      words
        .filter((word) => word.includes("="))
        .map((word) => [word.slice(0, word.indexOf("=")), word.slice(word.indexOf("=") + 1)])
    )
    this.#command(verb, names, args)
    return this.#driver.trace
  }

  #command(verb: string, names: ReadonlyArray<string>, args: Args): void {
    switch (verb) {
      case "topics":
        this.#changeTopics(args)
        return
      case "config":
        this.#configure(args)
        return
      case "join":
        for (const name of names) this.#driver.ask(name, "join", this.#heartbeat(name, 0, args))
        return
      case "beat":
        for (const name of names) this.#driver.ask(name, "beat", this.#heartbeat(name, this.#client(name).epoch, args))
        return
      case "leave":
        for (const name of names) this.#driver.ask(name, "leave", this.#heartbeat(name, -1, args))
        return
      case "commit":
        this.#commit(names[0]!, args)
        return
      case "tick":
        this.#driver.tick(Number(names[0]!.replace("+", "")))
        return
      case "hold":
        this.#driver.hold()
        return
      case "written":
        this.#driver.commitHeld()
        return
      case "fail":
        this.#driver.failHeld(ErrorCode[names[0] as keyof typeof ErrorCode])
        return
      case "restart":
        this.#driver.restart()
        return
      case "expire":
        this.#driver.ask("-", "expire", { _tag: "ExpireOffsets" })
        return
      default:
        this.#classicCommand(verb, names, args)
        return
    }
  }

  #classicCommand(verb: string, names: ReadonlyArray<string>, args: Args): void {
    const groupId = args.get("group") ?? "g"
    const identity = (name: string) => ({
      groupId,
      memberId: args.get("member") ?? this.#client(name).memberId,
      generationId: Number(args.get("generation") ?? this.#client(name).epoch),
      groupInstanceId: this.#instance(name, args)
    })
    switch (verb) {
      case "classic-join":
        for (const name of names) this.#driver.ask(name, "classic-join", this.#classicJoin(name, args))
        return
      case "classic-sync":
        for (const name of names) {
          const protocolName = args.get("protocol") ?? null
          const assignments = (args.get("assign") ?? "").split(";").filter((part) => part !== "")
          this.#driver.ask(name, "classic-sync", {
            _tag: "Sync",
            ...identity(name),
            protocolType: args.get("type") ?? null,
            protocolName,
            assignments: assignments.map((part) => ({
              memberId: this.#client(part.split("=>")[0]!).memberId,
              assignment: classicAssignment(part.split("=>")[1]!)
            }))
          })
        }
        return
      case "classic-beat":
        for (const name of names) this.#driver.ask(name, "classic-beat", { _tag: "Heartbeat", ...identity(name) })
        return
      case "classic-leave":
        this.#driver.ask(names[0] ?? "operator", "classic-leave", {
          _tag: "Leave",
          groupId,
          members: names.length === 0 ? [{ memberId: "", groupInstanceId: args.get("instance")! }] : names.map(identity)
        })
        return
      case "delete-group":
        this.#driver.ask("operator", "delete-group", { _tag: "DeleteGroup", groupId })
        return
      case "delete-offsets":
        this.#driver.ask("operator", "delete-offsets", {
          _tag: "DeleteOffsets",
          groupId,
          topics: names.map((topic) => ({ topic, partitions: [0] }))
        })
        return
      default:
        this.#view(verb, names, groupId, args)
    }
  }

  #changeTopics(args: Args): void {
    for (const [name, partitions] of args) this.#topics.set(name, Number(partitions))
    const gone = [...args].filter(([, partitions]) => partitions === "0").map(([name]) => name)
    if (gone.length > 0) this.#driver.ask("-", "topics", { _tag: "TopicsDeleted", topics: gone })
    this.#driver.ask("-", "topics", { _tag: "TopicsChanged" })
  }

  #configure(args: Args): void {
    const value = (name: string, otherwise: number) => Number(args.get(name) ?? otherwise)
    this.#settings = {
      heartbeatIntervalMs: value("heartbeat", this.#settings.heartbeatIntervalMs),
      sessionTimeoutMs: value("session", this.#settings.sessionTimeoutMs),
      assignmentIntervalMs: value("interval", this.#settings.assignmentIntervalMs)
    }
    this.#config = {
      ...this.#config,
      offsetsRetentionMs: value("retention", this.#config.offsetsRetentionMs),
      membersMax: value("classic-max", this.#config.membersMax)
    }
    this.#environment = {
      ...this.#environment,
      membersMax: value("max", this.#environment.membersMax),
      migrationPolicy: (args.get("policy") ?? this.#environment.migrationPolicy) as MigrationPolicy,
      assignors: (args.get("assignors")?.split(",") as Array<AssignorName>) ?? this.#environment.assignors
    }
    this.#driver.restart()
  }

  #client(name: string): Client {
    let client = this.#clients.get(name)
    if (client === undefined) {
      client = { memberId: "", epoch: 0, instance: null, told: [] }
      this.#clients.set(name, client)
    }
    return client
  }

  #instance(name: string, args: Args): string | null {
    const client = this.#client(name)
    if (args.has("instance")) client.instance = args.get("instance") === "null" ? null : args.get("instance")!
    return client.instance
  }

  #heartbeat(name: string, epoch: number, args: Args): ConsumerHeartbeatCommand {
    const memberEpoch = Number(args.get("epoch") ?? epoch)
    const joins = memberEpoch === 0
    const owned = args.get("owned") ?? (joins ? "-" : "null")
    const topics = args.get("topics") ?? (joins && !args.has("regex") ? "t" : "null")
    return {
      _tag: "ConsumerHeartbeat",
      groupId: args.get("group") === "''" ? "" : (args.get("group") ?? "g"),
      memberId: args.get("member") === "''" ? "" : (args.get("member") ?? name),
      memberEpoch,
      instanceId: this.#instance(name, args),
      rackId: args.get("rack") ?? null,
      rebalanceTimeoutMs: Number(args.get("rebalance") ?? (joins ? 30_000 : -1)),
      subscribedTopicNames: topics === "null" ? null : topics.split(",").filter((topic) => topic !== ""),
      subscribedTopicRegex: args.get("regex") ?? null,
      serverAssignor: args.get("assignor") ?? null,
      topicPartitions: owned === "null" ? null : owned === "told" ? this.#client(name).told : parsePartitions(owned),
      clientId: name,
      clientHost: "/127.0.0.1",
      requireMemberId: args.get("version") !== "0",
      uuid: `uuid${++this.#uuid}`
    }
  }

  #classicJoin(name: string, args: Args): JoinCommand {
    const metadata = args.has("garbage")
      ? new Uint8Array([9])
      : encodeVersioned(ConsumerProtocolSubscription, 1, {
          topics: (args.get("topics") ?? "t").split(","),
          userData: null,
          ownedPartitions: parsePartitions(
            args.get("owned") === "told" ? showOwned(this.#client(name).told) : (args.get("owned") ?? "-")
          ).map(({ topicId, partitions }) => ({ topic: topicId.replace(/A*$/, ""), partitions: [...partitions] }))
        })
    return {
      _tag: "Join",
      groupId: args.get("group") ?? "g",
      memberId: args.get("member") === "''" ? "" : (args.get("member") ?? this.#client(name).memberId),
      groupInstanceId: this.#instance(name, args),
      clientId: name,
      clientHost: "/127.0.0.1",
      sessionTimeoutMs: Number(args.get("session") ?? 10_000),
      rebalanceTimeoutMs: Number(args.get("rebalance") ?? 60_000),
      protocolType: args.get("type") ?? "consumer",
      protocols: (args.get("protocols") ?? "range")
        .split(",")
        .filter(Boolean)
        .map((protocol) => ({ name: protocol, metadata })),
      requireKnownMemberId: args.get("version") !== "3",
      supportsSkippingAssignment: true,
      uuid: String(++this.#uuid),
      kafkaUuid: `${name}-${this.#uuid}`
    }
  }

  #commit(name: string, args: Args): void {
    const offsets = [...args]
      .filter(([key]) => /-\d+$/.test(key))
      .map(([key, offset]) => {
        const topic = key.slice(0, key.lastIndexOf("-"))
        const partition = Number(key.slice(key.lastIndexOf("-") + 1))
        const topicId = this.#topics.topic(topic)?.topicId ?? topicIdOf("")
        return { topic, topicId, partition, offset: Number(offset), leaderEpoch: -1, metadata: "" }
      })
    const admin = name === "admin"
    this.#driver.ask(name, "commit", {
      _tag: "Commit",
      groupId: args.get("group") ?? "g",
      generationId: Number(args.get("epoch") ?? (admin ? -1 : this.#client(name).epoch)),
      memberId: admin ? "" : (args.get("member") ?? this.#client(name).memberId),
      groupInstanceId: null,
      ...(args.get("version") === "8" ? { beforeMemberEpochs: true } : {}),
      retentionTimeMs: -1,
      offsets
    })
  }

  #learn(client: Client, response: GroupResult): void {
    if (response._tag === "ConsumerHeartbeat" && response.errorCode === ErrorCode.NONE) {
      client.memberId = response.memberId!
      client.epoch = response.memberEpoch
      client.told = response.assignment ?? client.told
    } else if (response._tag === "Join") {
      client.memberId = response.memberId
      if (response.errorCode === ErrorCode.NONE) client.epoch = response.generationId
    } else if (response._tag === "Sync" && response.errorCode === ErrorCode.NONE) {
      client.told = parsePartitions(shownAssignment(response.assignment) || "-")
    }
  }

  #view(verb: string, names: ReadonlyArray<string>, group: string, args: Args): void {
    const { machine, trace } = this.#driver
    if (verb === "describe") {
      const described = describeConsumerGroup(machine, group)
      if (described.errorCode !== ErrorCode.NONE)
        trace.push(`${errorName(described.errorCode)} ${described.errorMessage}`)
      else {
        trace.push(
          `${described.groupState} epoch=${described.groupEpoch} target=${described.assignmentEpoch} ${described.assignorName}`
        )
        for (const member of described.members) {
          const type = member.memberType === 1 ? "consumer" : "classic"
          trace.push(
            `  ${member.memberId} ${type} epoch=${member.memberEpoch} has=${showOwned(member.assignment)} target=${showOwned(member.targetAssignment)}`
          )
        }
      }
    } else if (verb === "describe-classic") {
      const described = describeGroup(machine, group)
      if (described === undefined) trace.push(noClassicGroup(machine, group))
      else {
        const members = described.members.map((m) => `${m.memberId}:${shownAssignment(m.memberAssignment)}`)
        trace.push(`${described.groupState} ${described.protocolType} ${described.protocolData} [${members.join(" ")}]`)
      }
    } else if (verb === "list") {
      const wanted = (name: string) => args.get(name)?.split(",") ?? []
      for (const g of listGroups(machine, wanted("states"), wanted("types"))) {
        trace.push(`${g.groupId} ${g.groupState} type=${g.protocolType} ${g.groupType}`)
      }
    } else if (verb === "may-fetch") {
      const [member = null] = names
      trace.push(errorName(validateOffsetFetch(machine, group, member, Number(args.get("epoch") ?? -1))))
    } else throw new Error(`unknown command "${verb}"`)
  }
}

/** `t:0,1/u:2`; "-": nothing. */
const parsePartitions = (text: string): ReadonlyArray<TopicPartitions> =>
  text
    .split("/")
    .filter((part) => part !== "-")
    .map((part) => {
      const [name = "", partitions = ""] = part.split(":")
      return { topicId: topicIdOf(name), partitions: partitions.split(",").map(Number) }
    })

const classicAssignment = (text: string): Uint8Array => {
  const assignedPartitions = parsePartitions(text).map(({ topicId, partitions }) => ({
    topic: topicId.replace(/A*$/, ""),
    partitions: [...partitions]
  }))
  return encodeVersioned(ConsumerProtocolAssignment, 1, { assignedPartitions, userData: null })
}

const compile = (pattern: string) => {
  try {
    const regex = new RegExp(`^(?:${pattern})$`)
    return { matches: (name: string) => regex.test(name) }
  } catch (error) {
    return { reason: error instanceof Error ? "it cannot be read" : String(error) }
  }
}
