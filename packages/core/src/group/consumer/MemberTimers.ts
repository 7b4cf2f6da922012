/**
 * What a member of a consumer group has to do in time, or is removed.
 *
 * - **Session** be heard of. Begins anew with each sign of life, and for everybody after a restart.
 * - **Rebalance** give up what it was asked to give up.
 * - **Join**, **Sync** members that speak the classic protocol: join again when told to, and sync after that.
 */
import type { DeadlineHandle, DeadlineHeap } from "../../base/DeadlineHeap.ts"

export type TimerKind = "Session" | "Rebalance" | "Join" | "Sync"

export interface MemberTimerEvent {
  readonly kind: TimerKind
  readonly groupId: string
  readonly memberId: string
}

type Timers = Map<TimerKind, DeadlineHandle<MemberTimerEvent>>

export class MemberTimers {
  readonly #heap: DeadlineHeap<MemberTimerEvent>
  /** groupId → memberId → its timers. */
  readonly #groups = new Map<string, Map<string, Timers>>()

  constructor(heap: DeadlineHeap<MemberTimerEvent>) {
    this.#heap = heap
  }

  /** Starts the timer, or starts it again. */
  start(kind: TimerKind, groupId: string, memberId: string, deadline: number): void {
    const timers = this.#timersOf(groupId, memberId)
    const running = timers.get(kind)
    if (running !== undefined && this.#heap.move(running, deadline)) return
    timers.set(kind, this.#heap.add(deadline, { kind, groupId, memberId }))
  }

  isRunning(kind: TimerKind, groupId: string, memberId: string): boolean {
    return this.#groups.get(groupId)?.get(memberId)?.has(kind) === true
  }

  stop(kind: TimerKind, groupId: string, memberId: string): void {
    const timers = this.#groups.get(groupId)?.get(memberId)
    const running = timers?.get(kind)
    if (timers === undefined || running === undefined) return
    this.#heap.remove(running)
    timers.delete(kind)
    if (timers.size === 0) this.#forget(groupId, memberId)
  }

  stopMember(groupId: string, memberId: string): void {
    for (const running of this.#groups.get(groupId)?.get(memberId)?.values() ?? []) this.#heap.remove(running)
    this.#forget(groupId, memberId)
  }

  stopGroup(groupId: string): void {
    for (const memberId of [...(this.#groups.get(groupId)?.keys() ?? [])]) this.stopMember(groupId, memberId)
  }

  /** The heap has handed the event out: its timer runs no longer. */
  expired({ kind, groupId, memberId }: MemberTimerEvent): void {
    this.stop(kind, groupId, memberId)
  }

  membersWithTimers(groupId: string): Iterable<string> {
    return [...(this.#groups.get(groupId)?.keys() ?? [])]
  }

  #timersOf(groupId: string, memberId: string): Timers {
    let members = this.#groups.get(groupId)
    if (members === undefined) {
      members = new Map()
      this.#groups.set(groupId, members)
    }
    let timers = members.get(memberId)
    if (timers === undefined) {
      timers = new Map()
      members.set(memberId, timers)
    }
    return timers
  }

  #forget(groupId: string, memberId: string): void {
    const members = this.#groups.get(groupId)
    if (members?.delete(memberId) && members.size === 0) this.#groups.delete(groupId)
  }
}
