import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { hintFor, holdsPrevious, largestHeld, lastAgreed, wellFormed } from "../../src/replication/Divergence.ts"
import type { Frame, Marker } from "../../src/replication/Frame.ts"
import type { Point } from "../../src/replication/Point.ts"
import { ReplicaLog } from "../../src/replication/ReplicaLog.ts"

const at = (epoch: number, offset: number): Point => ({ epoch, offset })
const markersOf = (text: string): ReadonlyArray<Marker> =>
  text === ""
    ? []
    : text.split(" ").map((one) => {
        const [epoch, offset] = one.split("@").map(Number)
        return { epoch: epoch!, offset: offset!, unclean: false }
      })

const logOf = (markers: string, logEndOffset: number, logStartOffset = 0, highWatermark = logStartOffset) =>
  new ReplicaLog<string>(
    { markers: markersOf(markers), logStartOffset, logEndOffset, highWatermark, promised: 0 },
    1000,
    () => undefined
  )

const frameOf = (
  previous: Point,
  markers: string,
  endOffset: number,
  more: Partial<Frame<string>> = {}
): Frame<string> => {
  const list = markersOf(markers)
  const epoch = list.at(-1)?.epoch ?? previous.epoch
  const replica = { node: 0, directoryId: "a" }
  return {
    _tag: "Frame",
    topicId: "t",
    partition: 0,
    from: replica,
    to: replica,
    epoch: 9,
    previous,
    end: at(epoch, endOffset),
    markers: list,
    batches:
      endOffset > previous.offset ? [{ epoch: previous.epoch, baseOffset: previous.offset, endOffset, data: "x" }] : [],
    logStartOffset: 0,
    logStartEpoch: 0,
    highWatermark: 0,
    uncleanEpoch: -1,
    bulk: false,
    startState: undefined,
    session: 1,
    ...more
  }
}

const agreement = (log: ReplicaLog<string>, frame: Frame<string>) => {
  const { agreed, contradicted } = lastAgreed(log, frame)
  return `(${agreed.epoch},${agreed.offset})${contradicted ? " contradicted" : ""}`
}

describe("Divergence", () => {
  it("finds the first entry that contradicts, a marker being an entry (rule 2)", () => {
    const log = logOf("0@0 1@5 3@8", 10)
    // Prefixes, however they end.
    expect(agreement(log, frameOf(at(0, 0), "", 3))).toBe("(0,3)")
    expect(agreement(log, frameOf(at(0, 2), "1@5", 7))).toBe("(1,7)")
    expect(agreement(log, frameOf(at(0, 5), "1@5", 5))).toBe("(1,5)")
    // Longer than the log.
    expect(agreement(log, frameOf(at(1, 6), "3@8", 12))).toBe("(3,10)")
    expect(agreement(log, frameOf(at(3, 10), "4@10", 10))).toBe("(3,10)")
    // An epoch that ends earlier, later, or is followed by another one.
    expect(agreement(log, frameOf(at(1, 5), "4@7", 9))).toBe("(1,7) contradicted")
    expect(agreement(log, frameOf(at(1, 5), "", 9))).toBe("(1,8) contradicted")
    expect(agreement(log, frameOf(at(1, 5), "2@8", 9))).toBe("(1,8) contradicted")
    expect(agreement(log, frameOf(at(0, 0), "4@3", 3))).toBe("(0,3) contradicted")
    expect(agreement(log, frameOf(at(3, 8), "4@8", 8))).toBe("(3,8) contradicted")
  })

  it("takes what lies before its own start as held, but not places at it that it does not have", () => {
    const log = logOf("3@5", 9, 5)
    expect(holdsPrevious(log, frameOf(at(1, 2), "", 4))).toBe(true)
    expect(holdsPrevious(log, frameOf(at(2, 5), "", 5))).toBe(true)
    expect(holdsPrevious(log, frameOf(at(4, 5), "", 5))).toBe(false)
    expect(holdsPrevious(log, frameOf(at(2, 6), "", 7))).toBe(false)
    expect(holdsPrevious(log, frameOf(at(1, 2), "", 4, { uncleanEpoch: 2 }))).toBe(false)
    expect(agreement(log, frameOf(at(1, 2), "", 4))).toBe("(1,4)")
    expect(agreement(log, frameOf(at(1, 2), "3@4", 7))).toBe("(3,7)")
    expect(agreement(log, frameOf(at(1, 2), "", 7))).toBe("(1,5) contradicted")
    expect(agreement(log, frameOf(at(2, 5), "4@5", 5))).toBe("(2,5) contradicted")
  })

  it("retires an epoch with each step (rule 8)", () => {
    const log = logOf("0@0 1@5 3@8", 10)
    expect(hintFor(log, at(2, 30))).toEqual(at(1, 8))
    expect(hintFor(log, at(7, 30))).toEqual(at(3, 10))
    expect(hintFor(logOf("3@5", 9, 5), at(2, 7))).toEqual(at(-1, -1))
    const { markers, start } = logOf("0@0 2@6 4@9", 20)
    expect(largestHeld(markers, start, 20, at(3, 10))).toEqual(at(2, 9))
    expect(largestHeld(markers, start, 20, at(2, 8))).toEqual(at(2, 8))
    expect(largestHeld(markers, start, 20, at(1, 8))).toEqual(at(0, 6))
    expect(largestHeld(markers, start, 20, at(-1, -1))).toEqual(at(0, 0))
    const late = logOf("2@7 4@9", 20, 7)
    expect(largestHeld(late.markers, late.start, 20, at(2, 3))).toEqual(at(2, 7))
  })

  it("refuses a frame that is no piece of a log", () => {
    expect(wellFormed(frameOf(at(1, 5), "2@7 3@7", 9))).toBe(true)
    expect(wellFormed(frameOf(at(1, 5), "2@7 2@8", 9))).toBe(false)
    expect(wellFormed(frameOf(at(1, 5), "2@4", 9))).toBe(false)
    expect(wellFormed(frameOf(at(1, 5), "2@7", 6))).toBe(false)
    expect(wellFormed(frameOf(at(1, 5), "", 9, { end: at(2, 9) }))).toBe(false)
    expect(wellFormed(frameOf(at(1, 5), "", 9, { epoch: 0 }))).toBe(false)
    expect(wellFormed(frameOf(at(1, 5), "", 9, { batches: [] }))).toBe(false)
    expect(wellFormed(frameOf(at(1, 5), "", 9, { batches: [], bulk: true }))).toBe(true)
  })

  it("finds the common place of any two logs in as many steps as there are epochs", () => {
    // One history of elections; each log took part in some of it. Epoch e is held by those whose bit is set in its mask.
    const history = fc.array(fc.tuple(fc.integer({ min: 1, max: 3 }), fc.nat(3), fc.nat(3)), {
      minLength: 1,
      maxLength: 12
    })
    fc.assert(
      fc.property(history, (list) => {
        const make = (bit: number, index: 1 | 2) => {
          const markers: Array<Marker> = [{ epoch: 0, offset: 0, unclean: false }]
          let end = 0
          let common = true
          for (const [i, step] of list.entries()) {
            if ((step[0] & bit) === 0) {
              common = false
              continue
            }
            // The same epoch holds the same content only where all before it is the same: else it is another epoch.
            const epoch = common && step[0] === 3 ? 3 * i + 1 : 3 * i + 1 + bit
            if (step[0] !== 3) common = false
            markers.push({ epoch, offset: end, unclean: false })
            end += step[epoch === 3 * i + 1 ? 1 : index]
          }
          return new ReplicaLog<string>(
            { markers, logStartOffset: 0, logEndOffset: end, highWatermark: 0, promised: 0 },
            1000,
            () => undefined
          )
        }
        const leader = make(1, 1)
        const follower = make(2, 2)
        let previous = leader.end
        let steps = 0
        while (!holdsPrevious(follower, frameOf(previous, "", previous.offset))) {
          const next = largestHeld(leader.markers, leader.start, leader.end.offset, hintFor(follower, previous))
          expect(next.epoch < previous.epoch || next.offset < previous.offset).toBe(true)
          previous = next
          expect(++steps).toBeLessThanOrEqual(list.length + 1)
        }
        expect(leader.contains(previous)).toBe(true)
      })
    )
  })
})
