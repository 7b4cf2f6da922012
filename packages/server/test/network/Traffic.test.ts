import { describe, expect, it } from "vitest"
import { type Participant, Traffic } from "../../src/network/Traffic.ts"

const LIMITS = {
  requestBytesMax: 1000,
  requestsInFlightMax: 10,
  inFlightBytesMax: 100,
  outputBytesMax: 1000,
  outputBytesTotalMax: 1000,
  idleSweepsMax: 10,
  stuckSweepsMax: 10
}
class Sender implements Participant {
  mayRead = true
  resumed = 0
  readonly halt = () => {}
  readonly shed = () => {}
  readonly resume = () => void this.resumed++
}

describe("half-received frames that fill the memory", () => {
  it("are finished one after the other, but never wait for a sender that is muted", () => {
    const traffic = new Traffic(LIMITS, () => {})
    const [first, second] = [new Sender(), new Sender()]
    first.mayRead = false
    traffic.assembles(first, 80)
    traffic.assembles(second, 80)
    expect(traffic.mustWait(first)).toBe(true)
    expect([traffic.isPrivileged(first), traffic.isPrivileged(second), second.resumed]).toEqual([false, true, 1])
  })

  it("go on with the next one when the sender that may go on is muted", () => {
    const traffic = new Traffic(LIMITS, () => {})
    const [first, second] = [new Sender(), new Sender()]
    traffic.assembles(first, 80)
    traffic.assembles(second, 80)
    expect([traffic.mustWait(second), traffic.isPrivileged(first)]).toEqual([true, true])
    first.mayRead = false
    traffic.yields(second)
    expect(traffic.isPrivileged(first)).toBe(true)
    traffic.yields(first)
    expect([traffic.isPrivileged(second), second.resumed]).toEqual([true, 1])
  })
})
