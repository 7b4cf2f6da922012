/**
 * What clients were told, against the committed logs.
 *
 * - Acknowledged with acks=all: the record is committed at that offset when the answer comes, and for ever. With acks=1: it may
 *   vanish in a fail-over, but it is never at another offset.
 * - A record is only ever acknowledged at one offset.
 * - A fetch returns what is committed at those offsets, without a hole from the one that was asked for, nothing beyond; and it
 *   hides nothing: an empty answer below the high watermark that it names is one.
 */
import type { Observation } from "../Observation.ts"
import { type Checker, partitionKey, Violation } from "./Checker.ts"
import type { CommittedLog, CommittedLogs, Of } from "./CommittedLog.ts"

export class AcknowledgedRecords implements Checker {
  readonly name = "acknowledged records"
  readonly #logs: CommittedLogs
  readonly #sentTo = new Map<string, string>()

  constructor(logs: CommittedLogs) {
    this.#logs = logs
  }

  observe(o: Observation): void {
    if (o._tag === "ProduceSent") {
      const partition = partitionKey(o.topicId, o.partition)
      for (const id of o.ids) {
        // A mistake of the clients here: all that is said of records rests on their names.
        if (this.#sentTo.has(id))
          throw new Violation("record-sent-twice", `client ${o.client} sends ${id} a second time`)
        this.#sentTo.set(id, partition)
      }
    } else if (o._tag === "ProduceAcked") this.#acked(o)
  }

  #acked(o: Of<"ProduceAcked">): void {
    const log = this.#logs.of(o.topicId, o.partition)
    const at = `client ${o.client}, acks=${o.acks === -1 ? "all" : o.acks}, node ${o.node} in epoch ${o.epoch}`
    for (const { id, offset } of o.records) {
      if (this.#sentTo.get(id) !== log.key) {
        throw new Violation("record-foreign", `${log.key}: ${id} is acknowledged (${at}), which was never sent there`)
      }
      const told = log.acknowledged.get(id)
      if (told !== undefined && told !== offset) {
        throw new Violation("record-moved", `${log.key}: ${id} is acknowledged at ${offset} (${at}), before at ${told}`)
      }
      log.acknowledged.set(id, offset)
      const known = log.offsetOf(id)
      if (known !== undefined && known !== offset) {
        throw new Violation(
          "record-moved",
          `${log.key}: ${id} is acknowledged at ${offset} (${at}), committed at ${known}`
        )
      }
      if (known !== undefined) continue
      if (o.epoch < log.uncleanEpoch) log.exemptRecord(id, offset)
      else if (o.acks === -1 && log.exempt.get(id) !== offset) this.#lost(log, at, id, offset)
    }
  }

  #lost(log: CommittedLog, at: string, id: string, offset: number): never {
    const there = log.recordAt(offset) ?? `nothing, committed is up to ${log.endOffset}`
    const text = `${log.key}: ${id} is acknowledged at ${offset} (${at}), committed there is ${there}`
    throw new Violation("acknowledged-not-committed", text)
  }
}

export class Reads implements Checker {
  readonly name = "reads"
  readonly #logs: CommittedLogs

  constructor(logs: CommittedLogs) {
    this.#logs = logs
  }

  observe(o: Observation): void {
    if (o._tag !== "Fetched") return
    const log = this.#logs.of(o.topicId, o.partition)
    const at = `${log.key}: client ${o.client} reads from ${o.offset} at node ${o.node}`
    if (o.highWatermark > log.endOffset && log.uncleanEpoch < 0) {
      const text = `${at} and is told the high watermark ${o.highWatermark}, committed is up to ${log.endOffset}`
      throw new Violation("read-beyond-committed", text)
    }
    if (o.records.length === 0 && o.offset < o.highWatermark) {
      throw new Violation("read-hidden", `${at} and gets nothing, though the high watermark is ${o.highWatermark}`)
    }
    let due = o.offset
    for (const { id, offset } of o.records) {
      if (offset !== due) throw new Violation("read-hole", `${at} and gets offset ${offset} where ${due} is due`)
      due++
      const committed = log.recordAt(offset)
      // A leader from before an unclean election may still serve what was committed then.
      if (committed === id || log.exempt.get(id) === offset) continue
      const text = `${at} and gets ${id} at ${offset}, committed there is ${committed ?? "nothing"}`
      throw new Violation(committed === undefined ? "read-beyond-committed" : "read-other-content", text)
    }
    if (due > o.highWatermark && o.records.length > 0) {
      throw new Violation("read-beyond-committed", `${at} up to ${due}, past the high watermark ${o.highWatermark}`)
    }
  }
}
