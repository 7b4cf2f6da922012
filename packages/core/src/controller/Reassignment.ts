/**
 * Carrying out reassignments: proposes the steps of `ReassignmentPlan` when their evidence is there.
 *
 * | rule | here |
 * |---|---|
 * | 17 counted replicas change only under a confirmation of the current (epoch, config version) | `#propose` |
 * | 18 a learner is counted on the disk that had caught up | `#propose`, `countedDirectory` |
 *
 * At most `reassignmentsMax` partitions have a learner at once; the others wait in the order in which they came. It moves no
 * leadership: `mustMoveLeader` tells the balance that one has to go.
 */
import { assert } from "../base/Assert.ts"
import type { PartitionOp } from "../metadata/Command.ts"
import { countedReplicas } from "../metadata/Replicas.ts"
import type { Intent, Tracked } from "./PartitionTable.ts"
import { cancelledTarget, nextStep, type Step } from "./ReassignmentPlan.ts"
import { Revisit } from "./Revisit.ts"
import type { Work } from "./Work.ts"

export class Reassignment {
  readonly #work: Work
  /** Partitions with a learner whose node is up. */
  readonly #learning = new Set<Tracked>()
  readonly #waiting = new Set<Tracked>()
  readonly #retry: Revisit<Tracked>

  constructor(work: Work) {
    this.#work = work
    this.#retry = new Revisit(work.options.retryMs)
  }

  clear(): void {
    this.#learning.clear()
    this.#waiting.clear()
    this.#retry.clear()
  }

  forget(tracked: Tracked): void {
    this.#retry.delete(tracked)
    this.#waiting.delete(tracked)
    this.#leaveSlot(tracked)
  }

  mustMoveLeader(tracked: Tracked): boolean {
    return nextStep(tracked.image, this.#work.image.brokers)._tag === "MoveLeader"
  }

  /** `healthy`: a leader is there and no election is open. */
  review(tracked: Tracked, healthy: boolean): void {
    this.#followSlot(tracked)
    if (tracked.changing || this.#retry.has(tracked)) return
    if (tracked.intent !== undefined && this.#follow(tracked, tracked.intent)) return
    if (!healthy) return
    const step = nextStep(tracked.image, this.#work.image.brokers)
    const op = this.#propose(tracked, step)
    if (op !== undefined) this.#change(tracked, op)
  }

  /** A learner on a node that is away holds no place: others go on meanwhile. */
  #followSlot(tracked: Tracked): void {
    const { adding } = tracked.image
    const { brokers } = this.#work.image
    if (adding.some((node) => brokers.get(node)?.fenced === false)) this.#learning.add(tracked)
    else if (!tracked.changing) this.#leaveSlot(tracked)
  }

  #leaveSlot(tracked: Tracked): void {
    if (!this.#learning.delete(tracked)) return
    const [next] = this.#waiting
    if (next === undefined) return
    this.#waiting.delete(next)
    this.#work.dirty.add(next)
  }

  /** Writes down what the operator wants. False when the image says it already. */
  #follow(tracked: Tracked, intent: Intent): boolean {
    const { image } = tracked
    const counted = countedReplicas(image).map(({ node }) => node)
    const wanted = intent._tag === "Reassign" ? intent.target : cancelledTarget(image)
    tracked.intent = undefined
    const same = wanted.length === image.target.length && wanted.every((node, i) => node === image.target[i])
    if (same || (intent._tag === "Cancel" && image.target.length === 0)) return false
    const adding = image.adding.filter((node) => wanted.includes(node))
    this.#change(tracked, {
      replicas: image.replicas.filter((node) => counted.includes(node) || adding.includes(node)),
      adding,
      removing: counted.filter((node) => !wanted.includes(node)),
      target: wanted
    })
    // Kept until the command has applied: a lost one is proposed again.
    tracked.intent = intent
    return true
  }

  /** The op of a step, or undefined while its evidence is missing. */
  #propose(tracked: Tracked, step: Step): Partial<PartitionOp> | undefined {
    const { image } = tracked
    switch (step._tag) {
      case "None":
      case "MoveLeader":
        return undefined
      case "Count": {
        // Rule 17: the last change is safe under its own quorum. Rule 18: this very disk holds the log.
        const { learner } = step
        const ready = tracked.caughtUp?.node === learner.node && tracked.caughtUp.directoryId === learner.directoryId
        if (!tracked.confirmed || !ready) return undefined
        return { adding: image.adding.filter((node) => node !== learner.node), countedDirectory: learner.directoryId }
      }
      case "Remove": {
        assert(step.node !== image.leader, "a leader is never removed while it leads (rule 17)")
        if (!tracked.confirmed) return undefined
        return {
          replicas: image.replicas.filter((node) => node !== step.node),
          removing: image.removing.filter((node) => node !== step.node),
          target: step.target
        }
      }
      case "Add":
        if (this.#learning.size >= this.#work.options.reassignmentsMax) {
          this.#waiting.add(tracked)
          return undefined
        }
        this.#learning.add(tracked)
        return { replicas: [...image.replicas, step.node], adding: [...image.adding, step.node] }
      case "DropLearners":
        return {
          replicas: image.replicas.filter((node) => !step.nodes.includes(node)),
          adding: image.adding.filter((node) => !step.nodes.includes(node))
        }
      case "Finish":
        // Nothing counted changes: only the order of preference, and that it is done.
        return { replicas: image.target, removing: [], target: [] }
    }
  }

  #change(tracked: Tracked, op: Partial<PartitionOp>): void {
    tracked.changing = true
    this.#waiting.delete(tracked)
    this.#work.propose("Changes", tracked, op)
  }

  commandEnded(tracked: Tracked, failed: boolean): void {
    tracked.changing = false
    if (tracked.deleted) return
    if (failed) this.#retry.add(this.#work.nowMs, tracked)
    else this.#work.dirty.add(tracked)
  }

  tick(nowMs: number): void {
    for (const tracked of this.#retry.take(nowMs)) this.#work.dirty.add(tracked)
  }

  nextDeadline(): number {
    return this.#retry.deadline
  }
}
