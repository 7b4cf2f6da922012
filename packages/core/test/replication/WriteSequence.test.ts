import { describe, expect, it } from "vitest"
import { NOWHERE } from "../../src/replication/Point.ts"
import { PENDING_MAX, WriteSequence } from "../../src/replication/WriteSequence.ts"

const at = (epoch: number, offset: number) => ({ epoch, offset })

describe("WriteSequence", () => {
  it("never makes durable what was cut meanwhile", () => {
    const writes = new WriteSequence(at(1, 3))
    writes.enqueue(at(1, 10), undefined)
    writes.cut(at(1, 5))
    writes.enqueue(at(1, 5), undefined)
    writes.enqueue(at(2, 5), undefined)
    writes.durable(1)
    expect(writes.durablePosition).toEqual(at(1, 5))
    writes.durable(3)
    expect(writes.durablePosition).toEqual(at(2, 5))
  })

  it("lowers what is durable already, and knows nothing durable until a reset is", () => {
    const writes = new WriteSequence(at(1, 10))
    writes.cut(at(1, 5))
    expect(writes.durablePosition).toEqual(at(1, 5))
    writes.enqueue(at(1, 9), undefined)
    writes.drop()
    writes.enqueue(at(4, 20), undefined)
    writes.durable(1)
    expect(writes.durablePosition).toEqual(NOWHERE)
    writes.durable(2)
    expect(writes.durablePosition).toEqual(at(4, 20))
  })

  it("answers promises in order, with the position of their place, when they are durable (rule 10)", () => {
    const writes = new WriteSequence(at(1, 10))
    writes.enqueue(at(1, 12), undefined)
    const first = { epoch: 2, position: at(1, 12) }
    const second = { epoch: 3, position: at(1, 12) }
    writes.enqueue(at(1, 12), first)
    writes.enqueue(at(1, 12), second)
    expect(writes.askAgain(second)).toBe(false)
    expect(writes.durable(1)).toEqual([])
    expect(writes.durable(3)).toEqual([first, second])
    expect(writes.durable(2)).toEqual([])
    expect(writes.askAgain(second)).toBe(true)
    expect(() => writes.durable(4)).toThrow("before it is durable")
  })

  it("is bounded: what does not fit becomes durable together", () => {
    const writes = new WriteSequence(at(0, 0))
    const promise = { epoch: 1, position: at(0, PENDING_MAX + 1) }
    for (let i = 1; i <= PENDING_MAX + 50; i++) writes.enqueue(at(0, i), i === PENDING_MAX + 1 ? promise : undefined)
    expect(writes.pendingCount).toBe(PENDING_MAX)
    writes.durable(PENDING_MAX + 10)
    expect(writes.durablePosition).toEqual(at(0, PENDING_MAX - 1))
    expect(writes.durable(PENDING_MAX + 50)).toEqual([promise])
    expect(writes.durablePosition).toEqual(at(0, PENDING_MAX + 50))
    expect(writes.pendingCount).toBe(0)
  })
})
