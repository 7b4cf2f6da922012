/**
 * What controllers decide, against the image that it was decided for.
 *
 * - Whoever is elected is registered with the disk that was counted, and not fenced (rules 13 and 18). A majority of the counted
 *   replicas has promised the epoch, durably (rules 10 and 26); unclean elections come only where they are allowed (rule 21).
 * - A counted replica stays on its disk until it is removed (rule 18).
 * - No in-sync set holds a node that is fenced, or that is back with another disk (rules 18 and 30).
 * - A node that was neither down nor asleep is not fenced (rule 16). Judged only where messages are quick, none is lost and no node
 *   leaves the metadata quorum: elsewhere a controller may be right not to have heard of it.
 */
import { decodeCommand } from "../../../packages/core/src/metadata/CommandCodec.ts"
import type { MetadataImage, PartitionImage } from "../../../packages/core/src/metadata/MetadataImage.ts"
import { countedReplicas } from "../../../packages/core/src/metadata/Replicas.ts"
import { type Entry, EntryKind } from "../../../packages/core/src/raft/Entry.ts"
import type { Options } from "../kernel/Options.ts"
import type { Observation } from "../Observation.ts"
import { type Checker, type ClusterView, partitionKey, Violation } from "./Checker.ts"
import type { Of } from "./CommittedLog.ts"
import type { DiskModel } from "./DiskModel.ts"

const LINK_FAULTS = ["oneWay", "partition", "isolate", "bridge", "ring", "slowLink", "reset"] as const
const LINK_BIASES: ReadonlyArray<Options["bias"]> = ["isolateLeader", "isolateReassigned", "muteLeader", "figure8"]

/** Heartbeats come within their interval, whatever the node's disk does. */
const isQuick = (options: Options): boolean =>
  options.lossChance + options.tailChance + options.membershipEveryMs + options.wipesMax === 0 &&
  options.delayMs + options.jitterMs <= 3 &&
  // A node that starts is heard when its registration is committed.
  options.fsyncTailChance + options.slowDiskWeight === 0 &&
  options.fsyncMs + options.fsyncJitterMs <= 12 &&
  options.bias !== "slowDisk" &&
  !LINK_BIASES.includes(options.bias) &&
  LINK_FAULTS.every((fault) => options[`${fault}Weight`] === 0)

export class ControllerDecisions implements Checker {
  readonly name = "controller decisions"
  readonly #disks: DiskModel
  readonly #view: ClusterView
  readonly #options: Options
  readonly #nowMs: () => number
  readonly #quick: boolean
  /** When each node was last seen down or asleep; a node that is not in here never was. */
  readonly #awayMs = new Map<number, number>()
  readonly #elected = new Map<string, number>()
  readonly #images = new Map<number, MetadataImage>()
  /** Of the newest image. */
  readonly #partitions = new Map<string, PartitionImage>()
  #offset = 0
  /** The newest entry of the metadata log that anybody has appended: only its leader is first. */
  #term = 0
  #index = 0

  constructor(disks: DiskModel, options: Options, nowMs: () => number) {
    this.#disks = disks
    this.#view = disks.view
    this.#options = options
    this.#nowMs = nowMs
    this.#quick = isQuick(options)
  }

  observe(o: Observation): void {
    if (o._tag === "Elected") this.#electedLeader(o)
    else if (o._tag === "RaftAppended" && this.#quick) for (const entry of o.entries) this.#proposed(entry)
    else if (o._tag === "Started" || o._tag === "Crashed") this.#awayMs.set(o.node, this.#nowMs())
  }

  afterEvent(): void {
    for (const node of this.#view.nodes) {
      const { up, paused, image } = this.#view.node(node)
      if (!up || paused) this.#awayMs.set(node, this.#nowMs())
      if (this.#images.get(node) === image) continue
      this.#images.set(node, image)
      const newest = image.offset > this.#offset
      if (newest) this.#offset = image.offset
      for (const topic of image.topics()) {
        for (const partition of topic.partitions) {
          const key = partitionKey(topic.topicId, partition.partition)
          this.#inSync(key, partition, image)
          if (newest) this.#keepDisks(key, partition)
        }
      }
    }
  }

  #keepDisks(key: string, partition: PartitionImage): void {
    const before = this.#partitions.get(key)
    this.#partitions.set(key, partition)
    if (before === undefined || before.configVersion !== partition.configVersion) return
    for (const { node, directoryId } of countedReplicas(before)) {
      const now = partition.directories[partition.replicas.indexOf(node)]
      // Until its node registers, nobody knows where a replica lies.
      if (directoryId === "" || now === directoryId) continue
      throw new Violation(
        "counted-on-another-disk",
        `${key}: node ${node} was counted on ${directoryId}, now on ${now}`
      )
    }
  }

  /** Told by each node; the first has just applied the command and nothing after it. */
  #electedLeader(o: Of<"Elected">): void {
    const key = partitionKey(o.topicId, o.partition)
    if (o.leader < 0 || o.epoch <= (this.#elected.get(key) ?? -1)) return
    this.#elected.set(key, o.epoch)
    const who = `${key}: node ${o.leader}, elected in epoch ${o.epoch},`
    if (o.unclean && !this.#options.uncleanElections) {
      throw new Violation("unclean-not-allowed", `${who} is elected without a quorum, which its topic forbids`)
    }
    for (const node of this.#view.nodes) {
      const { image } = this.#view.node(node)
      const partition = image.topicById(o.topicId)?.partitions[o.partition]
      if (partition?.leaderEpoch !== o.epoch) continue
      const broker = image.brokers.get(o.leader)
      const directoryId = partition.directories[partition.replicas.indexOf(o.leader)]
      if (broker === undefined || broker.fenced) throw new Violation("elected-fenced", `${who} is fenced or unknown`)
      if (broker.directoryId === directoryId) return o.unclean ? undefined : this.#promised(who, o, partition)
      throw new Violation(
        "elected-other-disk",
        `${who} was counted on ${directoryId}, it runs on ${broker.directoryId}`
      )
    }
  }

  #promised(who: string, o: Of<"Elected">, partition: PartitionImage): void {
    const counted = countedReplicas(partition)
    const promised = counted.filter(({ node, directoryId }) => {
      // A disk that is gone tells nothing; it may have promised before.
      if (this.#view.node(node).directoryId !== directoryId) return true
      return this.#disks.durablePartition(node, directoryId, o.topicId, o.partition).promised >= o.epoch
    })
    if (promised.length * 2 > counted.length) return
    const nodes = (replicas: typeof counted) => replicas.map(({ node }) => node).join(" ")
    const text = `of [${nodes(counted)}] only [${nodes(promised)}] have promised it durably`
    throw new Violation("elected-without-promises", `${who} leads an epoch of which ${text}`)
  }

  #inSync(key: string, partition: PartitionImage, image: MetadataImage): void {
    const { isr, replicas, directories } = partition
    for (const node of isr) {
      const broker = image.brokers.get(node)
      const directoryId = directories[replicas.indexOf(node)]
      // Taken at its leader's word until it has registered.
      if (broker === undefined || (!broker.fenced && broker.directoryId === directoryId)) continue
      const why = broker.fenced ? "is fenced" : `runs on ${broker.directoryId} and not on ${directoryId}`
      throw new Violation(
        "in-sync-not-there",
        `${key}: the in-sync set ${isr.join(" ")} holds node ${node}, which ${why}`
      )
    }
  }

  /** Judged when it is decided: it may be committed by a later leader, when the node is back. */
  #proposed({ term, index, kind, payload }: Entry): void {
    if (term < this.#term || (term === this.#term && index <= this.#index)) return
    this.#term = term
    this.#index = index
    if (kind !== EntryKind.Command) return
    const command = decodeCommand(payload)
    if (command._tag !== "FenceNode" || !command.fenced) return
    const awayMs = this.#awayMs.get(command.nodeId)
    const goneMs = awayMs === undefined ? Number.POSITIVE_INFINITY : this.#nowMs() - awayMs
    // Its session, and as long again to find the controller.
    if (goneMs <= 2 * this.#options.nodeSessionMs + this.#options.electionTimeoutMs) return
    const text = `node ${command.nodeId} is fenced, though it was up and awake for ${goneMs.toFixed(0)} ms`
    throw new Violation("fenced-alive", text)
  }
}
