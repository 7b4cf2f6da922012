/**
 * Records that were decided and are not yet known to be in the log.
 *
 * Decisions of one group follow each other faster than the log commits, and each builds on the one before: a member that is
 * given what another one has just released. So a decided record takes effect at once, for the decisions that come after it
 * in the log, and is *confirmed* by its replay or taken back when its write failed. Answers are sent after the commit and
 * reads run when nothing is in flight, so nobody outside sees what is not durable.
 *
 * What is taken back may have later records of the same group behind it, in batches that are committed all the same: those
 * are taken off, and put on again without it. The log holds whole values, so what the log says and what is remembered agree.
 */
import type { GroupRecord } from "../GroupRecord.ts"

interface Staged {
  /** Makes the record effective; the answer takes it back. */
  readonly act: () => () => void
  undo: () => void
}

export class Journal {
  /** groupId → its records in flight, in order. */
  readonly #inFlight = new Map<string, Map<GroupRecord, Staged>>()

  isInFlight(groupId: string): boolean {
    return this.#inFlight.has(groupId)
  }

  stage(record: GroupRecord, act: () => () => void): void {
    let records = this.#inFlight.get(record.groupId)
    if (records === undefined) {
      records = new Map()
      this.#inFlight.set(record.groupId, records)
    }
    records.set(record, { act, undo: act() })
  }

  /** The record is committed. False: it was not staged, and has had no effect yet. */
  confirm(record: GroupRecord): boolean {
    const records = this.#inFlight.get(record.groupId)
    if (records === undefined || !records.delete(record)) return false
    if (records.size === 0) this.#inFlight.delete(record.groupId)
    return true
  }

  /** The records were not committed. The groups that are not as they were. */
  takeBack(lost: ReadonlyArray<GroupRecord>): ReadonlyArray<string> {
    const touched = new Set<string>()
    for (const record of lost) if (this.#inFlight.get(record.groupId)?.has(record)) touched.add(record.groupId)
    const gone = new Set(lost)
    for (const groupId of touched) {
      const records = [...this.#inFlight.get(groupId)!]
      for (const [, staged] of records.toReversed()) staged.undo()
      const kept = records.filter(([record]) => !gone.has(record))
      for (const [, staged] of kept) staged.undo = staged.act()
      if (kept.length === 0) this.#inFlight.delete(groupId)
      else this.#inFlight.set(groupId, new Map(kept))
    }
    return [...touched]
  }
}
