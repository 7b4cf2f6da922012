import * as fc from "fast-check"
import { describe, expect, it } from "vitest"
import { buildBatch } from "../../src/record/BatchBuilder.ts"
import { buildMarkerBatch, ControlType, controlType, readMarker } from "../../src/record/ControlRecord.ts"
import * as RecordBatch from "../../src/record/RecordBatch.ts"

describe("transaction marker", () => {
  it("round-trips, as a transactional control batch without sequence", () => {
    const marker = fc.record({
      producerId: fc.nat(2 ** 50),
      producerEpoch: fc.nat(2 ** 15 - 1),
      committed: fc.boolean(),
      coordinatorEpoch: fc.nat(),
      timestamp: fc.nat(2 ** 45)
    })
    fc.assert(
      fc.property(marker, (marker) => {
        const batch = buildMarkerBatch(marker, 4)
        expect(readMarker(batch, 0)).toEqual(marker)
        expect(RecordBatch.verifyCrc(batch, 0)).toBe(true)
        expect(RecordBatch.isControl(batch, 0)).toBe(true)
        expect(RecordBatch.isTransactional(batch, 0)).toBe(true)
        expect(RecordBatch.baseSequence(batch, 0)).toBe(-1)
        expect(RecordBatch.recordsCount(batch, 0)).toBe(1)
        expect(RecordBatch.partitionLeaderEpoch(batch, 0)).toBe(4)
        expect(batch).toHaveLength(61 + 17)
      })
    )
  })

  it("keys and values have Kafka's layout", () => {
    const commit = buildMarkerBatch({
      producerId: 1,
      producerEpoch: 2,
      committed: true,
      coordinatorEpoch: 0x0102,
      timestamp: 3
    })
    expect(Array.from(commit.subarray(61))).toEqual([32, 0, 0, 0, 8, 0, 0, 0, 1, 12, 0, 0, 0, 0, 1, 2, 0])
    expect(controlType(Uint8Array.of(0, 0, 0, 1))).toBe(ControlType.COMMIT)
    expect(controlType(Uint8Array.of(0, 0, 0, 0))).toBe(ControlType.ABORT)
    expect(controlType(Uint8Array.of(0, 0, 0))).toBeUndefined()
    expect(controlType(null)).toBeUndefined()
  })

  it("other batches are no markers", () => {
    const key = Uint8Array.of(0, 0, 0, 1)
    const value = new Uint8Array(6)
    expect(readMarker(buildBatch([{ key, value }]), 0)).toBeUndefined()
    expect(readMarker(buildBatch([{ key: Uint8Array.of(0, 0, 0, 2), value }], { control: true }), 0)).toBeUndefined()
    expect(readMarker(buildBatch([{ key, value: new Uint8Array(5) }], { control: true }), 0)).toBeUndefined()
    expect(readMarker(buildBatch([{ value }], { control: true }), 0)).toBeUndefined()
  })
})
