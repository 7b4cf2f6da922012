/**
 * At most one leader: one a Raft term (Raft section 5.2), one a partition epoch, each of one process lifetime only (rules 9 and
 * 19). One durable vote a term and directory (dissertation 3.4).
 */
import type { Observation } from "../Observation.ts"
import { type Checker, lifeOf, partitionKey, Violation } from "./Checker.ts"

type Of<Tag extends Observation["_tag"]> = Extract<Observation, { readonly _tag: Tag }>

interface Vote {
  readonly term: number
  readonly candidate: number | null
}

export class ElectionSafety implements Checker {
  readonly name = "election safety"
  readonly #raftLeaders = new Map<number, string>()
  readonly #votes = new Map<string, Vote>()
  readonly #directories = new Map<number, string>()
  readonly #epochLeaders = new Map<string, string>()
  readonly #epochsLeft = new Map<string, number>()

  observe(o: Observation): void {
    switch (o._tag) {
      case "Started":
        this.#directories.set(o.node, o.directoryId)
        return
      case "RaftRole":
        if (o.role === "leader") this.#raftLeader(o)
        return
      case "RaftVoteDurable":
        return this.#vote(o)
      case "Leads":
        return this.#leads(o)
      case "LeftEpoch":
        return this.#left(o)
      case "Appended":
        if (o.byLeader) this.#leaderAppends(o)
        return
    }
  }

  #raftLeader(o: Of<"RaftRole">): void {
    const life = lifeOf(o)
    const known = this.#raftLeaders.get(o.term)
    if (known !== undefined && known !== life) {
      throw new Violation("raft-two-leaders", `term ${o.term} has two leaders: process ${known} and ${life}`)
    }
    this.#raftLeaders.set(o.term, life)
  }

  #vote(o: Of<"RaftVoteDurable">): void {
    const directory = `node ${o.node} (${this.#directories.get(o.node)})`
    const last = this.#votes.get(directory)
    if (last !== undefined && o.term < last.term) {
      throw new Violation("raft-term-falls", `${directory} makes term ${o.term} durable after term ${last.term}`)
    }
    if (last?.term === o.term && last.candidate !== null && last.candidate !== o.candidate) {
      const text = `voted for ${last.candidate} in term ${o.term} and then has ${o.candidate ?? "no vote"} there`
      throw new Violation("raft-two-votes", `${directory} ${text}`)
    }
    this.#votes.set(directory, o)
  }

  #leads(o: Of<"Leads">): void {
    const partition = partitionKey(o.topicId, o.partition)
    const life = lifeOf(o)
    const known = this.#epochLeaders.get(`${partition} ${o.epoch}`)
    if (known !== undefined && known !== life) {
      const text = `epoch ${o.epoch} of ${partition} is led by two processes: ${known} and ${life}`
      throw new Violation("epoch-two-leaders", text)
    }
    const left = this.#epochsLeft.get(`${partition} ${life}`) ?? -1
    if (o.epoch <= left) {
      throw new Violation(
        "epoch-led-again",
        `process ${life} leads ${partition} in epoch ${o.epoch}, having left ${left}`
      )
    }
    this.#epochLeaders.set(`${partition} ${o.epoch}`, life)
  }

  #left(o: Of<"LeftEpoch">): void {
    const key = `${partitionKey(o.topicId, o.partition)} ${lifeOf(o)}`
    this.#epochsLeft.set(key, Math.max(o.epoch, this.#epochsLeft.get(key) ?? -1))
  }

  /** Rule 9: from its promise on, a leader appends no more. Only the process that leads an epoch ever appends in it. */
  #leaderAppends(o: Of<"Appended">): void {
    const partition = partitionKey(o.topicId, o.partition)
    const life = lifeOf(o)
    const leader = this.#epochLeaders.get(`${partition} ${o.epoch}`)
    if (leader !== life) {
      const text = `process ${life} appends at ${o.baseOffset} of ${partition} as leader of epoch ${o.epoch}, led by ${leader}`
      throw new Violation("epoch-foreign-append", text)
    }
    const left = this.#epochsLeft.get(`${partition} ${life}`) ?? -1
    if (o.epoch <= left) {
      const text = `process ${life} appends at ${o.baseOffset} of ${partition} in epoch ${o.epoch} after it left ${left}`
      throw new Violation("epoch-append-after-leaving", text)
    }
  }
}
