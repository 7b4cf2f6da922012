/**
 * Runs a text scenario against several replicas of one partition and prints what they write, say and report.
 *
 * A file is a list of blocks: command lines, `----`, the trace, an empty line. Lines that begin with `#` are remarks. Nothing
 * happens by itself: `send` puts on the network what is sendable, `deliver` takes it off, `sync` makes writes durable.
 *
 * ```
 * nodes A B C counted=A,B min=2 leader=A      a new world; all listed nodes are counted unless said otherwise
 * assign A B epoch=1 leader=B v=1 counted=… learners=… min=… mayLead=no unclean     ("all": every node that is up)
 * append A 3 acks=all | send A [B] batches=1 tail=5 | deliver [A B] [last] [twice] | drop [A B] | sync A [2]
 * promise B 1 | crash A keep=1 | restart A | wipe A | tick 500 | startAt A 5 | handover A B | disconnect A B
 * settle [A B] quiet | show A … | progress A
 * ```
 */
import { type Assignment, defaultReplicaOptions } from "../../src/replication/Assignment.ts"
import type { ReplicaEvent } from "../../src/replication/Output.ts"
import { type Message, type Node, pointText, World, type Write } from "./World.ts"

type Words = ReadonlyArray<string>

const span = (
  batches: ReadonlyArray<{ readonly baseOffset: number; readonly endOffset: number; readonly data: string }>
): string => batches.map((batch) => `${batch.data}[${batch.baseOffset},${batch.endOffset})`).join(" ")

const markersText = (
  markers: ReadonlyArray<{ readonly epoch: number; readonly offset: number; readonly unclean: boolean }>
): string => markers.map(({ epoch, offset, unclean }) => `${epoch}@${offset}${unclean ? "!" : ""}`).join(" ")

export class Scenario {
  #world = this.#make([])
  #assignment: Omit<Assignment, "mayLead"> | undefined
  #trace: Array<string> = []
  #quiet = false

  run(line: string): Words {
    this.#trace = []
    const [verb = "", ...words] = line.split(/\s+/)
    const names = words.filter((word) => !word.includes("="))
    const args = new Map(words.filter((word) => word.includes("=")).map((word) => word.split("=") as [string, string]))
    try {
      this.#command(verb, names, args)
    } catch (error) {
      // An assertion that fires is an outcome that a scenario may show.
      this.#trace.push(`! ${(error as Error).message}`)
    }
    return this.#trace
  }

  #make(names: Words): World {
    const options = { ...defaultReplicaOptions, caughtUpOffsets: 2, inflightFramesMax: 3 }
    const print = (text: string): void => {
      if (!this.#quiet) this.#trace.push(text)
    }
    return new World(names, options, {
      write: (node, write) => print(`${node.name} writes ${this.#write(write)}`),
      send: (message) => print(this.#message(message)),
      event: (node, event) => print(`${node.name} ${this.#event(event)}`)
    })
  }

  #command(verb: string, names: Words, args: ReadonlyMap<string, string>): void {
    const world = this.#world
    const numbers = names.map(Number).filter((value) => !Number.isNaN(value))
    const nodes = names.filter((name) => world.nodes.some((node) => node.name === name)).map((name) => world.node(name))
    const first = nodes[0]
    switch (verb) {
      case "nodes":
        return this.#begin(names, args)
      case "assign":
        return this.#assign(names, nodes, args)
      case "tick":
        return world.pass(numbers[0]!)
      case "deliver":
      case "drop":
        return this.#network(verb, nodes, names)
      case "settle":
        this.#quiet = names.includes("quiet")
        world.settle(nodes.length > 0 ? nodes : world.nodes)
        this.#quiet = false
        return
      case "show":
        for (const node of nodes) this.#show(node)
        return
    }
    if (first === undefined) throw new Error(`whom does "${verb}" mean?`)
    this.#atNode(verb, first, nodes[1], numbers, args)
  }

  #atNode(
    verb: string,
    node: Node,
    other: Node | undefined,
    numbers: ReadonlyArray<number>,
    args: ReadonlyMap<string, string>
  ): void {
    const world = this.#world
    const number = (name: string, otherwise: number): number => Number(args.get(name) ?? otherwise)
    switch (verb) {
      case "append": {
        const refused = world.append(node, numbers[0] ?? 1, args.get("acks") === "all")
        if (refused !== undefined) this.#trace.push(`refused: ${refused}`)
        return
      }
      case "send": {
        const batches = number("batches", Number.POSITIVE_INFINITY)
        if (other === undefined) return world.send(node, batches, number("tail", 0))
        node.sendable.delete(other.id.node)
        if (!world.sendTo(node, other.id.node, batches, number("tail", 0))) this.#trace.push("nothing to send")
        return
      }
      case "sync":
        return node.sync(numbers[0] === undefined ? node.stored.length : node.durableCount + numbers[0])
      case "promise": {
        const result = node.live.promise(world.now, numbers[0]!)
        if (result._tag === "Refused") this.#trace.push(`refused: ${result.promised} is promised`)
        return
      }
      case "crash":
        return node.crash(number("keep", 0))
      case "restart":
        return node.start()
      case "wipe":
        node.wipe()
        node.id = { node: node.id.node, directoryId: `${node.name}${node.incarnation + 1}` }
        return
      case "startAt":
        return node.startAt(numbers[0]!)
      case "handover":
        return node.live.handOver(world.now, other!.id.node)
      case "disconnect":
        return node.live.disconnected(world.now, other!.id.node)
      case "progress":
        return this.#progress(node)
      default:
        throw new Error(`no command "${verb}"`)
    }
  }

  #begin(names: Words, args: ReadonlyMap<string, string>): void {
    this.#world = this.#make(names)
    const counted = this.#ids(args.get("counted") ?? names.join(","))
    const leader = this.#world.node(args.get("leader") ?? names[0]!).id
    const minInSync = Number(args.get("min") ?? 1)
    this.#assignment = { epoch: 0, configVersion: 0, leader, unclean: false, counted, learners: [], minInSync }
    for (const node of this.#world.nodes) node.live.assign(0, { ...this.#assignment, mayLead: true })
  }

  /** What is not said stays as it was assigned last. */
  #assign(names: Words, nodes: ReadonlyArray<Node>, args: ReadonlyMap<string, string>): void {
    const last = this.#assignment!
    const leader = args.get("leader")
    const counted = args.get("counted")
    const learners = args.get("learners")
    this.#assignment = {
      epoch: Number(args.get("epoch") ?? last.epoch),
      configVersion: Number(args.get("v") ?? last.configVersion),
      leader: leader === "none" ? null : leader === undefined ? last.leader : this.#world.node(leader).id,
      unclean: names.includes("unclean"),
      counted: counted === undefined ? last.counted : this.#ids(counted),
      learners: learners === undefined ? last.learners : this.#ids(learners),
      minInSync: Number(args.get("min") ?? last.minInSync)
    }
    const mayLead = args.get("mayLead") !== "no"
    const told = names.includes("all") ? this.#world.nodes.filter((node) => node.up) : nodes
    for (const node of told) node.live.assign(this.#world.now, { ...this.#assignment, mayLead })
  }

  /** `deliver A B`: what is on the way from A to B; without names everything that is on the way now. */
  #network(verb: string, nodes: ReadonlyArray<Node>, names: Words): void {
    const world = this.#world
    const [from, to] = nodes
    const meant = (message: Message): boolean =>
      (from === undefined || message.from.node === from.id.node) && (to === undefined || message.to.node === to.id.node)
    let found = world.network.filter(meant)
    if (names.includes("last")) found = found.slice(-1)
    if (names.includes("first")) found = found.slice(0, 1)
    if (found.length === 0) this.#trace.push("nothing is on the way")
    // A copy stays on the way, to come again later.
    if (!names.includes("twice")) world.network = world.network.filter((message) => !found.includes(message))
    if (verb === "deliver") for (const message of found) world.deliver(message)
  }

  #ids(list: string) {
    const names = list === "" ? [] : list.split(",")
    return names.map((name) => {
      // "B1": an earlier directory of B.
      const node = this.#world.nodes.find((one) => one.name === name.charAt(0))!
      return name.length === 1 ? node.id : { node: node.id.node, directoryId: name }
    })
  }

  #show(node: Node): void {
    if (!node.up) return void this.#trace.push(`${node.name} is down`)
    const { live, model } = node
    const durable = pointText(live.durablePosition)
    const start = live.logStartOffset > 0 ? ` start=${live.logStartOffset}` : ""
    this.#trace.push(
      `${node.name} ${live.role} epoch=${live.epoch} promised=${live.promised} markers=${markersText(live.markers)}${start}` +
        ` end=${live.logEndOffset} hw=${live.highWatermark} durable=${durable} log=${span(model.batches) || "empty"}`
    )
    if (live.role === "leader") {
      const deadline = live.nextDeadline()
      this.#trace.push(
        `  Q=${live.quorum} isr=${live.isr.map((one) => this.#world.nodes[one]!.name).join(",")} committed epoch=${live.epochCommitted}` +
          ` serves=${live.serves} deadline=${deadline === Number.POSITIVE_INFINITY ? "none" : deadline}`
      )
    }
  }

  #progress(node: Node): void {
    for (const peer of this.#world.nodes) {
      const progress = node.live.progress(peer.id.node)
      if (progress === undefined) continue
      const match = progress.match === undefined ? "unknown" : pointText(progress.match)
      this.#trace.push(
        `${node.name}: ${peer.name} ${progress.mode} match=${match} next=${pointText(progress.next)} inflight=${progress.inflightBytes}`
      )
    }
  }

  #write(write: Write): string {
    switch (write._tag) {
      case "Promise":
        return `promise ${write.epoch}`
      case "Marker":
        return `marker ${markersText([write.marker])}`
      case "Append":
        return span([write.batch])
      case "Batches":
        return span(write.batches)
      case "Bulk":
        return `bulk to ${pointText(write.end)} ${markersText(write.markers)} ${span(write.batches)}`
      case "Truncate":
        return `a cut to ${pointText(write.to)}`
      case "Reset":
        return `a reset to ${pointText(write.to)}`
      case "HighWatermark":
        return `hw ${write.offset}`
    }
  }

  #message(message: Message): string {
    const way = `${message.from.directoryId.charAt(0)} > ${message.to.directoryId.charAt(0)} e${message.epoch}`
    switch (message._tag) {
      case "Frame": {
        const entries = [markersText(message.markers), span(message.batches)].filter((text) => text !== "").join(" ")
        const bulk = message.bulk ? " bulk" : ""
        return `${way}${bulk} ${pointText(message.previous)}-${pointText(message.end)} hw=${message.highWatermark} ${entries}`.trimEnd()
      }
      case "Acknowledgement":
        return `${way} verified ${pointText(message.verified)}`
      case "Mismatch":
        return `${way} mismatch at ${pointText(message.previous)}, try ${pointText(message.hint)}`
      case "Refusal":
        return `${way} refused, promised ${message.promised}`
      case "NotYet":
        return `${way} not yet`
    }
  }

  #event(event: ReplicaEvent): string {
    switch (event._tag) {
      case "HighWatermark":
        return `hw ${event.offset}`
      case "LeftEpoch":
        return `left epoch ${event.epoch}`
      case "Leads":
        return `leads epoch ${event.epoch}`
      case "EpochCommitted":
        return `epoch ${event.epoch} is committed`
      case "InSync":
        return `in sync: ${event.isr.map((node) => this.#world.nodes[node]!.name).join(",")}`
      case "Confirmed":
        return `confirmed ${event.epoch}/${event.configVersion}`
      case "CaughtUp":
        return `caught up: ${event.replica.directoryId}`
      case "PromiseAhead":
        return `reports promise ${event.promised} ahead`
      case "Quorum":
        return event.lacking ? "lacks its quorum" : "has its quorum again"
      case "HandOver":
        return `hand-over to ${this.#world.nodes[event.target]!.name} ${event.ready ? "is ready" : "is given up"}`
      case "Promised":
        return `promised ${event.epoch} at ${pointText(event.position)}`
      case "Sendable":
        return `may send to ${event.peer}`
    }
  }
}
