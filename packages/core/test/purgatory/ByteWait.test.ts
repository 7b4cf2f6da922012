import * as fc from "fast-check"
import { afterEach, describe, expect, it, vi } from "vitest"
import { ByteWait, ReadableBytes } from "../../src/purgatory/ByteWait.ts"

afterEach(() => void vi.restoreAllMocks())

/** Waits for `missing` bytes with `rooms[i]` at most from `places[i]`. */
const parked = (places: ReadonlyArray<ReadableBytes>, missing: number, rooms: ReadonlyArray<number>) => {
  const reader = {
    woken: 0,
    wait: new ByteWait(() => {
      reader.woken++
    })
  }
  places.forEach((place, i) => {
    reader.wait.at(place, rooms[i] ?? Number.POSITIVE_INFINITY)
  })
  reader.wait.park(missing)
  return reader
}

describe("ByteWait", () => {
  it("wakes exactly when enough has come, whatever comes where", () => {
    const arrival = fc.record({ at: fc.nat(5), bytes: fc.nat(300) })
    const asked = fc.record({
      places: fc.uniqueArray(fc.nat(5), { minLength: 1, maxLength: 6 }),
      missing: fc.integer({ min: 1, max: 3000 }),
      rooms: fc.array(fc.nat(1500), { minLength: 6, maxLength: 6 }),
      after: fc.nat(20)
    })
    fc.assert(
      fc.property(fc.array(asked, { maxLength: 8 }), fc.array(arrival, { maxLength: 80 }), (readers, arrivals) => {
        const places = Array.from({ length: 6 }, () => new ReadableBytes())
        const waiting: Array<{
          reader: ReturnType<typeof parked>
          of: (typeof readers)[number]
          came: Map<number, number>
        }> = []
        arrivals.forEach(({ at, bytes }, turn) => {
          for (const of of readers.filter(({ after }) => after === turn)) {
            const named = of.places.map((i) => places[i]!)
            waiting.push({ reader: parked(named, of.missing, of.rooms), of, came: new Map() })
          }
          places[at]!.arrived(bytes)
          for (const { reader, of, came } of waiting) {
            came.set(at, (came.get(at) ?? 0) + bytes)
            const counted = of.places.map((place, i) => Math.min(came.get(place) ?? 0, of.rooms[i]!))
            expect(reader.woken > 0).toBe(counted.reduce((a, b) => a + b, 0) >= of.missing)
          }
        })
        for (const { reader } of waiting) reader.wait.cancel()
        for (const place of places) expect(place.waiting).toBe(0)
      }),
      { numRuns: 500 }
    )
  })

  it("an append at which nobody has enough looks at no reader", () => {
    const reached = vi.spyOn(ByteWait.prototype, "reached")
    const place = new ReadableBytes()
    const readers = Array.from({ length: 1000 }, () => parked([place], 1_000_000, []))
    for (let i = 0; i < 9_999; i++) place.arrived(100)
    expect(reached.mock.calls.length).toBe(0)
    expect(readers.filter(({ woken }) => woken > 0)).toHaveLength(0)
    place.arrived(100)
    expect(readers.filter(({ woken }) => woken > 0)).toHaveLength(1000)
  })

  it("a reader of many partitions costs little more than one look at each", () => {
    const reached = vi.spyOn(ByteWait.prototype, "reached")
    const places = Array.from({ length: 100 }, () => new ReadableBytes())
    const reader = parked(places, 1 << 20, [])
    // All of it in one partition, in small pieces.
    for (let i = 0; i < 16_383; i++) places[7]!.arrived(64)
    expect(reader.woken).toBe(0)
    expect(reached.mock.calls.length).toBeLessThan(400)
    places[7]!.arrived(64)
    expect(reader.woken).toBe(1)
  })

  it("an append wakes only the readers of its partition", () => {
    const [here, there] = [new ReadableBytes(), new ReadableBytes()]
    const reader = parked([here], 1, [])
    const other = parked([there], 1, [])
    here.arrived(61)
    expect([reader.woken, other.woken]).toEqual([1, 0])
  })

  it("what can never be reached is woken by events only", () => {
    const reached = vi.spyOn(ByteWait.prototype, "reached")
    const place = new ReadableBytes()
    const reader = parked([place], 1000, [999])
    place.arrived(1e9)
    expect([reader.woken, reached.mock.calls.length]).toEqual([0, 0])
    place.wakeAll()
    expect(reader.woken).toBe(1)
    reader.wait.cancel()
    place.wakeAll()
    expect([reader.woken, place.waiting]).toEqual([1, 0])
  })

  it("the same partition twice counts twice, each with its own room", () => {
    const place = new ReadableBytes()
    const reader = parked([place, place], 100, [30, 80])
    place.arrived(69)
    expect(reader.woken).toBe(0)
    place.arrived(1)
    expect(reader.woken).toBe(1)
  })

  it("parks anew for what is missing then", () => {
    const place = new ReadableBytes()
    const reader = parked([place], 10, [])
    place.arrived(10)
    reader.wait.cancel()
    reader.wait.at(place, 1000)
    reader.wait.park(5)
    place.arrived(4)
    expect(reader.woken).toBe(1)
    place.arrived(1)
    expect(reader.woken).toBe(2)
  })

  it("refuses to wait for nothing, and bytes that go", () => {
    const place = new ReadableBytes()
    expect(() => parked([place], 0, [])).toThrow("who misses nothing")
    expect(() => place.arrived(-1)).toThrow("only arrive")
  })
})
