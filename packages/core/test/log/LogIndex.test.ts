import { LogIndex } from "@chronik-effect/core/log/LogIndex.ts"
import fc from "fast-check"
import { describe, expect, it } from "vitest"

interface Entry {
  base: number
  end: number
  address: number
  length: number
  timestamp: number
}

const entriesOf = (index: LogIndex): Array<Entry> =>
  Array.from({ length: index.size }, (_, i) => ({
    base: index.baseOffset(i),
    end: index.endOffsetOf(i),
    address: index.address(i),
    length: index.length(i),
    timestamp: index.maxTimestamp(i)
  }))

describe("LogIndex", () => {
  it("behaves as a list of batches", () => {
    const step = fc.oneof(
      {
        weight: 8,
        arbitrary: fc.record({
          do: fc.constant("append" as const),
          count: fc.integer({ min: 1, max: 9 }),
          gap: fc.constantFrom(0, 5, 2 ** 31)
        })
      },
      {
        weight: 1,
        arbitrary: fc.record({
          do: fc.constant("dropFirst" as const),
          share: fc.double({ min: 0, max: 1, noNaN: true })
        })
      },
      {
        weight: 1,
        arbitrary: fc.record({
          do: fc.constant("keepFirst" as const),
          share: fc.double({ min: 0, max: 1, noNaN: true })
        })
      },
      { weight: 1, arbitrary: fc.record({ do: fc.constant("carry" as const), count: fc.integer({ min: 1, max: 5 }) }) }
    )
    fc.assert(
      fc.property(fc.array(step, { maxLength: 80 }), fc.constantFrom(0, 2 ** 40), (script, origin) => {
        const index = new LogIndex()
        let model: Array<Entry> = []
        let offset = origin
        let address = origin + 17
        // The WAL part of a partition spans less than 4 GiB: what is further back goes to files before.
        const makeRoomAt = (next: number): void => {
          const drop = model.findLastIndex((one) => next - one.address >= 2 ** 32) + 1
          index.dropFirst(drop)
          model = model.slice(drop)
        }
        for (const now of script) {
          if (now.do === "append") {
            makeRoomAt(address)
            const entry = { base: offset, end: offset + now.count, address, length: 70, timestamp: 2 ** 45 + offset }
            index.append(entry.base, entry.end, entry.address, entry.length, entry.timestamp)
            model.push(entry)
            offset = entry.end
            address += 70 + now.gap
          } else if (now.do === "dropFirst") {
            const count = Math.floor(now.share * model.length)
            index.dropFirst(count)
            model = model.slice(count)
          } else if (now.do === "keepFirst") {
            const count = Math.floor(now.share * model.length)
            index.keepFirst(count)
            model = model.slice(0, count)
            offset = model.at(-1)?.end ?? offset
          } else {
            for (let i = 0; i < now.count; i++) {
              makeRoomAt(address)
              if (i >= model.length) break
              index.moveTo(i, address)
              model[i]!.address = address
              address += 70
            }
          }
          expect(entriesOf(index)).toEqual(model)
          const rising = model.slice(index.risingFrom).map((entry) => entry.address)
          expect(rising).toEqual([...rising].sort((a, b) => a - b))
        }
        for (const probe of [origin, offset - 1, offset, origin + 3]) {
          const expected = model.findIndex((entry) => entry.end > probe)
          expect(index.indexOf(probe)).toBe(expected < 0 ? model.length : expected)
        }
      })
    )
  })

  it("takes no memory when empty and gives it back", () => {
    const index = new LogIndex()
    expect(index.memoryBytes).toBe(0)
    for (let i = 0; i < 1000; i++) index.append(i, i + 1, i * 100, 90, 0)
    expect(index.memoryBytes).toBeLessThan(2048 * 24)
    index.dropFirst(1000)
    expect(index.memoryBytes).toBe(0)
    expect([index.firstOffset, index.endOffset]).toEqual([-1, -1])
  })

  it("does not grow while a window slides over it", () => {
    const index = new LogIndex()
    for (let i = 0; i < 100_000; i++) {
      index.append(i, i + 1, i * 100, 90, 0)
      if (index.size > 100) index.dropFirst(50)
    }
    expect(index.memoryBytes).toBeLessThan(1024 * 24)
  })
})
