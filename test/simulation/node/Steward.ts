/**
 * The operator of the simulated cluster who replaces lost disks in the metadata quorum: the old member goes, the new one
 * comes as a learner and votes when it has caught up (rule 18). Partitions are the controller's matter.
 *
 * While faults act it cares for wiped nodes only; after healing it takes in every node, so that all can converge.
 */
import { type Member, sameMember } from "../../../packages/core/src/raft/Entry.ts"
import type { Kernel } from "../kernel/Kernel.ts"
import type { Options } from "../kernel/Options.ts"
import type { OperatorOrder } from "../workload/ClientPort.ts"
import type { SimNode } from "./SimNode.ts"

const PERIOD_MS = 40

export class Steward {
  readonly #kernel: Kernel
  readonly #nodes: ReadonlyArray<SimNode>
  readonly #options: Options
  #all = false

  constructor(kernel: Kernel, nodes: ReadonlyArray<SimNode>, options: Options) {
    this.#kernel = kernel
    this.#nodes = nodes
    this.#options = options
    this.#again()
  }

  adoptAll(): void {
    this.#all = true
  }

  #again(): void {
    this.#kernel.after(PERIOD_MS, "steward", () => {
      this.#look()
      this.#again()
    })
  }

  #look(): void {
    const leaders = this.#nodes.filter((node) => node.raft?.role === "leader" && !node.paused)
    const leader = leaders.sort((a, b) => b.raft!.term - a.raft!.term)[0]
    if (leader === undefined) return
    const order = this.#order(leader.raft!.configuration)
    if (order !== undefined) leader.request({ _tag: "Operator", order }, () => {})
  }

  #order({
    voters,
    learners
  }: {
    readonly voters: ReadonlyArray<Member>
    readonly learners: ReadonlyArray<Member>
  }): OperatorOrder | undefined {
    for (const node of this.#nodes) {
      const { self } = node
      const wiped = !self.directoryId.endsWith(".1")
      if (!this.#all && !wiped) continue
      const stranger = [...voters, ...learners].find((member) => member.node === self.node && !sameMember(member, self))
      if (stranger !== undefined) return { _tag: "RemoveMember", member: stranger }
      if (voters.some((member) => sameMember(member, self))) continue
      if (!learners.some((member) => sameMember(member, self))) return { _tag: "AddLearner", member: self }
      if (self.node <= this.#options.voters && node.up) return { _tag: "PromoteLearner", member: self }
    }
    return undefined
  }
}
