import { ProducerState, sequenceAfter } from "@chronik-effect/core/log/ProducerState.ts"
import { ErrorCode } from "@chronik-effect/core/model/ErrorCode.ts"
import { buildBatch } from "@chronik-effect/core/record/BatchBuilder.ts"
import fc from "fast-check"
import { describe, expect, it } from "vitest"

const MAX = 2_147_483_647
const PRODUCER = 7

const batch = (epoch: number, sequence: number, count: number, producerId = PRODUCER) =>
  buildBatch(
    Array.from({ length: count }, () => ({ timestamp: 1, value: new Uint8Array(1) })),
    { producerId, producerEpoch: epoch, baseSequence: sequence }
  )

const appendedTo = (
  state: ProducerState,
  log: ReadonlyArray<readonly [epoch: number, sequence: number, count: number]>
) => {
  let offset = 0
  for (const [epoch, sequence, count] of log) {
    state.appended(batch(epoch, sequence, count), 0, offset, 0)
    offset += count
  }
  return state
}

describe("ProducerState", () => {
  it("accepts any sequence from a producer that it does not know, and batches without producer", () => {
    const state = new ProducerState()
    expect(state.check(batch(3, 500, 2), 0, 0)).toEqual({ errorCode: ErrorCode.NONE, duplicate: undefined })
    expect(state.check(batch(-1, 0, 2, -1), 0, 0).errorCode).toBe(ErrorCode.NONE)
    state.appended(batch(-1, 0, 2, -1), 0, 0, 0)
    expect(state.size).toBe(0)
  })

  it("answers each of the last five batches with its original offsets and refuses older ones", () => {
    const state = appendedTo(
      new ProducerState(),
      [0, 2, 4, 6, 8, 10].map((sequence) => [0, sequence, 2] as const)
    )
    for (const sequence of [2, 4, 6, 8, 10]) {
      const duplicate = { baseOffset: sequence, endOffset: sequence + 2 }
      expect(state.check(batch(0, sequence, 2), 0, 0)).toEqual({ errorCode: ErrorCode.NONE, duplicate })
    }
    expect(state.check(batch(0, 0, 2), 0, 0).errorCode).toBe(ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER)
    // Not the same batch: the same first sequence with another length.
    expect(state.check(batch(0, 10, 1), 0, 0).errorCode).toBe(ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER)
  })

  it("demands the next sequence, which after 2^31-1 is 0", () => {
    const state = appendedTo(new ProducerState(), [[0, MAX - 1, 2]])
    expect(state.check(batch(0, 0, 1), 0, 0)).toEqual({ errorCode: ErrorCode.NONE, duplicate: undefined })
    expect(state.check(batch(0, 1, 1), 0, 0).errorCode).toBe(ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER)
    const across = appendedTo(new ProducerState(), [[0, MAX, 3]])
    expect(across.check(batch(0, 2, 1), 0, 0)).toEqual({ errorCode: ErrorCode.NONE, duplicate: undefined })
    expect([sequenceAfter(MAX, 1), sequenceAfter(MAX - 1, 1), sequenceAfter(MAX, MAX)]).toEqual([0, MAX, MAX - 1])
  })

  it("fences an older epoch and lets a new epoch begin at 0 only", () => {
    const state = appendedTo(new ProducerState(), [[4, 9, 1]])
    expect(state.check(batch(3, 10, 1), 0, 0).errorCode).toBe(ErrorCode.INVALID_PRODUCER_EPOCH)
    expect(state.check(batch(5, 10, 1), 0, 0).errorCode).toBe(ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER)
    expect(state.check(batch(5, 0, 1), 0, 0).errorCode).toBe(ErrorCode.NONE)
    state.appended(batch(5, 0, 1), 0, 1, 0)
    expect(state.check(batch(4, 9, 1), 0, 0).errorCode).toBe(ErrorCode.INVALID_PRODUCER_EPOCH)
  })

  it("a sequence of the old epoch is no duplicate in the new one", () => {
    const state = appendedTo(new ProducerState(), [
      [0, 0, 1],
      [0, 1, 1],
      [1, 0, 1]
    ])
    expect(state.check(batch(1, 1, 1), 0, 0)).toEqual({ errorCode: ErrorCode.NONE, duplicate: undefined })
  })

  it("forgets producers that were silent for the expiration time", () => {
    const state = new ProducerState(1000)
    state.appended(batch(0, 0, 1), 0, 0, 5000)
    expect(state.check(batch(0, 7, 1), 0, 5999).errorCode).toBe(ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER)
    expect(state.check(batch(0, 7, 1), 0, 6000).errorCode).toBe(ErrorCode.NONE)
    state.expire(5999)
    expect(state.size).toBe(1)
    state.expire(6000)
    expect(state.size).toBe(0)
  })

  it("keeps at most as many producers as allowed, the oldest goes", () => {
    const state = new ProducerState(1000, 3)
    for (let id = 1; id <= 4; id++) state.appended(batch(0, 0, 1, id), 0, id, 0)
    expect([...state.entries()].map((entry) => entry.producerId)).toEqual([2, 3, 4])
  })

  it("rewinds with the log, also across a change of epoch, and says when the log is needed", () => {
    const log = [
      [0, 0, 1],
      [0, 1, 1],
      [1, 0, 1],
      [1, 1, 1]
    ] as const
    const state = appendedTo(new ProducerState(), log)
    expect(state.truncateTo(2)).toBe(true)
    expect(state.check(batch(0, 2, 1), 0, 0).errorCode).toBe(ErrorCode.NONE)
    expect(state.check(batch(0, 1, 1), 0, 0).duplicate).toEqual({ baseOffset: 1, endOffset: 2 })
    expect(state.truncateTo(0)).toBe(true)
    expect(state.size).toBe(0)
    const long = appendedTo(
      new ProducerState(),
      Array.from({ length: 9 }, (_, i) => [0, i, 1] as const)
    )
    expect(long.truncateTo(3)).toBe(false)
  })

  it("after any log and any cut: the state of the log that is left, unless it says otherwise", () => {
    const batches = fc.array(
      fc.record({ producer: fc.integer({ min: 1, max: 3 }), bump: fc.integer({ min: 0, max: 9 }) }),
      {
        maxLength: 30
      }
    )
    fc.assert(
      fc.property(batches, fc.integer({ min: 0, max: 30 }), (script, cut) => {
        const next = new Map<number, { epoch: number; sequence: number }>()
        const whole = new ProducerState()
        const rest = new ProducerState()
        script.forEach(({ producer, bump }, offset) => {
          const at = next.get(producer) ?? { epoch: 0, sequence: 0 }
          const now = bump === 0 ? { epoch: at.epoch + 1, sequence: 0 } : at
          next.set(producer, { epoch: now.epoch, sequence: now.sequence + 1 })
          const bytes = batch(now.epoch, now.sequence, 1, producer)
          whole.appended(bytes, 0, offset, 0)
          if (offset < cut) rest.appended(bytes, 0, offset, 0)
        })
        if (!whole.truncateTo(cut)) return
        expect(new Map([...whole.entries()].map((e) => [e.producerId, e]))).toEqual(
          new Map([...rest.entries()].map((e) => [e.producerId, e]))
        )
      })
    )
  })

  it("survives encode and decode", () => {
    const state = appendedTo(new ProducerState(), [
      [0, MAX, 3],
      [2, 0, 1]
    ])
    for (let i = 0; i < 8; i++) state.appended(batch(1, i, 1, 2 ** 40), 0, 100 + i, 12.5)
    const copy = new ProducerState()
    copy.decode(state.encode())
    expect(copy.encode()).toEqual(state.encode())
    expect(copy.check(batch(1, 7, 1, 2 ** 40), 0, 20).duplicate).toEqual({ baseOffset: 107, endOffset: 108 })
    expect(copy.truncateTo(0)).toBe(false)
    expect(() => copy.decode(state.encode().subarray(0, 30))).toThrow()
  })
})
