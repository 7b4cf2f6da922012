/**
 * Faults that answer what a node just did: the famous bad moments, which chance alone hits once in a million seeds. One bias a
 * run, drawn with the options. It learns of deeds from observations and from what is written to the disks.
 */
import type { Prng } from "../../../packages/core/src/base/Prng.ts"
import { decodeCommand } from "../../../packages/core/src/metadata/CommandCodec.ts"
import { type Entry, EntryKind } from "../../../packages/core/src/raft/Entry.ts"
import type { Observation } from "../Observation.ts"
import type { DiskRecord } from "../World.ts"
import { exponential, uniform } from "./Draw.ts"
import type { FaultPort, Faults } from "./Faults.ts"
import type { Kernel } from "./Kernel.ts"
import { between, isolating } from "./Links.ts"
import type { Options } from "./Options.ts"

/** A node alone with a quick disk would restart a thousand times a second, and each start reads all that is on the disk. */
const KILLS_MAX = 150

export class Bias {
  readonly #kernel: Kernel
  readonly #port: FaultPort
  readonly #faults: Faults
  readonly #options: Options
  readonly #random: Prng
  /** Of the metadata log, as far as observations tell. */
  #controller: number | undefined
  #slow: number | undefined
  #kills = 0
  /** By partition, as far as observations tell; only a bias that asks for it fills it. */
  readonly #leaders = new Map<string, number>()

  constructor(kernel: Kernel, port: FaultPort, faults: Faults) {
    this.#kernel = kernel
    this.#port = port
    this.#faults = faults
    this.#options = kernel.options
    this.#random = kernel.stream("bias")
  }

  start(): void {
    const { bias, faultMs } = this.#options
    if (bias === "none") return
    this.#kernel.addObserver((observation) => this.#observe(observation))
    if (bias === "killPromised" || bias === "killController" || bias === "wipe") {
      for (const node of this.#port.nodes) this.#port.disk(node).watch((record) => this.#written(node, record))
    }
    if (bias === "slowDisk") this.#faults.later(exponential(this.#random, faultMs), () => this.#slowAnother())
  }

  #observe(observation: Observation): void {
    if (observation._tag === "RaftRole") {
      if (observation.role !== "leader") return
      this.#controller = observation.node
      if (!this.#options.biasPartitionsOnly) this.#ledBy(observation.node)
    } else if (observation._tag === "Leads") {
      this.#leaders.set(`${observation.topicId}/${observation.partition}`, observation.node)
      this.#ledBy(observation.node)
    } else if (observation._tag === "RaftAppended" && this.#options.bias === "isolateReassigned") {
      if (observation.node === this.#controller) for (const entry of observation.entries) this.#proposed(entry)
    }
  }

  /** A replica is about to be counted: its leader must not hear of it. */
  #proposed(entry: Entry): void {
    if (entry.kind !== EntryKind.Command) return
    const command = decodeCommand(entry.payload)
    if (command._tag !== "PartitionOps") return
    for (const op of command.ops) {
      const leader = this.#leaders.get(`${op.topicId}/${op.partition}`)
      if (op.countedDirectory == null || leader === undefined || leader === this.#controller) continue
      if (this.#random.chance(this.#options.biasChance)) this.#isolateTwo(leader)
    }
  }

  #ledBy(node: number): void {
    if (!this.#random.chance(this.#options.biasChance)) return
    switch (this.#options.bias) {
      case "killNewLeader":
        return this.#killSoon(node, exponential(this.#random, this.#options.downMs))
      case "restartNewLeader":
        return this.#killSoon(node, uniform(this.#random, 0, 3))
      case "isolateLeader":
        return this.#faults.later(this.#shortly(), () => this.#isolate(node))
      case "muteLeader":
        return this.#faults.later(this.#shortly(), () => this.#mute(node))
      case "figure8":
        return this.#faults.later(this.#random.chance(0.6) ? 0 : this.#shortly(), () => this.#figure8(node))
      case "slowDisk":
        if (this.#random.chance(0.5)) this.#slowDown(node)
        return
      default:
        return
    }
  }

  #written(node: number, record: DiskRecord): void {
    const promise = record._tag === "Replica" && record.write._tag === "Promise"
    const vote = record._tag === "HardState" && record.hardState.vote !== null
    if (!promise && (!vote || this.#options.biasPartitionsOnly)) return
    // Votes and promises come often; each answered by a crash would leave nothing to look at.
    if (!this.#random.chance(this.#options.biasChance * 0.5)) return
    switch (this.#options.bias) {
      case "killPromised":
        return this.#killSoon(node, exponential(this.#random, this.#options.downMs))
      case "killController":
        if (promise && this.#controller !== undefined)
          this.#killSoon(this.#controller, exponential(this.#random, this.#options.downMs))
        return
      case "wipe": {
        const downMs = exponential(this.#random, this.#options.downMs)
        return this.#faults.later(this.#shortly(), () => void this.#faults.wipe(node, downMs))
      }
      default:
        return
    }
  }

  /** Some round trips and syncs from now, or at once. */
  #shortly(): number {
    const { delayMs, jitterMs, fsyncMs, fsyncJitterMs } = this.#options
    const stepMs = this.#random.chance(0.5) ? delayMs + jitterMs : fsyncMs + fsyncJitterMs
    return this.#random.chance(0.2) ? 0 : uniform(this.#random, 0, 5) * stepMs
  }

  #killSoon(node: number, downMs: number): void {
    if (++this.#kills > KILLS_MAX) return
    this.#faults.later(this.#shortly(), () => void this.#faults.crash(node, downMs))
  }

  #isolate(node: number): void {
    const direction = this.#random.pick(["in", "out", "both", "both"] as const)
    const links = isolating(node, this.#port.nodes, direction)
    if (links.length === 0) return
    // Often one peer stays in reach: a leader that still hears somebody.
    const friend = this.#random.chance(0.4) ? this.#random.pick(this.#port.nodes) : undefined
    const cut = links.filter(([from, to]) => from !== friend && to !== friend)
    this.#faults.note(
      "isolate",
      `isolate leader ${node} (${direction})${friend === undefined ? "" : ` but for ${friend}`}`
    )
    this.#faults.cut(friend === node ? links : cut, exponential(this.#random, this.#options.faultMs))
  }

  /** Followers hear the leader, the controller does not. */
  #mute(node: number): void {
    const controller = this.#controller
    if (controller === undefined || controller === node) return
    this.#faults.note("muteLeader", `cut leader ${node} → controller ${controller}`)
    this.#faults.cut([[node, controller]], exponential(this.#random, this.#options.faultMs))
  }

  /** The leader and one other go on together, cut off from the rest. */
  #isolateTwo(node: number): void {
    const others = this.#port.nodes.filter((other) => other !== node && other !== this.#controller)
    if (others.length === 0) return
    const two = [node, this.#random.pick(others)]
    const rest = this.#port.nodes.filter((other) => !two.includes(other))
    this.#faults.note("isolateReassigned", `cut leader ${node} and node ${two[1]} off`)
    this.#faults.cut(between(two, rest), exponential(this.#random, this.#options.faultMs))
  }

  /** The leader reaches one follower at most, and dies soon. */
  #figure8(node: number): void {
    if (!this.#port.isUp(node)) return
    const others = this.#port.nodes.filter((other) => other !== node)
    if (others.length === 0) return
    const reached = this.#random.chance(0.7) ? this.#random.pick(others) : undefined
    const lifeMs = this.#shortly() + this.#shortly()
    const cut = others.filter((other) => other !== reached).map((other) => [node, other] as const)
    this.#faults.note("figure8", `leader ${node} reaches ${reached ?? "nobody"} and dies in ${lifeMs.toFixed(1)} ms`)
    this.#faults.cut(cut, lifeMs)
    this.#faults.later(lifeMs, () => void this.#faults.crash(node, exponential(this.#random, this.#options.downMs)))
  }

  #slowAnother(): void {
    this.#slowDown(this.#random.pick(this.#port.nodes))
    this.#faults.later(exponential(this.#random, this.#options.faultMs * 2), () => this.#slowAnother())
  }

  #slowDown(node: number): void {
    if (!this.#faults.running) return
    if (this.#slow !== undefined) this.#port.disk(this.#slow).slowDown(1)
    const times = Math.round(uniform(this.#random, 10, 200))
    this.#faults.note("slowDisk", `disk of node ${node} ${times} times slower`)
    this.#port.disk(node).slowDown(times)
    this.#slow = node
  }
}
