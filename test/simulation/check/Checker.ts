/**
 * What a checker is. It watches the observations of one run, keeps a model of its own, and throws a `Violation` at the first
 * observation that the model does not allow. It believes no machine's opinion of itself: where it needs a log it reads what lies
 * on the simulated disks (`DiskModel`).
 *
 * An observation is made in the event in which it becomes true. `Truncated` and `Reset` are made before their record is appended to
 * the disk, so that what they take away can be looked at; `Leads`, `Elected` and every watermark after the records they rest on.
 */
import type { Observation } from "../Observation.ts"
import type { NodeView } from "../World.ts"

export interface Checker {
  readonly name: string
  observe(observation: Observation): void
  /** After each event of the heap. */
  afterEvent?(): void
  /** The run is over: it has settled after healing, or the deadline for that has passed. */
  final?(view: ClusterView): void
}

/** The nodes as checkers may look at them. */
export interface ClusterView {
  /** Ids of all nodes, up or down, in order. */
  readonly nodes: ReadonlyArray<number>
  readonly node: (node: number) => NodeView
}

export class Violation extends Error {
  override readonly name = "Violation"
  /** Name of the broken rule: stable, it is what a shrunk run must break as well. */
  readonly rule: string

  constructor(rule: string, message: string) {
    super(message)
    this.rule = rule
  }
}

export const partitionKey = (topicId: string, partition: number): string => `${topicId}-${partition}`

/** One process lifetime. */
export const lifeOf = (at: { readonly node: number; readonly incarnation: number }): string =>
  `${at.node}#${at.incarnation}`
