/**
 * Connections that are not read for a while, because their clients have to pause: one entry of the deadline heap each.
 *
 * A longer pause replaces a shorter one. Whoever closes a connection must `forget` it.
 */
import type { Deadline, Deadlines } from "../actor/Deadlines.ts"
import type { Connection } from "../network/RequestHandler.ts"

export class MutedConnections {
  readonly #deadlines: Deadlines["Service"]
  readonly #nowMs: () => number
  readonly #byConnection = new Map<number, { readonly untilMs: number; readonly deadline: Deadline }>()

  constructor(deadlines: Deadlines["Service"], nowMs: () => number) {
    this.#deadlines = deadlines
    this.#nowMs = nowMs
  }

  get size(): number {
    return this.#byConnection.size
  }

  readonly mute = (connection: Connection, pauseMs: number): void => {
    if (pauseMs <= 0 || !connection.isOpen) return
    const untilMs = this.#nowMs() + pauseMs
    const known = this.#byConnection.get(connection.id)
    if (known !== undefined) {
      if (known.untilMs >= untilMs) return
      this.#deadlines.remove(known.deadline)
    } else connection.mute()
    const deadline = this.#deadlines.add(pauseMs, () => {
      this.#byConnection.delete(connection.id)
      connection.unmute()
    })
    this.#byConnection.set(connection.id, { untilMs, deadline })
  }

  readonly forget = (connection: Connection): void => {
    const known = this.#byConnection.get(connection.id)
    if (known === undefined) return
    this.#byConnection.delete(connection.id)
    this.#deadlines.remove(known.deadline)
  }
}
