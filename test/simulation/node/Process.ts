/**
 * One process lifetime of a simulated node: the drivers around the pure machines, put together as the real broker's shells
 * will be, and pumped until nobody has anything more to say. A crash drops the object; what it kept on the disk is all that
 * the next one finds.
 */
import { assert } from "../../../packages/core/src/base/Assert.ts"
import type { ControllerOptions } from "../../../packages/core/src/controller/ControllerOptions.ts"
import { type Configuration, EntryKind } from "../../../packages/core/src/raft/Entry.ts"
import type { Message } from "../../../packages/core/src/raft/Message.ts"
import type { RaftOptions } from "../../../packages/core/src/raft/RaftOptions.ts"
import type { Apply } from "../../../packages/core/src/raft/Ready.ts"
import type { ReplicaOptions } from "../../../packages/core/src/replication/Assignment.ts"
import type { ReplicaMessage } from "../../../packages/core/src/replication/Frame.ts"
import type { Lane, SimBatch } from "../World.ts"
import { ControllerDriver, type ControlMessage } from "./ControllerDriver.ts"
import type { DurableState } from "./DurableState.ts"
import type { Host } from "./Host.ts"
import { type ForwardMessage, MetadataDriver } from "./MetadataDriver.ts"
import { RaftDriver } from "./RaftDriver.ts"
import { ReplicaDriver } from "./ReplicaDriver.ts"

export interface ProcessParts {
  readonly host: Host
  readonly found: DurableState
  readonly raft: RaftOptions
  readonly replicas: ReplicaOptions
  readonly controller: ControllerOptions
  readonly bootstrap: Configuration
}

/** More rounds than this without an end is a circle. */
const PUMP_ROUNDS_MAX = 10_000

export class Process {
  readonly host: Host
  readonly raft: RaftDriver
  readonly metadata: MetadataDriver
  readonly replicas: ReplicaDriver
  readonly control: ControllerDriver

  constructor({ host, found, raft, replicas, controller, bootstrap }: ProcessParts) {
    this.host = host
    this.metadata = new MetadataDriver(host, found.snapshot, {
      applied: (image, delta) => {
        this.replicas.applied(image, delta)
        this.control.applied(image, delta)
      },
      restored: (image) => this.replicas.restored(image)
    })
    this.replicas = new ReplicaDriver(host, replicas, found, this.metadata.image)
    this.raft = new RaftDriver(host, raft, bootstrap, found, {
      apply: (apply) => this.#apply(apply),
      fate: (fate) => this.metadata.fate(fate),
      read: (read) => this.metadata.readOutcome(read),
      image: () => this.metadata.image
    })
    this.metadata.attach(this.raft.raft)
    this.control = new ControllerDriver(host, controller, this.raft.raft, this.metadata, this.replicas)
    const { raft: machine } = this.raft
    const { voters } = machine.configuration
    if (voters.length === 1 && voters[0]!.directoryId === host.directoryId) machine.campaign(host.nowMs())
  }

  #apply(apply: Apply): void {
    // What became true under the image as it is is observed beside that image.
    this.replicas.handleEvents()
    this.metadata.apply(apply)
    const { raft } = this.raft
    if (apply._tag !== "Entry" || apply.entry.kind !== EntryKind.Noop) return
    if (raft.role === "leader" && apply.entry.term === raft.term) this.control.termOpened(this.metadata.image)
  }

  receive(from: number, lane: Lane, message: unknown): void {
    if (lane === "raft") this.raft.raft.step(this.host.nowMs(), message as Message)
    else if (lane === "replica") this.replicas.receive(message as ReplicaMessage<SimBatch>)
    else if (lane === "control") this.#control(from, message as ControlMessage | ForwardMessage)
  }

  #control(from: number, message: ControlMessage | ForwardMessage): void {
    if (message._tag === "ForwardWrite" || message._tag === "ForwardAnswer") this.metadata.receive(from, message)
    else this.control.receive(from, message)
  }

  disconnected(peer: number): void {
    this.replicas.disconnected(peer)
    this.control.disconnected(peer)
  }

  tick(): void {
    const nowMs = this.host.nowMs()
    if (this.raft.raft.nextDeadline() <= nowMs) this.raft.raft.tick(nowMs)
    this.metadata.tick()
    this.replicas.tick()
    this.control.tick()
  }

  nextDeadline(): number {
    return Math.min(
      this.raft.raft.nextDeadline(),
      this.metadata.nextDeadline(),
      this.replicas.nextDeadline(),
      this.control.nextDeadline()
    )
  }

  /** Until nobody has anything to say. */
  pump(): void {
    for (let round = 0; ; round++) {
      assert(round < PUMP_ROUNDS_MAX, "the machines of a node must come to rest")
      const raft = this.raft.pump()
      const replicas = this.replicas.pump()
      const control = this.control.pump()
      if (!raft && !replicas && !control) return
    }
  }
}
