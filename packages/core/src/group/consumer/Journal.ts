/**
 * Records that were decided and are not yet known to be in the log.
 *
 * Decisions of one group follow each other faster than the log commits, and each builds on the one before: a member that is
 * given what another one has just released. So a decided record takes effect at once, for the decisions that come after it
 * in the log, and is *confirmed* by its replay or taken back when its write failed. Answers are sent after the commit and
 * reads run when nothing is in flight, so nobody outside sees what is not durable.
 *
 * With a record everything of its group is taken back that was decided after it, since it was built on it. The shell asks
 * (`holds`) before it writes a decision, and rejects what does not hold any more.
 */
import { assert } from "../../base/Assert.ts"
import type { GroupRecord } from "../GroupRecord.ts"

export class Journal {
  /** groupId → its records in flight, in order. */
  readonly #inFlight = new Map<string, Map<GroupRecord, () => void>>()

  isInFlight(groupId: string): boolean {
    return this.#inFlight.has(groupId)
  }

  has(record: GroupRecord): boolean {
    return this.#inFlight.get(record.groupId)?.has(record) === true
  }

  /** `undo` takes back what the record has effected just now. */
  stage(record: GroupRecord, undo: () => void): void {
    const records = this.#inFlight.get(record.groupId)
    if (records === undefined) this.#inFlight.set(record.groupId, new Map([[record, undo]]))
    else records.set(record, undo)
  }

  /** What was done together with the group's last record is taken back with it. */
  stageWithLast(groupId: string, undo: () => void): void {
    const [record, undoRecord] = [...(this.#inFlight.get(groupId) ?? [])].at(-1) ?? []
    assert(record !== undefined && undoRecord !== undefined, `something of ${groupId} is in flight`)
    this.stage(record, () => {
      undo()
      undoRecord()
    })
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
    for (const { groupId } of lost) {
      const records = this.#inFlight.get(groupId)
      if (records === undefined) continue
      const behind = [...records]
      const first = behind.findIndex(([record]) => lost.includes(record))
      if (first < 0) continue
      touched.add(groupId)
      for (const [record, undo] of behind.slice(first).toReversed()) {
        undo()
        records.delete(record)
      }
      if (records.size === 0) this.#inFlight.delete(groupId)
    }
    return [...touched]
  }
}
