import { describe, expect, it } from "vitest"
import { Prng } from "../../src/base/Prng.ts"
import { Controller, type ControllerReady, defaultControllerOptions } from "../../src/controller/Controller.ts"
import type { Command } from "../../src/metadata/Command.ts"
import { emptyImage, type MetadataImage } from "../../src/metadata/MetadataImage.ts"
import { replay } from "../../src/metadata/Replay.ts"

/** Three nodes, all partitions led by the first, in topics of `size`. */
class Cluster {
  image: MetadataImage = emptyImage("c")
  readonly controller = new Controller({ ...defaultControllerOptions, opsMax: 4_000 }, new Prng(1))

  constructor(count: number, size: number) {
    for (const nodeId of [1, 2, 3]) {
      this.#apply({
        _tag: "RegisterNode",
        nodeId,
        incarnation: 1,
        directoryId: `d${nodeId}`,
        endpoints: [],
        rack: null
      })
    }
    const partitions = Array.from({ length: size }, () => ({ replicas: [1, 2, 3], isr: [1, 2, 3], leader: 1 }))
    for (let made = 0; made < count; made += size) {
      const name = `t${made}`
      this.#apply({ _tag: "CreateTopic", name, topicId: name, internal: false, partitions, configs: [] })
    }
    this.controller.activate(0, this.image)
  }

  #apply(command: Command) {
    const { image, delta, result } = replay(this.image, command, this.image.offset)
    this.image = image
    this.controller.applied(this.now, image, delta)
    return result
  }

  now = 0

  commit(ready: ControllerReady | undefined): void {
    for (const { ticket, command } of ready?.commands ?? []) {
      this.controller.commandEnded(this.now, ticket, this.#apply(command))
    }
  }

  heartbeat(nodeId: number): void {
    const heartbeat = { nodeId, directoryId: `d${nodeId}`, incarnation: 1, appliedOffset: this.image.offset }
    this.controller.heartbeat(this.now, { ...heartbeat, wantsToStop: false, partitions: [] })
  }

  /** Node 1 dies. Answers what was asked and decided on the way. */
  failOver() {
    this.now = 500
    for (const nodeId of [2, 3]) this.heartbeat(nodeId)
    this.now = 600
    this.controller.tick(this.now)
    this.commit(this.controller.ready())
    const asked = this.controller.ready()!
    const deadlineMs = this.controller.nextDeadline()
    for (const { nodeId, partitions } of asked.promises) {
      this.controller.promiseAnswered(
        this.now,
        nodeId,
        partitions.map((one) => ({
          ...one,
          directoryId: `d${nodeId}`,
          answer: { _tag: "Position", position: { epoch: 0, offset: nodeId } }
        }))
      )
    }
    const decided = this.controller.ready()!
    this.commit(decided)
    return { asked, decided, deadlineMs }
  }
}

const COUNT = 10_000

describe.each([
  ["one topic of 10,000 partitions", COUNT],
  ["10,000 topics", 1]
])("the leader of %s dies", (_, size) => {
  it("asks each node once, decides in few commands, and then rests", () => {
    const cluster = new Cluster(COUNT, size)
    const { asked, decided, deadlineMs } = cluster.failOver()
    expect(asked.promises.map(({ nodeId, partitions }) => [nodeId, partitions.length])).toEqual([
      [2, COUNT],
      [3, COUNT]
    ])
    expect(asked.commands).toEqual([])
    expect(deadlineMs).toBeGreaterThan(600)
    expect(decided.commands.map(({ command }) => command._tag === "PartitionOps" && command.ops.length)).toEqual([
      4_000, 4_000, 2_000
    ])
    let led = 0
    for (const topic of cluster.image.topics()) {
      for (const partition of topic.partitions) if (partition.leader === 3 && partition.leaderEpoch === 1) led++
    }
    expect(led).toBe(COUNT)
    // Only sessions are waited for, and nothing is to be done before.
    expect(cluster.controller.ready()).toBe(undefined)
    expect(cluster.controller.nextDeadline()).toBe(500 + defaultControllerOptions.sessionMs)
    cluster.controller.tick(700)
    expect(cluster.controller.ready()).toBe(undefined)
  })
})

describe("the work of a fail-over", () => {
  it("grows linearly", () => {
    // Of this thread alone, and the best of several: a loaded machine makes time, not work.
    const workMs = (): number => {
      const { user, system } = process.threadCpuUsage()
      return (user + system) / 1000
    }
    const best = (count: number): number => {
      const times = Array.from({ length: 3 }, () => {
        const cluster = new Cluster(count, 100)
        const before = workMs()
        cluster.failOver()
        return workMs() - before
      })
      return Math.min(...times)
    }
    best(1_000)
    expect(best(10_000)).toBeLessThan(best(1_000) * 10 * 4)
  })
})
