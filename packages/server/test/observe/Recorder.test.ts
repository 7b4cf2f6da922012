import { type ProduceTrace, Recorder } from "@chronik-effect/server/observe/Recorder.ts"
import { describe, expect, it } from "vitest"

const SECOND = 1_000_000

/** One produce that took `micros`, answered at `answered`. */
const record = (recorder: Recorder, correlationId: number, micros: number, answered: number): void =>
  recorder.record(3, correlationId, 7, 512, answered - micros, 1, 2, 3, 4, answered, 0)

const ids = (rows: ReadonlyArray<ProduceTrace>) => rows.map((row) => row.correlationId)

describe("Recorder", () => {
  it("gives a row back as it was written", () => {
    const recorder = new Recorder()
    recorder.record(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11)
    const row = {
      connection: 1,
      correlationId: 2,
      stream: 3,
      bytes: 4,
      receivedMicros: 5,
      appendedMicros: 6,
      writtenMicros: 7,
      durableMicros: 8,
      committedMicros: 9,
      answeredMicros: 10,
      errorCode: 11
    }
    expect(recorder.last(1)).toEqual([row])
    expect(recorder.slowest(1)).toEqual([row])
  })

  it("has the newest rows first, and forgets the oldest", () => {
    const recorder = new Recorder()
    for (let i = 0; i < 5_000; i++) record(recorder, i, 10, i)
    expect(recorder.count).toBe(5_000)
    expect(ids(recorder.last(3))).toEqual([4_999, 4_998, 4_997])
    const all = ids(recorder.last(1_000_000))
    expect(all).toHaveLength(4_096)
    expect(all.at(-1)).toBe(904)
  })

  it("keeps the slowest, however long ago within the window", () => {
    const recorder = new Recorder()
    for (let i = 0; i < 100; i++) record(recorder, i, 1_000 + i, 100_000)
    for (let i = 100; i < 20_000; i++) record(recorder, i, 10, 200_000)
    expect(ids(recorder.slowest(32))).toEqual(Array.from({ length: 32 }, (_, i) => 99 - i))
    expect(ids(recorder.last(4_096))).not.toContain(99)
  })

  it("keeps the slowest of the last window beside the current one, and then forgets them", () => {
    const recorder = new Recorder()
    record(recorder, 1, 900, 1 * SECOND)
    record(recorder, 2, 500, 62 * SECOND)
    expect(ids(recorder.slowest(5))).toEqual([1, 2])
    record(recorder, 3, 700, 124 * SECOND)
    expect(ids(recorder.slowest(5))).toEqual([3, 2])
  })

  it("has nothing to say before the first produce", () => {
    const recorder = new Recorder()
    expect([recorder.last(5), recorder.slowest(5)]).toEqual([[], []])
  })
})
