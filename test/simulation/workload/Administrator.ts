/**
 * The operator of the cluster. Makes the topics that clients produce to, and as often as the options say changes what a running
 * cluster can be changed in: topics made anew, min.insync.replicas, reassignments, preferred leaders, members of the metadata
 * quorum and its leader. It takes no care whether the moment is good.
 */
import { type Configuration, type Member, sameMember } from "../../../packages/core/src/raft/Entry.ts"
import type { ClusterView } from "../check/Checker.ts"
import type { OperatorOrder } from "./ClientPort.ts"
import type { Connection, Place } from "./Connection.ts"
import { TopicOperations } from "./TopicOperations.ts"

const LOOK_AGAIN_MS = 20

export class Administrator {
  readonly #at: Connection
  readonly #topics: TopicOperations
  readonly #names: ReadonlyArray<string>
  /** Ids of topics that are not to be seen again. */
  readonly #deleted = new Set<string>()
  /** The nodes' present directories, which an operator can see on their disks. */
  readonly #view: ClusterView

  constructor(connection: Connection, names: ReadonlyArray<string>, view: ClusterView) {
    this.#at = connection
    this.#topics = new TopicOperations(connection)
    this.#names = names
    this.#view = view
    for (const name of names) this.#make(name)
    const { options } = connection
    connection.every(options.topicChangeEveryMs, "topic change", () => this.#remake())
    connection.every(options.minInSyncChangeEveryMs, "min in-sync change", () => this.#changeMinInSync())
    connection.every(options.reassignEveryMs, "reassign", () => this.#reassign())
    connection.every(options.handOverEveryMs, "preferred leader", () => this.#electPreferred())
    connection.every(options.membershipEveryMs, "membership", () => this.#changeMembers())
    connection.every(options.transferEveryMs, "transfer", () => this.#transfer())
  }

  get pending(): number {
    return this.#topics.pending
  }

  // --- topics

  /**
   * Until it is there, even when the workload has stopped: nodes register one by one, answers get lost, and a cluster that has
   * come to rest has the topics that it was asked for. A picture that shows a deleted topic is an old one.
   */
  #make(name: string): void {
    const at = this.#at
    const { partitions, replicationFactor, minInSync } = at.options
    const again = () => at.world.after(LOOK_AGAIN_MS, "make topic", () => this.#make(name))
    at.refresh(() => {
      const { image } = at
      if (image === undefined) return again()
      const shown = image.topic(name)?.topicId
      if (shown !== undefined) return this.#deleted.has(shown) ? again() : undefined
      const begun = this.#topics.create({ name, partitions, replicationFactor, minInSync }, image, (outcome) => {
        if (outcome === "unknown") again()
      })
      if (!begun) again()
    })
  }

  #remake(): void {
    const name = this.#at.random.pick(this.#names)
    const known = this.#at.image?.topic(name)
    if (known === undefined) return
    this.#remove(name, known.topicId)
  }

  #remove(name: string, topicId: string): void {
    this.#deleted.add(topicId)
    this.#topics.delete(name, topicId, (outcome) => {
      if (outcome === "unknown") this.#remove(name, topicId)
      else this.#make(name)
    })
  }

  #changeMinInSync(): void {
    const place = this.#at.anyPartition()
    if (place === undefined) return
    const { topic, partition } = place
    this.#topics.setMinInSync(topic.name, topic.topicId, this.#at.random.between(1, partition.replicas.length))
  }

  // --- partitions

  #order(order: OperatorOrder): void {
    this.#at.ask(this.#at.anyNode(), { _tag: "Operator", order }, (answer) => {
      this.#at.world.cover(`operator.${order._tag} ${answer?.error ?? "no answer"}`)
    })
  }

  #reassign(): void {
    const at = this.#at
    at.refresh(() => {
      const place = at.anyPartition()
      if (place === undefined || at.stopped) return
      const { topicId } = place.topic
      const { partition, adding, removing } = place.partition
      const unfinished = adding.length + removing.length > 0
      if (unfinished && at.random.chance(0.2)) return this.#order({ _tag: "CancelReassignment", topicId, partition })
      const count = this.#replicaCount(place)
      const target = at.random.shuffle([...at.nodes]).slice(0, count)
      this.#order({ _tag: "Reassign", topicId, partition, target })
    })
  }

  /** Mostly as many as before, now and then one more or fewer (rule 17), but never fewer than the topic needs to commit. */
  #replicaCount({ topic }: Place): number {
    const { options, random, nodes } = this.#at
    const { replicationFactor } = options
    const changing = options.minInSyncChangeEveryMs > 0 || !this.#names.includes(topic.name)
    const fewest = changing ? replicationFactor : Math.max(1, options.minInSync, replicationFactor - 1)
    const wanted = replicationFactor + random.pick([0, 0, 0, 1, -1])
    return Math.min(nodes.length, Math.max(fewest, wanted))
  }

  #electPreferred(): void {
    const at = this.#at
    at.refresh(() => {
      const place = at.anyPartition()
      if (place === undefined || at.stopped) return
      const { topicId } = place.topic
      this.#order({ _tag: "ElectPreferred", topicId, partition: place.partition.partition })
    })
  }

  // --- the metadata quorum

  #configuration(act: (configuration: Configuration) => void): void {
    this.#at.ask(this.#at.anyNode(), { _tag: "Where" }, (answer) => {
      if (answer !== undefined && !this.#at.stopped) act(answer.configuration)
    })
  }

  #changeMembers(): void {
    this.#configuration((configuration) => {
      const order = this.#membershipOrder(configuration)
      if (order !== undefined) this.#order(order)
    })
  }

  /** Rather heals what it has broken before than breaks more. */
  #membershipOrder({ voters, learners }: Configuration): OperatorOrder | undefined {
    const { random, nodes, options } = this.#at
    const isMember = (member: Member) => [...voters, ...learners].some((other) => sameMember(other, member))
    const missing = nodes
      .map((node): Member => ({ node, directoryId: this.#view.node(node).directoryId }))
      .filter((member) => !isMember(member))
    if (missing.length > 0 && random.chance(0.8)) return { _tag: "AddLearner", member: random.pick(missing) }
    if (learners.length > 0 && random.chance(0.6)) return { _tag: "PromoteLearner", member: random.pick(learners) }
    const keep = Math.max(1, options.voters - 1)
    const removable = voters.length > keep ? [...voters, ...learners] : learners
    return removable.length === 0 ? undefined : { _tag: "RemoveMember", member: random.pick(removable) }
  }

  #transfer(): void {
    this.#configuration(({ voters }) => {
      if (voters.length > 0) this.#order({ _tag: "TransferLeadership", member: this.#at.random.pick(voters) })
    })
  }
}
