/**
 * Runs a text scenario against a group machine and prints what it does.
 *
 * A file is a list of blocks: command lines, `----`, the trace, an empty line. Lines that begin with `#` are remarks.
 * Client names are client ids; a client remembers the member id and generation that it was given. Time moves by `tick`
 * only. Records are committed after each command, unless `hold` puts them off until `commit` or `fail CODE`.
 */
import type { GroupCommand, GroupResult, JoinCommand } from "../../src/group/Commands.ts"
import { defaultGroupConfig, type GroupConfig } from "../../src/group/GroupConfig.ts"
import { GroupMachine } from "../../src/group/GroupMachine.ts"
import { describeGroup, fetchOffsets, listGroups } from "../../src/group/GroupViews.ts"
import { ErrorCode, errorName } from "../../src/model/ErrorCode.ts"
import { MachineDriver } from "./MachineDriver.ts"
import { shownAssignment, shownMetadata } from "./Show.ts"

const ZERO = "AAAAAAAAAAAAAAAAAAAAAA"
const utf8 = new TextEncoder()

/** `@t+u`: what a consumer that is subscribed to t and u says. */
const subscription = (metadata: string): Uint8Array => {
  const topics = metadata.slice(1).split("+")
  const bytes = [0, 0, 0, 0, 0, topics.length]
  for (const topic of topics) bytes.push(0, topic.length, ...utf8.encode(topic))
  return Uint8Array.from(bytes)
}

interface Client {
  memberId: string
  generation: number
  instance: string | null
  /** What it said when it last joined; it says it again. */
  readonly said: Map<string, string>
}

type Args = ReadonlyMap<string, string>

export class Scenario {
  config: GroupConfig = { ...defaultGroupConfig, initialRebalanceDelayMs: 0 }
  readonly #clients = new Map<string, Client>()
  readonly #driver = new MachineDriver(
    () => new GroupMachine(this.config),
    (name, response) => this.#learn(this.#client(name), response)
  )
  #uuid = 0

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
    const group = args.get("group") ?? "g"
    switch (verb) {
      case "config":
        this.#configure(args)
        return
      case "join":
        for (const name of names) this.#driver.ask(name, "join", this.#join(name, group, args))
        return
      case "sync":
        for (const name of names) this.#driver.ask(name, "sync", this.#sync(name, group, args))
        return
      case "heartbeat":
        for (const name of names)
          this.#driver.ask(name, "heartbeat", { _tag: "Heartbeat", groupId: group, ...this.#identity(name, args) })
        return
      case "leave":
        this.#leave(names, group, args)
        return
      case "commit":
        if (names.length === 0) this.#driver.commitHeld()
        else this.#commitOffsets(names[0]!, group, args)
        return
      case "tick":
        this.#driver.tick(Number(names[0]!.replace("+", "")))
        return
      case "hold":
        this.#driver.hold()
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
      case "delete-group":
        this.#driver.ask("operator", "delete-group", { _tag: "DeleteGroup", groupId: names[0] ?? "" })
        return
      case "delete-offsets":
        this.#deleteOffsets(names, group)
        return
      case "delete-topics":
        this.#driver.ask("-", "delete-topics", { _tag: "TopicsDeleted", topics: names })
        return
      default:
        this.#view(verb, names, group, args)
        return
    }
  }

  #configure(args: Args): void {
    const value = (name: string, otherwise: number) => Number(args.get(name) ?? otherwise)
    this.config = {
      ...this.config,
      initialRebalanceDelayMs: value("delay", this.config.initialRebalanceDelayMs),
      membersMax: value("max", this.config.membersMax),
      offsetsRetentionMs: value("retention", this.config.offsetsRetentionMs),
      offsetMetadataBytesMax: value("metadata", this.config.offsetMetadataBytesMax)
    }
    this.#driver.machine = new GroupMachine(this.config)
  }

  #client(name: string): Client {
    let client = this.#clients.get(name)
    if (client === undefined) {
      client = { memberId: "", generation: -1, instance: null, said: new Map() }
      this.#clients.set(name, client)
    }
    return client
  }

  #identity(name: string, args: Args) {
    const client = this.#client(name)
    if (args.has("instance")) client.instance = args.get("instance")!
    return {
      memberId: args.get("member") ?? client.memberId,
      generationId: Number(args.get("generation") ?? client.generation),
      groupInstanceId: client.instance
    }
  }

  #join(name: string, groupId: string, args: Args): JoinCommand {
    const { memberId, groupInstanceId } = this.#identity(name, args)
    const { said } = this.#client(name)
    for (const word of ["version", "session", "rebalance", "protocols"]) {
      if (args.has(word)) said.set(word, args.get(word)!)
    }
    const version = Number(said.get("version") ?? 9)
    const session = Number(said.get("session") ?? 10_000)
    const protocols = (said.get("protocols") ?? "range:t").split(",").filter((offer) => offer !== "")
    return {
      _tag: "Join",
      groupId: groupId === "''" ? "" : groupId,
      memberId,
      groupInstanceId,
      clientId: name,
      clientHost: "/127.0.0.1",
      sessionTimeoutMs: session,
      rebalanceTimeoutMs: Number(said.get("rebalance") ?? (version === 0 ? session : 60_000)),
      protocolType: args.get("type") ?? "consumer",
      protocols: protocols.map((offer) => {
        const [protocol = "", metadata = ""] = offer.split(":")
        return { name: protocol, metadata: metadata.startsWith("@") ? subscription(metadata) : utf8.encode(metadata) }
      }),
      requireKnownMemberId: version >= 4,
      supportsSkippingAssignment: version >= 9,
      uuid: String(++this.#uuid),
      kafkaUuid: `uuid${this.#uuid}`
    }
  }

  #sync(name: string, groupId: string, args: Args): GroupCommand {
    const assignments = (args.get("assign") ?? "").split(",").filter((pair) => pair !== "")
    return {
      _tag: "Sync",
      groupId,
      ...this.#identity(name, args),
      protocolType: args.get("type") ?? null,
      protocolName: args.get("protocol") ?? null,
      assignments: assignments.map((pair) => {
        const [member = "", share = ""] = pair.split(":")
        return { memberId: this.#clients.get(member)?.memberId ?? member, assignment: utf8.encode(share) }
      })
    }
  }

  #leave(names: ReadonlyArray<string>, groupId: string, args: Args): void {
    const members = names.map((name) => {
      const { memberId, groupInstanceId } = this.#identity(name, args)
      return { memberId, groupInstanceId }
    })
    if (names.length === 0) members.push({ memberId: "", groupInstanceId: args.get("instance") ?? null })
    this.#driver.ask(names[0] ?? "operator", "leave", { _tag: "Leave", groupId, members })
  }

  #commitOffsets(name: string, groupId: string, args: Args): void {
    const offsets = [...args]
      .filter(([key]) => /-\d+$/.test(key))
      .map(([key, value]) => {
        const [offset = "", metadata = ""] = value.split("/")
        return {
          topic: key.slice(0, key.lastIndexOf("-")),
          topicId: args.get("id") ?? ZERO,
          partition: Number(key.slice(key.lastIndexOf("-") + 1)),
          offset: Number(offset),
          leaderEpoch: -1,
          metadata
        }
      })
    const identity =
      name === "admin" ? { memberId: "", generationId: -1, groupInstanceId: null } : this.#identity(name, args)
    this.#driver.ask(name, "commit", {
      _tag: "Commit",
      groupId,
      ...identity,
      retentionTimeMs: Number(args.get("retain") ?? -1),
      offsets
    })
  }

  #deleteOffsets(names: ReadonlyArray<string>, groupId: string): void {
    const topics = names.map((name) => {
      const [topic = "", partitions = ""] = name.split(":")
      return { topic, partitions: partitions.split(",").map(Number) }
    })
    this.#driver.ask("operator", "delete-offsets", { _tag: "DeleteOffsets", groupId, topics })
  }

  #learn(client: Client, response: GroupResult): void {
    if (response._tag !== "Join") return
    if (response.errorCode === ErrorCode.NONE) {
      client.memberId = response.memberId
      client.generation = response.generationId
    } else if (response.errorCode === ErrorCode.MEMBER_ID_REQUIRED) client.memberId = response.memberId
    else if (response.errorCode === ErrorCode.UNKNOWN_MEMBER_ID) client.memberId = ""
  }

  #view(verb: string, names: ReadonlyArray<string>, group: string, args: Args): void {
    if (verb === "describe") {
      const described = describeGroup(this.#driver.machine, group)
      this.#driver.trace.push(
        described === undefined
          ? "no such group"
          : `${described.groupState} type=${described.protocolType} protocol=${described.protocolData} [${described.members.map((m) => `${m.memberId}:${shownMetadata(m.memberMetadata)}:${shownAssignment(m.memberAssignment)}`).join(" ")}]`
      )
    } else if (verb === "list") {
      const wanted = (name: string) => args.get(name)?.split(",") ?? []
      for (const g of listGroups(this.#driver.machine, wanted("states"), wanted("types"))) {
        this.#driver.trace.push(`${g.groupId} ${g.groupState} type=${g.protocolType} ${g.groupType}`)
      }
    } else if (verb === "fetch") {
      const topics =
        names.length === 0
          ? null
          : names.map((name) => ({
              name: name.slice(0, name.lastIndexOf("-")),
              topicId: args.get("id") ?? ZERO,
              partitionIndexes: [Number(name.slice(name.lastIndexOf("-") + 1))]
            }))
      for (const t of fetchOffsets(this.#driver.machine, group, topics, args.get("stable") === "yes")) {
        for (const p of t.partitions)
          this.#driver.trace.push(
            `${t.name}-${p.partitionIndex} = ${p.committedOffset} "${p.metadata}" ${errorName(p.errorCode)}`
          )
      }
    } else if (verb === "leader") {
      this.#driver.trace.push(String(this.#driver.machine.classicGroup(group)?.leader))
    } else throw new Error(`unknown command "${verb}"`)
  }
}
