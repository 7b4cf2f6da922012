/**
 * Runs a text scenario against controllers and prints what they do. The metadata log is real (`replay`), nodes are words.
 *
 * A file is a list of blocks: command lines, `----`, the trace, an empty line. Lines that begin with `#` are remarks. Node 1
 * lies on directory d1 until it is wiped. Partitions are named `topic-number`. Commands of the controller are applied after
 * each line, unless `hold` puts them off until `commit` or `lose`. Time moves by `tick +ms` from deadline to deadline, by
 * `run +ms 1 2` while these nodes heartbeat, and by `pause +ms` while the controller stands still.
 */
import { Prng } from "../../src/base/Prng.ts"
import { Controller, type ControllerOptions, defaultControllerOptions } from "../../src/controller/Controller.ts"
import type {
  ControllerReady,
  HeartbeatAnswer,
  OperatorAnswer,
  PartitionReport,
  PromiseAnswer,
  Report
} from "../../src/controller/Messages.ts"
import { type Command, ConfigOp, type PartitionOp } from "../../src/metadata/Command.ts"
import {
  type CommandResult,
  emptyImage,
  type MetadataImage,
  type TopicImage
} from "../../src/metadata/MetadataImage.ts"
import { replay } from "../../src/metadata/Replay.ts"
import { errorName } from "../../src/model/ErrorCode.ts"

type Args = ReadonlyMap<string, string>

interface Node {
  directoryId: string
  incarnation: number
  wipes: number
}

const UNCLEAN = "unclean.leader.election.enable"
const isUnclean = (topic: TopicImage): boolean => topic.configs.get(UNCLEAN) === "true"

const numbers = (text: string): ReadonlyArray<number> => text.split(",").filter(Boolean).map(Number)

export class Scenario {
  image: MetadataImage = emptyImage("c")
  now = 0
  // Before the first controller is made.
  #options: ControllerOptions = { ...defaultControllerOptions, uncleanElection: isUnclean }
  readonly #controllers = new Map<string, Controller>()
  #current = "A"
  readonly #nodes = new Map<number, Node>()
  #pending: Array<{ readonly by: Controller; readonly ticket: number; readonly command: Command }> = []
  #held = false
  #trace: Array<string> = []

  get controller(): Controller {
    let controller = this.#controllers.get(this.#current)
    if (controller === undefined) {
      controller = new Controller(this.#options, new Prng(this.#controllers.size))
      this.#controllers.set(this.#current, controller)
    }
    return controller
  }

  run(line: string): ReadonlyArray<string> {
    this.#trace = []
    const [verb = "", ...words] = line.split(/\s+/)
    const isArgument = (word: string) => word.includes("=")
    const args: Args = new Map(
      words.filter(isArgument).map((word) => [word.slice(0, word.indexOf("=")), word.slice(word.indexOf("=") + 1)])
    )
    this.#command(
      verb,
      words.filter((word) => !isArgument(word)),
      args
    )
    this.#pump()
    return this.#trace
  }

  #command(verb: string, words: ReadonlyArray<string>, args: Args): void {
    switch (verb) {
      case "options":
        for (const [name, value] of args) this.#options = { ...this.#options, [name]: Number(value) }
        return
      case "nodes":
        for (const word of words) this.#register(Number(word))
        return
      case "restart":
        for (const word of words) this.#restart(Number(word), false)
        return
      case "wipe":
        for (const word of words) this.#restart(Number(word), true)
        return
      case "fenced": {
        // By a command that was in the log already.
        const nodeId = Number(words[0])
        this.#apply({ _tag: "FenceNode", nodeId, incarnation: this.#nodes.get(nodeId)!.incarnation, fenced: true })
        return
      }
      case "topic":
        return this.#createTopic(words[0]!, words.slice(1))
      case "delete":
        this.#apply({ _tag: "DeleteTopic", topicId: words[0]! })
        return
      case "allow-unclean": {
        const change = { name: UNCLEAN, op: ConfigOp.SET, value: "true" }
        this.#apply({ _tag: "AlterConfigs", resourceType: 2, resource: words[0]!, changes: [change] })
        return
      }
      case "activate":
        for (const other of this.#controllers.values()) other.deactivate()
        this.#current = words[0] ?? this.#current
        return this.controller.activate(this.now, this.image)
      case "stop":
        return this.controller.deactivate()
      case "tick":
        return this.#tick(Number(words[0]!.replace("+", "")))
      case "run":
        return this.#runFor(Number(words[0]!.replace("+", "")), words.slice(1).map(Number))
      case "pause":
        this.now += Number(words[0]!.replace("+", ""))
        return this.controller.tick(this.now)
      case "hold":
        this.#held = true
        return
      case "commit":
        this.#held = false
        return
      case "lose":
        this.#held = false
        return this.#lose()
      default:
        return this.#nodeCommand(verb, words, args)
    }
  }

  #nodeCommand(verb: string, words: ReadonlyArray<string>, args: Args): void {
    switch (verb) {
      case "heartbeat":
        for (const word of words) this.#heartbeat(Number(word), [], args)
        return
      case "report":
        return this.#heartbeat(Number(words[0]), [this.#report(words[1]!, words.slice(2), args)], args)
      case "disconnect":
        for (const word of words) this.controller.disconnected(this.now, Number(word))
        return
      case "answer":
      case "refuse":
      case "not-yet":
        return this.#answer(verb, words, args)
      case "reassign":
        return this.#said(this.controller.reassign(this.now, ...this.#place(words[0]!), numbers(words[1]!)))
      case "cancel":
        return this.#said(this.controller.cancelReassignment(this.now, ...this.#place(words[0]!)))
      case "prefer":
        return this.#said(this.controller.electPreferred(this.now, ...this.#place(words[0]!)))
      case "drain":
        return this.#said(this.controller.drain(this.now, Number(words[0])))
      case "show":
        for (const word of words) this.#show(word)
        return
      case "next": {
        const deadline = this.controller.nextDeadline()
        this.#trace.push(
          deadline === Number.POSITIVE_INFINITY ? "nothing waits" : `deadline in ${Math.round(deadline - this.now)}`
        )
        return
      }
      default:
        throw new Error(`unknown command "${verb}"`)
    }
  }

  // --- the metadata log

  #apply(command: Command): CommandResult {
    const { image, delta, result } = replay(this.image, command, this.image.offset)
    this.image = image
    this.controller.applied(this.now, image, delta)
    if (result._tag === "Rejected") this.#trace.push(`rejected ${errorName(result.errorCode)}`)
    return result
  }

  #register(nodeId: number): void {
    const node = this.#nodes.get(nodeId) ?? { directoryId: `d${nodeId}`, incarnation: 1, wipes: 0 }
    this.#nodes.set(nodeId, node)
    const { directoryId, incarnation } = node
    this.#apply({ _tag: "RegisterNode", nodeId, incarnation, directoryId, endpoints: [], rack: null })
  }

  #restart(nodeId: number, wiped: boolean): void {
    const node = this.#nodes.get(nodeId)!
    node.incarnation++
    if (wiped) node.directoryId = `d${nodeId}${"'".repeat(++node.wipes)}`
    this.#register(nodeId)
  }

  #createTopic(name: string, sets: ReadonlyArray<string>): void {
    const partitions = sets.map(numbers).map((replicas) => ({ replicas, isr: replicas, leader: replicas[0]! }))
    this.#apply({ _tag: "CreateTopic", name, topicId: name, internal: false, partitions, configs: [] })
  }

  /** Takes what the controller wants done, and applies its commands until nothing is left. */
  #pump(): void {
    for (;;) {
      const ready = this.controller.ready()
      if (ready !== undefined) this.#take(ready)
      if (this.#held || this.#pending.length === 0) {
        if (ready === undefined) return
        continue
      }
      for (const { by, ticket, command } of this.#pending.splice(0)) {
        const result = this.#apply(command)
        if (result._tag === "PartitionsChanged") {
          for (const [topicId, partition] of result.refused) this.#trace.push(`refused ${topicId}-${partition}`)
        }
        by.commandEnded(this.now, ticket, result)
      }
    }
  }

  #lose(): void {
    for (const { by, ticket } of this.#pending.splice(0)) by.commandEnded(this.now, ticket, "lost")
  }

  #take(ready: ControllerReady): void {
    for (const { ticket, command } of ready.commands) {
      this.#pending.push({ by: this.controller, ticket, command })
      if (command._tag === "PartitionOps") for (const op of command.ops) this.#trace.push(showOp(op))
      else if (command._tag === "FenceNode")
        this.#trace.push(`${command.fenced ? "fence" : "unfence"} ${command.nodeId}`)
    }
    for (const { nodeId, partitions } of ready.promises) {
      this.#trace.push(
        `promise? ${nodeId}: ${partitions.map((p) => `${p.topicId}-${p.partition}@${p.epoch}`).join(" ")}`
      )
    }
    for (const { nodeId, topicId, partition, epoch, target } of ready.handOvers) {
      this.#trace.push(`hand over? ${nodeId}: ${topicId}-${partition}@${epoch} to ${target}`)
    }
  }

  #tick(ms: number): void {
    const until = this.now + ms
    this.#pump()
    for (let next = this.controller.nextDeadline(); next <= until; next = this.controller.nextDeadline()) {
      this.now = next
      const before = this.#trace.length
      this.controller.tick(this.now)
      this.#pump()
      if (this.#trace.length > before) this.#trace.splice(before, 0, `at ${Math.round(this.now)}`)
    }
    this.now = until
  }

  // --- nodes

  /** Time passes while these nodes heartbeat. */
  #runFor(ms: number, nodes: ReadonlyArray<number>): void {
    for (let passed = 0; passed < ms; passed += this.#options.heartbeatMs) {
      for (const nodeId of nodes) this.#heartbeat(nodeId, [], new Map())
      this.#tick(this.#options.heartbeatMs)
    }
  }

  #heartbeat(nodeId: number, partitions: ReadonlyArray<PartitionReport>, args: Args): void {
    const node = this.#nodes.get(nodeId)
    const answer: HeartbeatAnswer = this.controller.heartbeat(this.now, {
      nodeId,
      directoryId: args.get("dir") ?? node?.directoryId ?? "?",
      incarnation: Number(args.get("incarnation") ?? node?.incarnation ?? 1),
      appliedOffset: Number(args.get("applied") ?? this.image.offset),
      wantsToStop: args.get("stop") === "yes",
      partitions
    })
    if (answer._tag === "Refused") this.#trace.push(`${nodeId} refused: ${answer.reason}`)
    else if (answer.fenced || answer.mayStop) {
      this.#trace.push(`${nodeId}${answer.fenced ? " is fenced" : ""}${answer.mayStop ? " may stop" : ""}`)
    }
  }

  #place(word: string): [topicId: string, partition: number] {
    return [word.slice(0, word.lastIndexOf("-")), Number(word.slice(word.lastIndexOf("-") + 1))]
  }

  #report(word: string, flags: ReadonlyArray<string>, args: Args): PartitionReport {
    const [topicId, partition] = this.#place(word)
    const image = this.image.topicById(topicId)?.partitions[partition]
    return {
      topicId,
      partition,
      epoch: Number(args.get("epoch") ?? image?.leaderEpoch ?? 0),
      configVersion: Number(args.get("version") ?? image?.configVersion ?? 0),
      report: this.#reported(flags[0], args)
    }
  }

  #reported(flag: string | undefined, args: Args): Report {
    switch (flag) {
      case "confirmed":
        return { _tag: "Confirmed" }
      case "serves":
        return { _tag: "Serves" }
      case "offline":
        return { _tag: "Offline", reason: "the disk" }
      case "lacking":
      case "regained":
        return { _tag: "Quorum", lacking: flag === "lacking" }
      case "ready":
      case "gave-up":
        return { _tag: "HandOver", target: Number(args.get("target")), ready: flag === "ready" }
    }
    if (args.has("in-sync")) return { _tag: "InSync", isr: numbers(args.get("in-sync")!) }
    if (args.has("promised")) return { _tag: "PromiseAhead", promised: Number(args.get("promised")) }
    const node = Number(args.get("caught-up"))
    return { _tag: "CaughtUp", node, directoryId: args.get("on") ?? this.#nodes.get(node)!.directoryId }
  }

  /** `answer 2 3 t-0 at=1/10`: nodes, then partitions. The epoch is the one last asked, unless it is said. */
  #answer(verb: string, words: ReadonlyArray<string>, args: Args): void {
    const [epoch, offset] = (args.get("at") ?? "0/0").split("/").map(Number)
    const said: PromiseAnswer["answer"] =
      verb === "answer"
        ? { _tag: "Position", position: { epoch: epoch!, offset: offset! } }
        : verb === "refuse"
          ? { _tag: "Refused", promised: Number(args.get("promised")) }
          : { _tag: "NotYet" }
    const places = words.filter((word) => word.includes("-")).map((word) => this.#place(word))
    for (const nodeId of words.filter((word) => !word.includes("-")).map(Number)) {
      const answers = places.map(([topicId, partition]) => ({
        topicId,
        partition,
        epoch: Number(
          args.get("epoch") ?? (this.image.topicById(topicId)?.partitions[partition]?.leaderEpoch ?? 0) + 1
        ),
        directoryId: args.get("dir") ?? this.#nodes.get(nodeId)!.directoryId,
        answer: said
      }))
      this.controller.promiseAnswered(this.now, nodeId, answers)
    }
  }

  #said(answer: OperatorAnswer): void {
    this.#trace.push(answer._tag === "Started" ? "started" : errorName(answer.errorCode))
  }

  #show(word: string): void {
    const [topicId, partition] = this.#place(word)
    const image = this.image.topicById(topicId)?.partitions[partition]
    if (image === undefined) {
      this.#trace.push(`${word} is not there`)
      return
    }
    const replicas = image.replicas.map((node, i) => {
      const kind = image.adding.includes(node) ? "+" : ""
      const directory = image.directories[i]!
      return `${kind}${node}${directory === `d${node}` ? "" : `(${directory})`}`
    })
    const parts = [
      `${word} leader=${image.leader} epoch=${image.leaderEpoch}${image.unclean ? " unclean" : ""}`,
      `replicas=[${replicas}] isr=[${image.isr}] v${image.configVersion}`,
      image.target.length === 0 ? "" : `target=[${image.target}] removing=[${image.removing}]`,
      this.controller.serves(topicId, partition) ? "serves" : ""
    ]
    this.#trace.push(parts.filter(Boolean).join(" "))
  }
}

const showOp = (op: PartitionOp): string => {
  const name = `${op.topicId}-${op.partition}`
  const at = `@${op.expectedEpoch}v${op.expectedConfigVersion}`
  const fields: Array<string> = []
  if (op.isr !== null) fields.push(`isr=[${op.isr}]`)
  if (op.replicas !== null) fields.push(`replicas=[${op.replicas}]`)
  if (op.adding !== null) fields.push(`adding=[${op.adding}]`)
  if (op.removing !== null) fields.push(`removing=[${op.removing}]`)
  if (op.target != null) fields.push(`target=[${op.target}]`)
  if (op.countedDirectory != null) fields.push(`counted on ${op.countedDirectory}`)
  if (op.election === null) return `change ${name}${at} ${fields.join(" ")}`
  const { leader, leaderEpoch, unclean, directoryId } = op.election
  const whom = leader === -1 ? "nobody" : `${leader} (${directoryId})`
  return [`elect ${name}${at} ${whom} in ${leaderEpoch}${unclean ? " unclean" : ""}`, ...fields].join(" ")
}
