/**
 * One member of a classic group: who it is, what it offers, and which of its requests wait for an answer.
 *
 * Owned by its group. `metadata` and `assignment` bytes are the member's own copies.
 */
import { NO_TICKET, type Ticket } from "../../coordinator/Decision.ts"
import type { JoinProtocol } from "../Commands.ts"
import { NO_BYTES } from "../Commands.ts"

export interface Member {
  readonly memberId: string
  readonly groupInstanceId: string | null
  readonly clientId: string
  readonly clientHost: string
  rebalanceTimeoutMs: number
  sessionTimeoutMs: number
  /** In its order of preference; the names are distinct. */
  protocols: ReadonlyArray<JoinProtocol>
  /** Its share in the group's last generation that was assigned; it counts while the group is stable. */
  assignment: Uint8Array
  /** The JoinGroup that waits for the rebalance to complete. */
  joinTicket: Ticket
  /** The SyncGroup that waits for the leader's assignment. */
  syncTicket: Ticket
  /** Has not yet completed a join: it does not know its id for sure and cannot heartbeat. */
  isNew: boolean
}

export type MemberIdentity = Omit<Member, "assignment" | "joinTicket" | "syncTicket" | "isNew">

export const makeMember = (identity: MemberIdentity): Member => ({
  ...identity,
  assignment: NO_BYTES,
  joinTicket: NO_TICKET,
  syncTicket: NO_TICKET,
  isNew: false
})

export const ownProtocols = (protocols: ReadonlyArray<JoinProtocol>): ReadonlyArray<JoinProtocol> => {
  const names = new Set<string>()
  const own: Array<JoinProtocol> = []
  for (const { name, metadata } of protocols) {
    if (names.has(name)) continue
    names.add(name)
    own.push({ name, metadata: new Uint8Array(metadata) })
  }
  return own
}

export const sameBytes = (a: Uint8Array, b: Uint8Array): boolean => {
  if (a.length !== b.length) return false
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false
  return true
}

/** Whether the member joins with exactly what it offered before, order included. */
export const offersSame = (member: Member, protocols: ReadonlyArray<JoinProtocol>): boolean =>
  member.protocols.length === protocols.length &&
  member.protocols.every((own, i) => own.name === protocols[i]!.name && sameBytes(own.metadata, protocols[i]!.metadata))

export const metadataFor = (member: Member, protocol: string | null): Uint8Array =>
  member.protocols.find((offered) => offered.name === protocol)?.metadata ?? NO_BYTES
