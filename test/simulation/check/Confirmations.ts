/**
 * Changes of the counted replicas, one behind the other (rule 17).
 *
 * - What a leader confirms is so: a majority of the replicas counted in that version holds everything that was ever committed, and
 *   the marker of the leader's epoch, on its disks.
 * - The counted replicas change only under a version that its leader has confirmed in the current epoch.
 */
import type { MetadataImage, PartitionImage } from "../../../packages/core/src/metadata/MetadataImage.ts"
import { countedReplicas } from "../../../packages/core/src/metadata/Replicas.ts"
import type { Observation } from "../Observation.ts"
import { type Checker, type ClusterView, partitionKey, Violation } from "./Checker.ts"
import type { CommittedLogs, Of } from "./CommittedLog.ts"
import type { DiskModel } from "./DiskModel.ts"

interface Version {
  readonly epoch: number
  readonly configVersion: number
  /** The counted nodes, sorted. */
  readonly counted: string
}

export class Confirmations implements Checker {
  readonly name = "confirmations"
  readonly #disks: DiskModel
  readonly #logs: CommittedLogs
  readonly #cover: (state: string) => void
  /** `<partition> <epoch> <config version>` */
  readonly #confirmed = new Set<string>()
  /** As the newest image has it. */
  readonly #versions = new Map<string, Version>()
  readonly #images = new Map<number, MetadataImage>()
  #offset = 0

  constructor(disks: DiskModel, logs: CommittedLogs, cover: (state: string) => void) {
    this.#disks = disks
    this.#logs = logs
    this.#cover = cover
  }

  get #view(): ClusterView {
    return this.#disks.view
  }

  observe(o: Observation): void {
    if (o._tag === "Confirmed") this.#confirms(o)
  }

  afterEvent(): void {
    for (const node of this.#view.nodes) {
      const { image } = this.#view.node(node)
      if (this.#images.get(node) === image) continue
      this.#images.set(node, image)
      if (image.offset <= this.#offset) continue
      this.#offset = image.offset
      for (const topic of image.topics())
        for (const partition of topic.partitions) this.#changes(topic.topicId, partition)
    }
  }

  #confirms(o: Of<"Confirmed">): void {
    const log = this.#logs.of(o.topicId, o.partition)
    this.#confirmed.add(`${log.key} ${o.epoch} ${o.configVersion}`)
    const partition = this.#view.node(o.node).image.topicById(o.topicId)?.partitions[o.partition]
    // The turn has brought more than this version, or others are already in a later epoch, where nobody asks for this one.
    if (partition?.configVersion !== o.configVersion || o.epoch < (this.#versions.get(log.key)?.epoch ?? 0)) return
    const counted = countedReplicas(partition)
    const holding = counted.filter(({ node, directoryId }) =>
      this.#disks.durablePartition(node, directoryId, o.topicId, o.partition).contains(o.epoch, log.endOffset)
    )
    if (holding.length * 2 > counted.length) return this.#cover("check.confirmed")
    const nodes = (replicas: typeof counted) => replicas.map(({ node }) => node).join(" ")
    const text = `(${o.epoch}, ${log.endOffset}) lies durably on [${nodes(holding)}] of [${nodes(counted)}]`
    throw new Violation(
      "confirmed-without-quorum",
      `${log.key}: node ${o.node} confirms version ${o.configVersion}: ${text}`
    )
  }

  #changes(topicId: string, image: PartitionImage): void {
    const { partition, leaderEpoch: epoch, configVersion } = image
    const key = partitionKey(topicId, partition)
    const before = this.#versions.get(key)
    const counted = countedReplicas(image)
      .map(({ node }) => node)
      .sort((a, b) => a - b)
      .join(" ")
    this.#versions.set(key, { epoch, configVersion, counted })
    // A learner that comes is a version, and needs no confirmation.
    if (before === undefined || before.counted === counted) return
    // Several commands in one event: nobody saw what was between them.
    if (configVersion !== before.configVersion + 1 || before.epoch !== epoch) return
    if (this.#confirmed.has(`${key} ${epoch} ${before.configVersion}`)) return this.#cover("check.set change confirmed")
    const text = `the counted replicas change from version ${before.configVersion} of epoch ${epoch}, which nobody has confirmed`
    throw new Violation("set-changed-unconfirmed", `${key}: ${text}`)
  }
}
