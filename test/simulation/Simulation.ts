/**
 * One simulated run: a cluster of nodes, clients, faults and checkers, built from a seed and its options.
 *
 * First the safety phase: faults act, clients work, every checker sees every observation. Then everything heals, clients
 * stop, and the liveness phase begins: within `livenessMs` the cluster must have come to rest as `check/Converged` describes.
 * The result is a function of the seed and the options.
 */
import { AssertionError } from "../../packages/core/src/base/Assert.ts"
import type { Configuration, Member } from "../../packages/core/src/raft/Entry.ts"
import { allCheckers } from "./check/All.ts"
import { type Checker, type ClusterView, Violation } from "./check/Checker.ts"
import { converged } from "./check/Converged.ts"
import { Faults } from "./kernel/Faults.ts"
import { Kernel } from "./kernel/Kernel.ts"
import type { Options } from "./kernel/Options.ts"
import type { RunResult, RunSimulation } from "./kernel/RunResult.ts"
import { clientPort } from "./node/Clients.ts"
import { describeMessage } from "./node/Describe.ts"
import { machineOptions, nodeSettings } from "./node/Machines.ts"
import { Retention } from "./node/Retention.ts"
import { SimNode } from "./node/SimNode.ts"
import { Steward } from "./node/Steward.ts"
import { mayWipe } from "./node/Wiping.ts"
import { startWorkload } from "./workload/Workload.ts"

const CONVERGENCE_CHECK_MS = 50
/** The first elections happen in peace, so that every run has something to lose. */
const QUIET_MS = 0

export const runSimulation: RunSimulation = (seed, options, { trace }) => {
  const kernel = new Kernel(seed, options, trace)
  kernel.network.describe = describeMessage
  const nodes = makeNodes(kernel, options)
  const view: ClusterView = { nodes: nodes.map(({ node }) => node), node: (node) => nodes[node - 1]! }
  const checkers = allCheckers(kernel, view, options)
  kernel.addObserver((observation) => {
    for (const checker of checkers) checker.observe(observation)
  })
  const run = new Run(kernel, options, nodes, view, checkers)
  try {
    run.safety()
    run.liveness()
    return result(kernel, undefined)
  } catch (error) {
    return result(kernel, violationOf(error, kernel.nowMs()))
  }
}

class Run {
  readonly #kernel: Kernel
  readonly #options: Options
  readonly #nodes: ReadonlyArray<SimNode>
  readonly #view: ClusterView
  readonly #checkers: ReadonlyArray<Checker>
  readonly #afterEvent: ReadonlyArray<Checker>

  constructor(
    kernel: Kernel,
    options: Options,
    nodes: ReadonlyArray<SimNode>,
    view: ClusterView,
    checkers: ReadonlyArray<Checker>
  ) {
    this.#kernel = kernel
    this.#options = options
    this.#nodes = nodes
    this.#view = view
    this.#checkers = checkers
    this.#afterEvent = checkers.filter((checker) => checker.afterEvent !== undefined)
  }

  #stopWorkload: () => void = () => {}
  #steward: Steward | undefined
  #faults: Faults | undefined
  #retention: Retention | undefined

  safety(): void {
    const kernel = this.#kernel
    const nodes = this.#nodes
    for (const node of nodes) node.start()
    this.#stopWorkload = startWorkload(kernel, this.#options, clientPort(kernel, nodes, this.#options), this.#view).stop
    this.#steward = new Steward(kernel, nodes, this.#options)
    this.#retention = new Retention(kernel, nodes, this.#options)
    const at = (node: number) => nodes[node - 1]!
    this.#faults = new Faults(kernel, {
      nodes: this.#view.nodes,
      isUp: (node) => at(node).up,
      isPaused: (node) => at(node).paused,
      crash: (node) => at(node).crash(),
      start: (node) => at(node).start(),
      pause: (node) => at(node).pause(),
      resume: (node) => at(node).resume(),
      wipe: (node) => at(node).wipe(),
      disk: (node) => at(node).disk,
      // An operator who removes members does not know at once which disks are lost.
      mayWipe: (node) => this.#options.membershipEveryMs === 0 && mayWipe(nodes, node)
    })
    kernel.after(QUIET_MS, "faults begin", () => this.#faults!.start())
    this.#run(this.#options.safetyMs)
  }

  liveness(): void {
    const kernel = this.#kernel
    this.#faults!.heal()
    this.#stopWorkload()
    this.#retention!.stop()
    this.#steward!.adoptAll()
    kernel.trace(-1, () => "healed")
    kernel.observe({ _tag: "Healed" })
    const deadline = kernel.nowMs() + this.#options.livenessMs
    let missing: string | undefined = "nothing was checked yet"
    while (missing !== undefined && kernel.nowMs() < deadline) {
      this.#run(kernel.nowMs() + CONVERGENCE_CHECK_MS)
      missing = converged(this.#view, this.#options)
    }
    if (missing !== undefined) {
      throw new Violation("liveness", `${this.#options.livenessMs} ms after everything was healed: ${missing}`)
    }
    for (const checker of this.#checkers) checker.final?.(this.#view)
  }

  #run(untilMs: number): void {
    const end = this.#kernel.run(untilMs, this.#options.eventsMax, () => {
      for (const checker of this.#afterEvent) checker.afterEvent!()
      return undefined
    })
    if (end === "events") {
      throw new Violation("busy loop", `${this.#options.eventsMax} events did not bring the world to ${untilMs} ms`)
    }
  }
}

const makeNodes = (kernel: Kernel, options: Options): ReadonlyArray<SimNode> => {
  const count = options.voters + options.observers
  const members = Array.from({ length: count }, (_, i): Member => ({ node: i + 1, directoryId: `d${i + 1}.1` }))
  const bootstrap: Configuration = {
    voters: members.slice(0, options.voters),
    learners: members.slice(options.voters)
  }
  return members.map(
    ({ node }) =>
      new SimNode({
        kernel,
        node,
        settings: nodeSettings(options),
        machines: (self) => machineOptions(options, self),
        bootstrap
      })
  )
}

const result = (kernel: Kernel, violation: RunResult["violation"]): RunResult => ({
  seed: kernel.seed,
  ok: violation === undefined,
  violation,
  events: kernel.events,
  virtualMs: kernel.nowMs(),
  coverage: kernel.coverage.counts,
  hash: kernel.hash
})

/** A broken rule, or an assertion of a machine. Anything else is a defect of the simulation or of the code, and no less a failure. */
const violationOf = (error: unknown, atMs: number): NonNullable<RunResult["violation"]> => {
  if (error instanceof Violation) return { rule: error.rule, message: error.message, atMs }
  if (error instanceof AssertionError) return { rule: `assertion: ${error.message}`, message: error.stack ?? "", atMs }
  const { name, message, stack } = error as Error
  return { rule: `defect: ${name}`, message: stack ?? message, atMs }
}
