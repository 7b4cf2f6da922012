import { Prng } from "@chronik-effect/core/base/Prng.ts"
import { FrameKind } from "@chronik-effect/core/wal/Block.ts"
import { expect, it } from "@effect/vitest"
import { Effect, Exit } from "effect"
import { DiskFaulty } from "../support/DiskFaulty.ts"
import { recoveredOf, startNode, turns, type WalNode, write } from "./WalHarness.ts"

/** What must and may be in the log: frames in order, how many at the front may be gone, how many were notified. */
class Truth {
  reserved: Array<number> = []
  releasable = 0
  durable = 0
  next = 1

  check(recovered: ReadonlyArray<number>, at: string): void {
    const from = recovered.length === 0 ? this.reserved.length : this.reserved.indexOf(recovered[0]!)
    expect(recovered, at).toEqual(this.reserved.slice(from, from + recovered.length))
    if (recovered.length === 0) expect(this.durable, at).toBeLessThanOrEqual(this.releasable)
    else {
      expect(from, at).toBeLessThanOrEqual(this.releasable)
      expect(from + recovered.length, at).toBeGreaterThanOrEqual(this.durable)
    }
    this.reserved = [...recovered]
    this.durable = recovered.length
    this.releasable = 0
  }
}

/** One life: recovers, checks, writes in rounds, and releases some of what is sealed. */
const live = Effect.fnUntraced(function* (disk: DiskFaulty, truth: Truth, random: Prng, rounds: number, at: string) {
  const started = yield* Effect.exit(startNode(disk.service, { segmentsMax: 5 }))
  if (Exit.isFailure(started)) {
    if (disk.alive) throw new Error(`${at}: the log could not be opened: ${started.cause}`)
    return
  }
  const node: WalNode = started.value
  if (!disk.alive) return yield* node.close
  truth.check(recoveredOf(node), at)
  const held = truth.reserved.length
  let place = truth.reserved.length
  const startOf = new Map<number, number>()
  for (let round = 0; round < rounds && disk.alive; round++) {
    for (let i = random.between(1, 4); i > 0; i--) {
      const number = truth.next
      const kind = random.chance(0.7) ? FrameKind.Batch : FrameKind.Metadata
      if (!write(node, number, random.pick([20, 200, 900, 3000]), kind)) break
      const head = node.wal.segments().at(-1)!.sequence
      if (!startOf.has(head)) startOf.set(head, place)
      truth.next++
      truth.reserved.push(number)
      place++
    }
    yield* turns(random.between(1, 3))
    truth.durable = Math.max(truth.durable, held + node.notified.length)
    for (const segment of node.wal.segments()) {
      if (!segment.sealed || !disk.alive || !random.chance(0.5)) continue
      // Lowest first is what is recycled: what lies before the next segment's first frame may go.
      truth.releasable = Math.max(truth.releasable, releasableBefore(node, segment.sequence, startOf, held))
      node.wal.release(segment.sequence)
    }
  }
  truth.durable = Math.max(truth.durable, held + node.notified.length)
  expect(node.notified, at).toEqual(truth.reserved.slice(held, held + node.notified.length))
  yield* node.close
})

const releasableBefore = (node: WalNode, sequence: number, startOf: Map<number, number>, held: number) => {
  const following = node.wal.segments().find((segment) => segment.sequence > sequence)
  return (following === undefined ? undefined : startOf.get(following.sequence)) ?? held
}

const survivorOf = (disk: DiskFaulty, seed: number, kernelDies: boolean) =>
  kernelDies ? disk.crash(seed) : disk.kill(seed)

it.effect("every notified frame survives a crash at every boundary of a run with two flights, in order, once", () =>
  Effect.gen(function* () {
    const measure = new DiskFaulty(1)
    yield* live(measure, new Truth(), new Prng(1), 30, "measure")
    expect(measure.operations).toBeGreaterThan(100)
    expect(measure.mostSyncs).toBe(2)
    for (let boundary = 1; boundary <= measure.operations; boundary++) {
      for (const kernelDies of [true, false]) {
        const at = `crash at operation ${boundary}${kernelDies ? "" : " of the process only"}`
        const disk = new DiskFaulty(1)
        const truth = new Truth()
        let survivor: DiskFaulty | undefined
        disk.onOperation = () => {
          if (disk.operations === boundary) survivor = survivorOf(disk, boundary, kernelDies)
        }
        yield* live(disk, truth, new Prng(1), 30, at)
        if (survivor === undefined) continue
        yield* live(survivor, truth, new Prng(2), 3, at)
        yield* live(survivor.crash(boundary), truth, new Prng(3), 1, `${at}, and again`)
      }
    }
  })
)

it.effect("many lives with crashes anywhere, also while recovering, lose nothing and bring nothing back", () =>
  Effect.gen(function* () {
    for (let seed = 1; seed <= 60; seed++) {
      const random = new Prng(seed)
      const truth = new Truth()
      let disk = new DiskFaulty(seed)
      for (let life = 1; life <= 6; life++) {
        const at = `seed ${seed}, life ${life}`
        const boundary = random.chance(0.3) ? random.between(1, 12) : random.between(1, 120)
        const kernelDies = random.chance(0.7)
        let survivor: DiskFaulty | undefined
        const current = disk
        current.onOperation = () => {
          if (current.operations === boundary) survivor = survivorOf(current, seed * 100 + life, kernelDies)
        }
        yield* live(current, truth, random, random.between(5, 30), at)
        disk = survivor ?? current.crash(seed * 100 + life)
      }
      yield* live(disk, truth, random, 2, `seed ${seed}, last life`)
    }
  })
)
