/**
 * Drives one group machine as its shell would: decisions become durable after each command, unless they are held back until
 * they are committed or fail. Time moves by `tick` only. What happens is a list of lines.
 */
import { type Answer, type Decision, NO_TICKET } from "../../src/coordinator/Decision.ts"
import type { GroupCommand, GroupResult } from "../../src/group/Commands.ts"
import type { GroupMachine } from "../../src/group/GroupMachine.ts"
import type { GroupRecord } from "../../src/group/GroupRecord.ts"
import type { ErrorCode } from "../../src/model/ErrorCode.ts"
import { showRecord, showResult } from "./Show.ts"

interface Held {
  readonly ticket: number
  readonly command: GroupCommand
  readonly decision: Decision<GroupRecord, GroupResult>
}

export class MachineDriver {
  machine: GroupMachine
  now = 0
  trace: Array<string> = []
  readonly log: Array<GroupRecord> = []
  readonly #make: () => GroupMachine
  readonly #learn: (name: string, response: GroupResult) => void
  readonly #tickets = new Map<number, { name: string; what: string }>()
  #lastTicket = 0
  #held: Array<Held> | undefined

  constructor(make: () => GroupMachine, learn: (name: string, response: GroupResult) => void) {
    this.#make = make
    this.#learn = learn
    this.machine = make()
  }

  ask(name: string, what: string, command: GroupCommand): void {
    const ticket = ++this.#lastTicket
    this.#tickets.set(ticket, { name, what })
    const decision = this.machine.decide(ticket, command, this.now)
    if (this.#held !== undefined) this.#held.push({ ticket, command, decision })
    else this.#commitDecision(decision)
    if (this.#held === undefined && this.#tickets.has(ticket)) this.trace.push(`${name} ${what} waits`)
  }

  hold(): void {
    this.#held = []
  }

  commitHeld(): void {
    const held = this.#held ?? []
    this.#held = undefined
    for (const { decision } of held) this.#commitDecision(decision)
  }

  failHeld(error: ErrorCode): void {
    const held = this.#held ?? []
    this.#held = undefined
    for (const { ticket, command, decision } of held) {
      if (decision.records.length === 0) this.#send(decision.answers)
      else this.#send(this.machine.reject(ticket, command, decision, error, this.now).answers)
    }
  }

  tick(ms: number): void {
    const until = this.now + ms
    for (
      let next = this.machine.nextDeadline();
      next !== undefined && next <= until;
      next = this.machine.nextDeadline()
    ) {
      this.now = next
      const before = this.trace.length
      this.#commitDecision(this.machine.tick(this.now))
      if (this.trace.length > before) this.trace.splice(before, 0, `at ${this.now}`)
    }
    this.now = until
  }

  /** A machine that begins anew, with nothing but the log. */
  restart(): void {
    this.machine = this.#make()
    for (const record of this.log) this.machine.load(record)
    this.#commitDecision(this.machine.loaded(this.now))
    this.#tickets.clear()
  }

  #commitDecision(decision: Decision<GroupRecord, GroupResult>): void {
    for (const record of decision.records) {
      this.log.push(record)
      this.trace.push(`record ${showRecord(record)}`)
    }
    this.#send(decision.answers)
    for (const record of decision.records) this.#send(this.machine.replay(record, this.now).answers)
  }

  #send(answers: ReadonlyArray<Answer<GroupResult>>): void {
    for (const { ticket, response } of answers) {
      if (ticket === NO_TICKET) throw new Error("an answer for nobody")
      const asked = this.#tickets.get(ticket)
      if (asked === undefined) throw new Error(`ticket ${ticket} was answered twice`)
      this.#tickets.delete(ticket)
      this.#learn(asked.name, response)
      if (response._tag !== "Done") this.trace.push(`${asked.name} ${asked.what}: ${showResult(response)}`)
    }
  }
}
