import { Prng } from "@chronik-effect/core/base/Prng.ts"
import { ErrorCode } from "@chronik-effect/core/model/ErrorCode.ts"
import { Append } from "@chronik-effect/server/replication/Append.ts"
import { WaiterQueue } from "@chronik-effect/server/replication/WaiterQueue.ts"
import { describe, expect, it } from "vitest"

class Told {
  readonly calls: Array<readonly [endOffset: number, errorCode: number]> = []

  append(endOffset: number): Append {
    const waiter = {
      copied: () => {},
      appended: (append: Append, errorCode: ErrorCode) => void this.calls.push([append.endOffset, errorCode])
    }
    const append = new Append(waiter, undefined, new Uint8Array(0), 0, 0, -1)
    append.endOffset = endOffset
    return append
  }
}

describe("WaiterQueue", () => {
  it("completes in order of offsets, up to the one given and no further", () => {
    const told = new Told()
    const queue = new WaiterQueue()
    for (const end of [1, 3, 7]) queue.push(told.append(end))
    queue.completeBelow(2)
    expect(told.calls).toEqual([[1, 0]])
    queue.completeBelow(7)
    expect(told.calls).toEqual([
      [1, 0],
      [3, 0],
      [7, 0]
    ])
    expect(queue.size).toBe(0)
  })

  it("lets a duplicate wait for its neighbour, and completes it with the neighbour", () => {
    const told = new Told()
    const queue = new WaiterQueue()
    for (const end of [5, 9, 5]) queue.push(told.append(end))
    queue.completeBelow(5)
    expect(told.calls).toEqual([[5, 0]])
    queue.completeBelow(9)
    expect(told.calls).toEqual([
      [5, 0],
      [9, 0],
      [5, 0]
    ])
  })

  it("fails all that wait, once", () => {
    const told = new Told()
    const queue = new WaiterQueue()
    for (const end of [1, 2]) queue.push(told.append(end))
    queue.failAll(ErrorCode.KAFKA_STORAGE_ERROR)
    queue.failAll(ErrorCode.KAFKA_STORAGE_ERROR)
    queue.completeBelow(10)
    expect(told.calls).toEqual([
      [1, ErrorCode.KAFKA_STORAGE_ERROR],
      [2, ErrorCode.KAFKA_STORAGE_ERROR]
    ])
  })

  it("keeps its order while its ring grows and turns", () => {
    const random = new Prng(5)
    const told = new Told()
    const queue = new WaiterQueue()
    let pushed = 0
    let completed = 0
    for (let round = 0; round < 500; round++) {
      for (let i = random.below(20); i > 0; i--) queue.push(told.append(++pushed))
      completed = Math.min(pushed, completed + random.below(20))
      queue.completeBelow(completed)
      expect(queue.size).toBe(pushed - completed)
    }
    expect(told.calls.map(([end]) => end)).toEqual(Array.from({ length: completed }, (_, i) => i + 1))
  })

  it("takes what is pushed by somebody who is just being told", () => {
    const told = new Told()
    const queue = new WaiterQueue()
    const again = new Append(
      { copied: () => {}, appended: () => queue.push(told.append(2)) },
      undefined,
      new Uint8Array(0),
      0,
      0,
      -1
    )
    again.endOffset = 1
    queue.push(again)
    queue.completeBelow(2)
    expect(told.calls).toEqual([[2, 0]])
  })
})
