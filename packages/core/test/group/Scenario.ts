/**
 * Runs a text scenario against a group machine and prints what it does.
 *
 * A file is a list of blocks: command lines, `----`, the trace, an empty line. Lines that begin with `#` are remarks.
 * Client names are client ids; a client remembers the member id and generation that it was given. Time moves by `tick`
 * only. Records are committed after each command, unless `hold` puts them off until `commit` or `fail CODE`.
 */
import { type Answer, type Decision, NO_TICKET } from "../../src/coordinator/Decision.ts"
import type { GroupCommand, GroupResult, JoinCommand } from "../../src/group/Commands.ts"
import { defaultGroupConfig, type GroupConfig } from "../../src/group/GroupConfig.ts"
import { GroupMachine } from "../../src/group/GroupMachine.ts"
import type { GroupRecord } from "../../src/group/GroupRecord.ts"
import { describeGroup, fetchOffsets, listGroups } from "../../src/group/GroupViews.ts"
import { ErrorCode, errorName } from "../../src/model/ErrorCode.ts"

const ZERO = "AAAAAAAAAAAAAAAAAAAAAA"
const utf8 = new TextEncoder()
const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes)

/** `@t+u`: what a consumer that is subscribed to t and u says. */
const subscription = (metadata: string): Uint8Array => {
  const topics = metadata.slice(1).split("+")
  const bytes = [0, 0, 0, 0, 0, topics.length]
  for (const topic of topics) bytes.push(0, topic.length, ...utf8.encode(topic))
  return Uint8Array.from(bytes)
}

/** Binary metadata is not shown. */
const shown = (metadata: Uint8Array): string => (metadata[0] === 0 ? "…" : text(metadata))

interface Client {
  memberId: string
  generation: number
  instance: string | null
  /** What it said when it last joined; it says it again. */
  readonly said: Map<string, string>
}

interface Held {
  readonly ticket: number
  readonly command: GroupCommand
  readonly decision: Decision<GroupRecord, GroupResult>
}

type Args = ReadonlyMap<string, string>

export class Scenario {
  config: GroupConfig = { ...defaultGroupConfig, initialRebalanceDelayMs: 0 }
  machine = new GroupMachine(this.config)
  now = 0
  readonly log: Array<GroupRecord> = []
  readonly #clients = new Map<string, Client>()
  readonly #tickets = new Map<number, { name: string; what: string }>()
  #lastTicket = 0
  #uuid = 0
  #held: Array<Held> | undefined
  #trace: Array<string> = []

  run(line: string): ReadonlyArray<string> {
    this.#trace = []
    const [verb = "", ...words] = line.split(/\s+/)
    const names = words.filter((word) => !word.includes("="))
    const args: Args = new Map(
      words
        .filter((word) => word.includes("="))
        .map((word) => [word.slice(0, word.indexOf("=")), word.slice(word.indexOf("=") + 1)])
    )
    this.#command(verb, names, args)
    return this.#trace
  }

  #command(verb: string, names: ReadonlyArray<string>, args: Args): void {
    const group = args.get("group") ?? "g"
    switch (verb) {
      case "config":
        this.#configure(args)
        return
      case "join":
        for (const name of names) this.#ask(name, "join", this.#join(name, group, args))
        return
      case "sync":
        for (const name of names) this.#ask(name, "sync", this.#sync(name, group, args))
        return
      case "heartbeat":
        for (const name of names)
          this.#ask(name, "heartbeat", { _tag: "Heartbeat", groupId: group, ...this.#identity(name, args) })
        return
      case "leave":
        this.#leave(names, group, args)
        return
      case "commit":
        if (names.length === 0) this.#commitHeld()
        else this.#commitOffsets(names[0]!, group, args)
        return
      case "tick":
        this.#tick(Number(names[0]!.replace("+", "")))
        return
      case "hold":
        this.#held = []
        return
      case "fail":
        this.#failHeld(ErrorCode[names[0] as keyof typeof ErrorCode])
        return
      case "restart":
        this.#restart()
        return
      case "expire":
        this.#ask("-", "expire", { _tag: "ExpireOffsets" })
        return
      case "delete-group":
        this.#ask("operator", "delete-group", { _tag: "DeleteGroup", groupId: names[0] ?? "" })
        return
      case "delete-offsets":
        this.#deleteOffsets(names, group)
        return
      case "delete-topics":
        this.#ask("-", "delete-topics", { _tag: "TopicsDeleted", topics: names })
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
    this.machine = new GroupMachine(this.config)
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
      uuid: String(++this.#uuid)
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
    this.#ask(names[0] ?? "operator", "leave", { _tag: "Leave", groupId, members })
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
    this.#ask(name, "commit", {
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
    this.#ask("operator", "delete-offsets", { _tag: "DeleteOffsets", groupId, topics })
  }

  #ask(name: string, what: string, command: GroupCommand): void {
    const ticket = ++this.#lastTicket
    this.#tickets.set(ticket, { name, what })
    const decision = this.machine.decide(ticket, command, this.now)
    if (this.#held !== undefined) this.#held.push({ ticket, command, decision })
    else this.#commitDecision(decision)
    if (this.#held === undefined && this.#tickets.has(ticket)) this.#trace.push(`${name} ${what} waits`)
  }

  #commitHeld(): void {
    const held = this.#held ?? []
    this.#held = undefined
    for (const { decision } of held) this.#commitDecision(decision)
  }

  #failHeld(error: ErrorCode): void {
    const held = this.#held ?? []
    this.#held = undefined
    for (const { ticket, command, decision } of held) {
      if (decision.records.length === 0) this.#send(decision.answers)
      else this.#send(this.machine.reject(ticket, command, decision, error, this.now).answers)
    }
  }

  #commitDecision(decision: Decision<GroupRecord, GroupResult>): void {
    for (const record of decision.records) {
      this.log.push(record)
      this.#trace.push(`record ${this.#showRecord(record)}`)
    }
    this.#send(decision.answers)
    for (const record of decision.records) this.#send(this.machine.replay(record, this.now).answers)
  }

  #tick(ms: number): void {
    const until = this.now + ms
    for (
      let next = this.machine.nextDeadline();
      next !== undefined && next <= until;
      next = this.machine.nextDeadline()
    ) {
      this.now = next
      const before = this.#trace.length
      this.#commitDecision(this.machine.tick(this.now))
      if (this.#trace.length > before) this.#trace.splice(before, 0, `at ${this.now}`)
    }
    this.now = until
  }

  #restart(): void {
    this.machine = new GroupMachine(this.config)
    for (const record of this.log) this.machine.load(record)
    this.#commitDecision(this.machine.loaded(this.now))
    this.#tickets.clear()
  }

  #send(answers: ReadonlyArray<Answer<GroupResult>>): void {
    for (const { ticket, response } of answers) {
      if (ticket === NO_TICKET) throw new Error("an answer for nobody")
      const asked = this.#tickets.get(ticket)
      if (asked === undefined) throw new Error(`ticket ${ticket} was answered twice`)
      this.#tickets.delete(ticket)
      this.#learn(this.#client(asked.name), response)
      if (response._tag !== "Done") this.#trace.push(`${asked.name} ${asked.what}: ${this.#showResult(response)}`)
    }
  }

  #learn(client: Client, response: GroupResult): void {
    if (response._tag !== "Join") return
    if (response.errorCode === ErrorCode.NONE) {
      client.memberId = response.memberId
      client.generation = response.generationId
    } else if (response.errorCode === ErrorCode.MEMBER_ID_REQUIRED) client.memberId = response.memberId
    else if (response.errorCode === ErrorCode.UNKNOWN_MEMBER_ID) client.memberId = ""
  }

  #showResult(response: Exclude<GroupResult, { _tag: "Done" }>): string {
    switch (response._tag) {
      case "Join": {
        if (response.errorCode !== ErrorCode.NONE) return `${errorName(response.errorCode)} member=${response.memberId}`
        const members = response.members.map((m) => `${m.memberId}:${shown(m.metadata)}`).join(" ")
        const skip = response.skipAssignment ? " skipAssignment" : ""
        return `generation=${response.generationId} member=${response.memberId} leader=${response.leader} protocol=${response.protocolName}${skip} members=[${members}]`
      }
      case "Sync":
        return response.errorCode === ErrorCode.NONE
          ? `assignment="${text(response.assignment)}" protocol=${response.protocolName}`
          : errorName(response.errorCode)
      case "Heartbeat":
        return errorName(response.errorCode)
      case "Leave":
        return `${errorName(response.errorCode)} [${response.members.map((m) => `${m.memberId || m.groupInstanceId}:${errorName(m.errorCode)}`).join(" ")}]`
      case "Commit":
        return response.errorCodes.map(errorName).join(" ")
      case "ConsumerHeartbeat":
        return errorName(response.errorCode)
      case "DeleteGroup":
        return errorName(response.errorCode)
      case "DeleteOffsets": {
        const partitions = response.topics.flatMap(({ topic, partitions }) =>
          partitions.map(({ partition, errorCode }) => ` ${topic}-${partition}:${errorName(errorCode)}`)
        )
        return errorName(response.errorCode) + partitions.join("")
      }
    }
  }

  #showRecord(record: GroupRecord): string {
    if (record._tag === "Offset") {
      const at = `offset ${record.groupId} ${record.topic}-${record.partition}`
      return record.value === null ? `${at} tombstone` : `${at} = ${record.value.offset} "${record.value.metadata}"`
    }
    if (record.value === null) return `group ${record.groupId} tombstone`
    const { generation, protocol, leader, members } = record.value
    return `group ${record.groupId} generation=${generation} protocol=${protocol} leader=${leader} [${members.map((m) => `${m.memberId}:${text(m.assignment)}`).join(" ")}]`
  }

  #view(verb: string, names: ReadonlyArray<string>, group: string, args: Args): void {
    if (verb === "describe") {
      const described = describeGroup(this.machine, group)
      this.#trace.push(
        described === undefined
          ? "no such group"
          : `${described.groupState} type=${described.protocolType} protocol=${described.protocolData} [${described.members.map((m) => `${m.memberId}:${shown(m.memberMetadata)}:${text(m.memberAssignment)}`).join(" ")}]`
      )
    } else if (verb === "list") {
      const wanted = (name: string) => args.get(name)?.split(",") ?? []
      for (const g of listGroups(this.machine, wanted("states"), wanted("types"))) {
        this.#trace.push(`${g.groupId} ${g.groupState} type=${g.protocolType} ${g.groupType}`)
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
      for (const t of fetchOffsets(this.machine, group, topics, args.get("stable") === "yes")) {
        for (const p of t.partitions)
          this.#trace.push(
            `${t.name}-${p.partitionIndex} = ${p.committedOffset} "${p.metadata}" ${errorName(p.errorCode)}`
          )
      }
    } else if (verb === "leader") {
      this.#trace.push(String(this.machine.groups.get(group)?.group.leader))
    } else throw new Error(`unknown command "${verb}"`)
  }
}
