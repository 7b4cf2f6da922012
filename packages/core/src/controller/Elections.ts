/**
 * Elections: promise, position, choice, one command for everything that was decided in a turn.
 *
 * | rule | here |
 * |---|---|
 * | 11 a question names the metadata that it refers to | `Work.take` |
 * | 12 a promise beyond the image's epoch is an open election, whoever opened it | `Tracked.promised`, `#isNeeded` |
 * | 13 a burnt epoch is passed over; decided from the committed image only | `#open`, `#refusedBy` |
 * | 14 eligible is who reaches a majority; the target of a hand-over first | `Choice` |
 * | 15 a leader without its quorum is replaced, with backoff | `#isForced` |
 * | 18 only the disk that was counted is asked, heard or elected | `#live`, `#accept`, `#promised` |
 * | 19 a leader is elected anew after its registration | `leaderIsLost` |
 * | 21 unclean: allowed, waited for, said in the command | `#decideUnclean` |
 * | 26 a majority of the counted replicas, never fewer | `Choice` |
 *
 * Partitions whose elections begin in one turn share a round: its deadlines are theirs, so ten thousand partitions cost two
 * timers. An election ends when the image has moved, never when a command was proposed. It deliberately keeps nothing that a
 * next controller would miss: promises lie in the replicas, which report them.
 */
import { assert } from "../base/Assert.ts"
import { countedReplicas, leaderReplica, majorityOf } from "../metadata/Replicas.ts"
import type { ReplicaId } from "../replication/Frame.ts"
import type { Point } from "../replication/Point.ts"
import { choose, chooseUnclean, type Promised } from "./Choice.ts"
import type { PromiseAnswer } from "./Messages.ts"
import type { Tracked } from "./PartitionTable.ts"
import { Revisit } from "./Revisit.ts"
import { type Round, RoundClock } from "./Round.ts"
import type { Work } from "./Work.ts"

export interface Election {
  /** The epoch that is asked for, beyond every promise known. */
  readonly epoch: number
  /** The image that it was opened on: once that has moved, so has the question. */
  readonly leaderEpoch: number
  readonly configVersion: number
  /** Who is to lead if he can, of a hand-over. */
  readonly target: number | undefined
  /** Nodes that were asked. */
  readonly asked: Set<number>
  readonly positions: Map<number, Point>
  /** Undefined once a command that ends it was proposed. */
  round: Round | undefined
}

export class Elections {
  readonly #work: Work
  readonly #isDraining: (nodeId: number) => boolean
  readonly #clock: RoundClock
  /** The round that takes the elections of this turn. */
  #forming: Round | undefined
  /** Elections whose command was lost or refused, and partitions that wait for their backoff. */
  readonly #retry: Revisit<Tracked>
  readonly #forced: Revisit<Tracked>
  /** Partitions whose leader is lost and for which nobody can be asked: to be marked offline. */
  readonly #offline: Revisit<Tracked>

  constructor(work: Work, isDraining: (nodeId: number) => boolean) {
    this.#work = work
    this.#isDraining = isDraining
    this.#clock = new RoundClock(work.options)
    this.#retry = new Revisit(work.options.retryMs)
    this.#forced = new Revisit(work.options.quorumBackoffMs)
    this.#offline = new Revisit(work.options.electionTimeoutMs)
  }

  clear(): void {
    this.#clock.clear()
    this.#forming = undefined
    for (const revisit of [this.#retry, this.#forced, this.#offline]) revisit.clear()
  }

  /** The partition is gone. */
  forget(tracked: Tracked): void {
    this.#close(tracked)
    for (const revisit of [this.#retry, this.#forced, this.#offline]) revisit.delete(tracked)
  }

  /** Decides what is next for a partition about which something has changed. */
  review(tracked: Tracked): void {
    const { election } = tracked
    if (election !== undefined) {
      const { leaderEpoch, configVersion } = tracked.image
      if (election.leaderEpoch === leaderEpoch && election.configVersion === configVersion) {
        if (election.round !== undefined) this.#goOn(tracked, election, election.round)
        return
      }
      // The image has moved under it: decided, or asked about a set that is no more.
      this.#close(tracked)
    }
    const lost = this.leaderIsLost(tracked)
    if (!lost) tracked.leaderlessSinceMs = undefined
    else tracked.leaderlessSinceMs ??= this.#work.nowMs
    if (this.#hasRestarted(tracked)) {
      // What the process before it said of itself is not true of this one.
      tracked.lacking = false
      tracked.offline = false
    }
    if (this.#retry.has(tracked) || !this.#isNeeded(tracked, lost)) return
    const live = this.#live(countedReplicas(tracked.image))
    if (this.#canBeAsked(tracked, live, lost)) this.#open(tracked, live)
    else if (lost && tracked.image.leader !== -1) this.#offline.add(this.#work.nowMs, tracked)
  }

  /**
   * Whether nobody leads, or somebody who may not: gone, fenced, on another disk (rule 18), or elected before its current
   * incarnation registered, so that it may have sent what it then lost (rule 19).
   */
  leaderIsLost(tracked: Tracked): boolean {
    const leader = leaderReplica(tracked.image)
    return leader === null || !this.#work.isLive(leader) || this.#hasRestarted(tracked)
  }

  #hasRestarted(tracked: Tracked): boolean {
    const { leader, electedAt } = tracked.image
    const registeredAt = this.#work.image.brokers.get(leader)?.registeredAt
    return registeredAt !== undefined && electedAt <= registeredAt
  }

  /** The leader has parked for `target`: it is promised away at once. */
  #isNeeded(tracked: Tracked, lost: boolean): boolean {
    if (lost) return true
    // Rule 12. Somebody has promised more than the image says, so his leader no longer reaches him: resolve it.
    if (tracked.promised > tracked.image.leaderEpoch) return true
    if (tracked.handOver?.ready === true) return true
    return this.#isForced(tracked)
  }

  /** Rule 15. Only where the others could do better, and with a growing pause, so that leadership is not passed round. */
  #isForced(tracked: Tracked): boolean {
    if (!tracked.lacking && !tracked.offline) return false
    const { nowMs, options } = this.#work
    const counted = countedReplicas(tracked.image)
    const others = this.#live(counted).filter((replica) => replica.node !== tracked.image.leader)
    if (others.length < majorityOf(counted.length)) return false
    const pauseMs = Math.min(options.quorumBackoffMs * 2 ** Math.min(tracked.forced, 16), options.quorumBackoffMsMax)
    if (nowMs - tracked.forcedAtMs > 2 * options.quorumBackoffMsMax) tracked.forced = 0
    else if (nowMs - tracked.forcedAtMs < pauseMs) {
      this.#forced.add(nowMs, tracked)
      return false
    }
    tracked.forced++
    tracked.forcedAtMs = nowMs
    return true
  }

  /** Below a majority nothing can come of it (rule 26), unless unclean elections are allowed. */
  #canBeAsked(tracked: Tracked, live: ReadonlyArray<ReplicaId>, lost: boolean): boolean {
    if (live.length >= majorityOf(countedReplicas(tracked.image).length)) return true
    return lost && live.length > 0 && this.#mayBeUnclean(tracked)
  }

  #mayBeUnclean(tracked: Tracked): boolean {
    const topic = this.#work.image.topicById(tracked.topicId)
    return topic !== undefined && this.#work.options.uncleanElection(topic)
  }

  /** Counted replicas that can be asked: a node that is up, with the disk that was counted. */
  #live(counted: ReadonlyArray<ReplicaId>): ReadonlyArray<ReplicaId> {
    return counted.filter((replica) => this.#work.isLive(replica))
  }

  #open(tracked: Tracked, live: ReadonlyArray<ReplicaId>): void {
    const { leaderEpoch, configVersion } = tracked.image
    // Rule 13. Beyond every promise known, so that a burnt epoch is not asked for twice.
    const epoch = Math.max(leaderEpoch, tracked.promised) + 1
    if (this.#forming === undefined || this.#forming.open === 0) {
      this.#forming = this.#clock.begin(this.#work.nowMs, 0, this.#work.random.fraction())
    }
    tracked.election = {
      epoch,
      leaderEpoch,
      configVersion,
      target: tracked.handOver?.ready === true ? tracked.handOver.target : undefined,
      asked: new Set(),
      positions: new Map(),
      round: this.#forming
    }
    this.#offline.delete(tracked)
    this.#clock.enter(this.#forming, tracked)
    this.#ask(tracked, tracked.election, live)
  }

  #ask(tracked: Tracked, election: Election, replicas: ReadonlyArray<ReplicaId>): void {
    for (const { node } of replicas) {
      election.asked.add(node)
      this.#work.askPromise(node, tracked, election.epoch)
    }
    if (replicas.length > 0) tracked.promised = Math.max(tracked.promised, election.epoch)
  }

  #close(tracked: Tracked): void {
    const { election } = tracked
    tracked.election = undefined
    if (election?.round !== undefined) this.#clock.leave(election.round)
  }

  /** The rest of a turn begins another round. */
  endTurn(): void {
    this.#forming = undefined
  }

  // --- answers

  answered(nodeId: number, answer: PromiseAnswer): void {
    const tracked = this.#work.partitions.get(answer.topicId, answer.partition)
    const election = tracked?.election
    if (tracked === undefined || election?.round === undefined || !this.#accept(tracked, election, nodeId, answer))
      return
    if (answer.answer._tag === "Position") {
      // Whoever holds a marker of this epoch or a later one would have refused.
      if (answer.answer.position.epoch >= election.epoch) return
      election.positions.set(nodeId, answer.answer.position)
    } else if (answer.answer._tag === "Refused") this.#refusedBy(tracked, election, answer.answer.promised)
    else return
    this.#work.dirty.add(tracked)
  }

  /** An answer counts for the epoch asked, from a counted replica, on the disk that was counted (rules 1 and 18). */
  #accept(tracked: Tracked, election: Election, nodeId: number, answer: PromiseAnswer): boolean {
    if (answer.epoch !== election.epoch || !election.asked.has(nodeId)) return false
    const replica = countedReplicas(tracked.image).find((one) => one.node === nodeId)
    return replica !== undefined && replica.directoryId === answer.directoryId
  }

  /** Rule 13. The epoch asked for is burnt: another one, beyond the promise that stands, with everybody asked again. */
  #refusedBy(tracked: Tracked, election: Election, promised: number): void {
    if (promised <= election.epoch) return
    tracked.promised = Math.max(tracked.promised, promised)
    this.#close(tracked)
  }

  /**
   * Rule 12. Some replica has promised this epoch; an election that asks for less would only be refused. True when that is
   * news.
   */
  promiseAhead(tracked: Tracked, promised: number): boolean {
    if (promised <= tracked.promised) return false
    tracked.promised = promised
    const { election } = tracked
    if (election?.round !== undefined && promised > election.epoch) this.#close(tracked)
    return true
  }

  // --- deciding

  #goOn(tracked: Tracked, election: Election, round: Round): void {
    const counted = countedReplicas(tracked.image)
    const live = this.#live(counted)
    this.#ask(
      tracked,
      election,
      live.filter(({ node }) => !election.asked.has(node))
    )
    const everybody = live.every(({ node }) => election.positions.has(node))
    const promised = this.#promised(tracked, election, counted)
    if (promised.length < majorityOf(counted.length)) {
      if (everybody) this.#decideUnclean(tracked, election, promised)
      return
    }
    const chosen = choose(counted.length, promised, tracked.image.replicas[0]!, election.target)
    if (chosen === undefined) return
    if (everybody || round.settled || chosen.node === election.target) this.#elect(tracked, election, chosen, false)
    else this.#clock.startGrace(this.#work.nowMs, round)
  }

  #promised(tracked: Tracked, election: Election, counted: ReadonlyArray<ReplicaId>): ReadonlyArray<Promised> {
    const found: Array<Promised> = []
    for (const replica of counted) {
      const position = election.positions.get(replica.node)
      if (position === undefined) continue
      const { node } = replica
      found.push({
        ...replica,
        position,
        electable: this.#work.isLive(replica) && !(tracked.offline && node === tracked.image.leader),
        avoided: (tracked.lacking && node === tracked.image.leader) || this.#isDraining(node),
        inSync: tracked.image.isr.includes(node)
      })
    }
    return found
  }

  /** Rule 21. Where the topic allows it, after the waiting time, and only among those that have answered. */
  #decideUnclean(tracked: Tracked, election: Election, promised: ReadonlyArray<Promised>): void {
    const since = tracked.leaderlessSinceMs
    if (since === undefined || this.#work.nowMs - since < this.#work.options.uncleanWaitMs) return
    if (!this.#mayBeUnclean(tracked)) return
    const chosen = chooseUnclean(promised, tracked.image.replicas[0]!)
    if (chosen !== undefined) this.#elect(tracked, election, chosen, true)
  }

  #elect(tracked: Tracked, election: Election, chosen: Promised, unclean: boolean): void {
    const counted = countedReplicas(tracked.image).length
    assert(unclean || election.positions.size >= majorityOf(counted), "a majority has promised (rule 26)")
    assert(chosen.electable && election.epoch > tracked.image.leaderEpoch, "an election raises the epoch")
    const { isr } = tracked.image
    const isrAfter = unclean ? [chosen.node] : isr.includes(chosen.node) ? null : [...isr, chosen.node]
    this.#proposeEnd(tracked, chosen, unclean, isrAfter)
  }

  #proposeEnd(tracked: Tracked, leader: ReplicaId, unclean: boolean, isr: ReadonlyArray<number> | null): void {
    const election = tracked.election!
    if (election.round !== undefined) this.#clock.leave(election.round)
    election.round = undefined
    this.#work.propose("Elections", tracked, {
      election: { leader: leader.node, leaderEpoch: election.epoch, unclean, directoryId: leader.directoryId },
      isr
    })
  }

  /** Clients learn that they must wait, and a leader that is cut off that it is none. Nobody needs to promise for that. */
  #markOffline(tracked: Tracked): void {
    const { leaderEpoch, configVersion } = tracked.image
    const epoch = tracked.election?.epoch ?? Math.max(leaderEpoch, tracked.promised) + 1
    tracked.election ??= {
      epoch,
      leaderEpoch,
      configVersion,
      target: undefined,
      asked: new Set(),
      positions: new Map(),
      round: undefined
    }
    this.#proposeEnd(tracked, { node: -1, directoryId: "" }, false, null)
  }

  /** The command has had its turn. One that applied needs nothing: the image moves, and with it the election ends. */
  commandEnded(tracked: Tracked, failed: boolean): void {
    if (!failed || tracked.deleted || tracked.election === undefined || tracked.election.round !== undefined) return
    tracked.election = undefined
    this.#retry.add(this.#work.nowMs, tracked)
  }

  // --- time

  tick(nowMs: number): void {
    for (;;) {
      const expired = this.#clock.expired(nowMs)
      if (expired === undefined) break
      if (expired.ended) this.#timedOut(expired.round)
      else this.#settle(expired.round)
    }
    for (const tracked of this.#offline.take(nowMs)) {
      if (tracked.election !== undefined || !this.leaderIsLost(tracked) || tracked.image.leader === -1) continue
      if (!this.#retry.has(tracked)) this.#markOffline(tracked)
    }
    for (const revisit of [this.#retry, this.#forced]) {
      for (const tracked of revisit.take(nowMs)) this.#work.dirty.add(tracked)
    }
  }

  nextDeadline(): number {
    return Math.min(this.#clock.nextDeadline(), this.#retry.deadline, this.#forced.deadline, this.#offline.deadline)
  }

  #settle(round: Round): void {
    for (const tracked of round.members) if (tracked.election?.round === round) this.#work.dirty.add(tracked)
  }

  /** Who has not answered is asked again, in a round that waits longer. */
  #timedOut(round: Round): void {
    const { nowMs, random, options } = this.#work
    let next: Round | undefined
    for (const tracked of round.members) {
      const { election } = tracked
      if (election?.round !== round) continue
      const counted = countedReplicas(tracked.image)
      this.#decideUnclean(tracked, election, this.#promised(tracked, election, counted))
      if (election.round === undefined) continue
      const lost = this.leaderIsLost(tracked)
      if (lost && tracked.image.leader !== -1 && round.attempt + 1 >= options.offlineAttempts) {
        this.#markOffline(tracked)
        continue
      }
      const live = this.#live(counted)
      if (!this.#canBeAsked(tracked, live, lost)) {
        // A node that comes back opens it again. Until then it costs nothing.
        this.#close(tracked)
        continue
      }
      next ??= this.#clock.begin(nowMs, round.attempt + 1, random.fraction())
      this.#clock.leave(round)
      this.#clock.enter(next, tracked)
      election.round = next
      next.settled ||= round.settled
      this.#ask(
        tracked,
        election,
        live.filter(({ node }) => !election.positions.has(node))
      )
    }
  }
}
