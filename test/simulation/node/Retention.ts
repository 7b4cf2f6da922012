/**
 * Retention on simulated nodes: now and then a replica that leads lets go of its oldest records, never beyond its high
 * watermark, so that others find the log start above their own end (rule 7).
 */
import type { Prng } from "../../../packages/core/src/base/Prng.ts"
import type { Kernel } from "../kernel/Kernel.ts"
import type { Options } from "../kernel/Options.ts"
import type { SimNode } from "./SimNode.ts"

export class Retention {
  readonly #kernel: Kernel
  readonly #nodes: ReadonlyArray<SimNode>
  readonly #everyMs: number
  readonly #random: Prng
  #stopped = false

  constructor(kernel: Kernel, nodes: ReadonlyArray<SimNode>, options: Options) {
    this.#kernel = kernel
    this.#nodes = nodes
    this.#everyMs = options.deleteRecordsEveryMs
    this.#random = kernel.stream("retention")
    if (this.#everyMs > 0) this.#again()
  }

  stop(): void {
    this.#stopped = true
  }

  #again(): void {
    this.#kernel.after(this.#everyMs * (0.5 + this.#random.fraction()), "retention", () => {
      if (this.#stopped) return
      this.#trim()
      this.#again()
    })
  }

  #trim(): void {
    const node = this.#random.pick(this.#nodes)
    for (const replica of [...node.replicas()]) {
      if (replica.role !== "leader" || this.#random.chance(0.5)) continue
      const starts = node.log(replica.topicId, replica.partition).map((batch) => batch.baseOffset)
      const below = starts.filter((offset) => offset > replica.logStartOffset && offset <= replica.highWatermark)
      if (below.length === 0) continue
      const offset = this.#random.chance(0.3) ? replica.highWatermark : this.#random.pick(below)
      node.run((process) => process.replicas.startAt(replica.topicId, replica.partition, offset))
    }
  }
}
