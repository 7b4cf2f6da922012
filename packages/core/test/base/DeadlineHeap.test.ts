import * as fc from "fast-check"
import { describe, expect, it } from "vitest"
import { type DeadlineHandle, DeadlineHeap } from "../../src/base/DeadlineHeap.ts"

type Command =
  | { readonly op: "add"; readonly deadline: number }
  | { readonly op: "remove"; readonly which: number }
  | { readonly op: "move"; readonly which: number; readonly deadline: number }
  | { readonly op: "expire"; readonly now: number }

const deadline = fc.nat(200)
const which = fc.nat(400)
const command: fc.Arbitrary<Command> = fc.oneof(
  { weight: 12, arbitrary: fc.record({ op: fc.constant("add" as const), deadline }) },
  { weight: 4, arbitrary: fc.record({ op: fc.constant("remove" as const), which }) },
  { weight: 4, arbitrary: fc.record({ op: fc.constant("move" as const), which, deadline }) },
  { weight: 1, arbitrary: fc.record({ op: fc.constant("expire" as const), now: deadline }) }
)

interface Waiting {
  readonly handle: DeadlineHandle<number>
  readonly item: number
  deadline: number
  order: number
}

const soonest = (a: Waiting, b: Waiting) => a.deadline - b.deadline || a.order - b.order

describe("DeadlineHeap", () => {
  it("behaves as a sorted list", () => {
    fc.assert(
      fc.property(fc.array(command, { maxLength: 200, size: "max" }), (commands) => {
        const heap = new DeadlineHeap<number>()
        const all: Array<Waiting> = []
        let model: Array<Waiting> = []
        let order = 0
        for (const step of commands) {
          if (step.op === "add") {
            const handle = heap.add(step.deadline, order)
            const waiting = { handle, item: order, deadline: step.deadline, order: order++ }
            all.push(waiting)
            model.push(waiting)
          } else if (step.op === "expire") {
            const expected = model.filter((waiting) => waiting.deadline <= step.now).sort(soonest)
            const expired: Array<number> = []
            for (let item = heap.popExpired(step.now); item !== undefined; item = heap.popExpired(step.now))
              expired.push(item)
            expect(expired).toEqual(expected.map((waiting) => waiting.item))
            model = model.filter((waiting) => waiting.deadline > step.now)
          } else if (all.length > 0) {
            const target = all[step.which % all.length]!
            const waits = model.includes(target)
            if (step.op === "remove") {
              expect(heap.remove(target.handle)).toBe(waits)
              model = model.filter((waiting) => waiting !== target)
            } else {
              expect(heap.move(target.handle, step.deadline)).toBe(waits)
              if (waits) {
                target.deadline = step.deadline
                target.order = order++
              }
            }
          }
          expect(heap.size).toBe(model.length)
          expect(heap.nextDeadline()).toBe(
            Math.min(Number.POSITIVE_INFINITY, ...model.map((waiting) => waiting.deadline))
          )
        }
      }),
      { numRuns: 200 }
    )
  })

  it("refuses another heap's handle and a deadline that is no number", () => {
    const one = new DeadlineHeap<string>()
    const other = new DeadlineHeap<string>()
    const handle = one.add(1, "a")
    other.add(1, "b")
    expect(() => other.remove(handle)).toThrow("belongs")
    expect(() => one.add(Number.NaN, "c")).toThrow("number")
    expect(one.popExpired(0)).toBeUndefined()
    expect(one.popExpired(1)).toBe("a")
    expect(handle.index).toBe(-1)
  })
})
