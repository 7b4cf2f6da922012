import { expect, it } from "vitest"
import { monotonicMicros, Turn } from "../../src/io/Turn.ts"

const immediate = () => new Promise((resolve) => setImmediate(resolve))

it("runs what was added after the callback, together, and what that adds in the same turn", async () => {
  const turn = new Turn()
  const ran: Array<string> = []
  const item = (name: string, next?: string) => ({
    turn: () => {
      ran.push(name)
      if (next !== undefined) turn.add(item(next))
    }
  })
  await immediate()
  turn.add(item("a", "c"))
  turn.add(item("b"))
  expect(ran).toEqual([])
  await new Promise((resolve) => process.nextTick(resolve))
  expect(ran).toEqual(["a", "b", "c"])
  turn.add(item("d"))
  await immediate()
  expect(ran).toEqual(["a", "b", "c", "d"])
})

it("waits for the other sockets while the loop polls", async () => {
  const turn = new Turn()
  const ran: Array<string> = []
  turn.polling = true
  turn.add({ turn: () => ran.push("a") })
  turn.polling = false
  turn.add({ turn: () => ran.push("b") })
  await Promise.resolve()
  expect(ran).toEqual([])
  await immediate()
  expect(ran).toEqual(["a", "b"])
})

it("has a clock that does not go back", () => {
  let last = monotonicMicros()
  for (let i = 0; i < 10_000; i++) {
    const now = monotonicMicros()
    expect(now).toBeGreaterThanOrEqual(last)
    expect(Number.isInteger(now)).toBe(true)
    last = now
  }
})
