/**
 * What the parts of an active controller share: the committed image, the time of the input being handled, the partitions to
 * look at again, and the outputs being gathered.
 *
 * Parts put changes of partitions in here one by one; they leave as few commands for many partitions. Each kind has commands
 * of its own, since what follows from a refusal differs.
 */
import { assert } from "../base/Assert.ts"
import type { Prng } from "../base/Prng.ts"
import type { Command, PartitionOp } from "../metadata/Command.ts"
import { emptyImage, type MetadataImage } from "../metadata/MetadataImage.ts"
import { isLive } from "../metadata/Replicas.ts"
import type { ReplicaId } from "../replication/Frame.ts"
import type { ControllerOptions } from "./ControllerOptions.ts"
import type { ControllerReady, HandOverRequest, PromiseRequest } from "./Messages.ts"
import { PartitionTable, type Tracked } from "./PartitionTable.ts"

/** Whom the end of a command concerns. */
export type Purpose =
  | { readonly _tag: "Node"; readonly nodeId: number }
  | { readonly _tag: "Elections" | "Changes" | "InSync"; readonly of: ReadonlyArray<Tracked> }

type Kind = Exclude<Purpose["_tag"], "Node">

interface Change {
  readonly tracked: Tracked
  readonly op: PartitionOp
}

const KINDS: ReadonlyArray<Kind> = ["Elections", "Changes", "InSync"]

export class Work {
  readonly options: ControllerOptions
  readonly random: Prng
  readonly partitions = new PartitionTable()
  /** Partitions whose next step is to be decided. */
  readonly dirty = new Set<Tracked>()
  image: MetadataImage = emptyImage("")
  nowMs = 0
  #lastTicket = 0
  readonly #purposes = new Map<number, Purpose>()
  readonly #changes: Record<Kind, Array<Change>> = { Elections: [], Changes: [], InSync: [] }
  #commands: Array<{ readonly ticket: number; readonly command: Command }> = []
  readonly #promises = new Map<number, Array<PromiseRequest["partitions"][number]>>()
  #handOvers: Array<HandOverRequest> = []

  constructor(options: ControllerOptions, random: Prng) {
    this.options = options
    this.random = random
  }

  isLive(replica: ReplicaId): boolean {
    return isLive(this.image.brokers, replica)
  }

  proposeForNode(nodeId: number, command: Command): void {
    this.#propose(command, { _tag: "Node", nodeId })
  }

  /** `change`: the fields that move; the rest of the op, its expectations included, is as the image is now. */
  propose(kind: Kind, tracked: Tracked, change: Partial<PartitionOp>): void {
    const { leaderEpoch, configVersion } = tracked.image
    const unchanged = { election: null, isr: null, replicas: null, adding: null, removing: null }
    this.#changes[kind].push({
      tracked,
      op: {
        topicId: tracked.topicId,
        partition: tracked.partition,
        expectedEpoch: leaderEpoch,
        expectedConfigVersion: configVersion,
        ...unchanged,
        ...change
      }
    })
  }

  askPromise(nodeId: number, tracked: Tracked, epoch: number): void {
    const { topicId, partition } = tracked
    const asked = this.#promises.get(nodeId)
    if (asked === undefined) this.#promises.set(nodeId, [{ topicId, partition, epoch }])
    else asked.push({ topicId, partition, epoch })
  }

  askHandOver(request: HandOverRequest): void {
    this.#handOvers.push(request)
  }

  /** Each ticket ends once; those of an earlier activation concern nobody. */
  ended(ticket: number): Purpose | undefined {
    assert(ticket <= this.#lastTicket, `ticket ${ticket} was never given`)
    const purpose = this.#purposes.get(ticket)
    this.#purposes.delete(ticket)
    return purpose
  }

  /** Everything gathered since the last call, handed out once. */
  take(): ControllerReady | undefined {
    for (const kind of KINDS) this.#flush(kind)
    if (this.#commands.length + this.#promises.size + this.#handOvers.length === 0) return undefined
    const taken: ControllerReady = {
      commands: this.#commands,
      promises: [...this.#promises]
        .sort(([a], [b]) => a - b)
        .map(([nodeId, partitions]) => ({ nodeId, metadataOffset: this.image.offset, partitions })),
      handOvers: this.#handOvers
    }
    this.#commands = []
    this.#promises.clear()
    this.#handOvers = []
    return taken
  }

  /** Tickets go on counting, so that an answer to a forgotten one is known as such. */
  clear(): void {
    this.partitions.clear()
    this.dirty.clear()
    this.#purposes.clear()
    for (const kind of KINDS) this.#changes[kind] = []
    this.#commands = []
    this.#promises.clear()
    this.#handOvers = []
    this.image = emptyImage("")
  }

  #flush(kind: Kind): void {
    // A topic may have gone between the decision and now; its ops would only be refused.
    const changes = this.#changes[kind].filter(({ tracked }) => !tracked.deleted)
    this.#changes[kind] = []
    for (let i = 0; i < changes.length; i += this.options.opsMax) {
      const part = changes.slice(i, i + this.options.opsMax)
      const ops = part.map(({ op }) => op)
      this.#propose({ _tag: "PartitionOps", ops }, { _tag: kind, of: part.map(({ tracked }) => tracked) })
    }
  }

  #propose(command: Command, purpose: Purpose): void {
    const ticket = ++this.#lastTicket
    this.#purposes.set(ticket, purpose)
    this.#commands.push({ ticket, command })
  }
}
