/**
 * Incremental fetch sessions (KIP-227): what a consumer fetches is remembered, so that a request names changes only and an
 * answer holds only partitions that have something to say.
 *
 * A plain, synchronous structure: no clock (time is an argument), no partitions' data. Bounded by `slots`: a full cache
 * answers without a session, which every client accepts, unless a session has been idle for `evictAfterMillis`.
 *
 * **Traps** what a request both names and forgets is forgotten. A session without partitions is one, until it is emptied.
 *
 * **Epochs** a session counts its requests 1, 2, … 2^31-1, 1. Epoch 0 asks for a new session, -1 for none.
 * @see KIP-227, KIP-516 (topic ids)
 */
import { ZERO_UUID } from "@chronik-effect/core/base/Uuid.ts"
import { ErrorCode } from "@chronik-effect/core/model/ErrorCode.ts"

/** One partition that somebody fetches, with what the last answer said about it. */
export interface FetchTarget {
  readonly topic: string
  readonly topicId: string
  readonly partition: number
  fetchOffset: number
  logStartOffset: number
  maxBytes: number
  currentLeaderEpoch: number
  lastFetchedEpoch: number
  /** What the last answer of the session told; -1 before the first. */
  toldHighWatermark: number
  toldLogStartOffset: number
  /** The last answer was an error: it is told again until it ends. */
  toldError: boolean
}

export interface FetchTopicRequest {
  readonly topic: string
  readonly topicId: string
  readonly partitions: ReadonlyArray<{
    readonly partition: number
    readonly fetchOffset: number
    readonly logStartOffset: number
    readonly partitionMaxBytes: number
    readonly currentLeaderEpoch: number
    readonly lastFetchedEpoch: number
  }>
}

export interface ForgottenTopic {
  readonly topic: string
  readonly topicId: string
  readonly partitions: ReadonlyArray<number>
}

/** What a request fetches, and how its answer is to be cut. */
export interface FetchContext {
  readonly sessionId: number
  readonly targets: ReadonlyArray<FetchTarget>
  /** Only partitions with news go into the answer. */
  readonly incremental: boolean
  /** To be called with each target that gave records, so that all get their turn at the head of the answer. */
  readonly served: (target: FetchTarget) => void
}

interface Session {
  readonly id: number
  readonly usesTopicIds: boolean
  readonly targets: Map<string, FetchTarget>
  nextEpoch: number
  usedMillis: number
}

const EPOCH_MAX = 0x7fffffff

export class FetchSessions {
  readonly #sessions = new Map<number, Session>()
  readonly #slots: number
  readonly #evictAfterMillis: number
  readonly #newId: () => number

  /** `newId` gives random positive int32 values. */
  constructor(slots: number, evictAfterMillis: number, newId: () => number) {
    this.#slots = slots
    this.#evictAfterMillis = evictAfterMillis
    this.#newId = newId
  }

  get size(): number {
    return this.#sessions.size
  }

  /** The context of a request, or the error code that the whole answer carries. */
  open(
    sessionId: number,
    sessionEpoch: number,
    topics: ReadonlyArray<FetchTopicRequest>,
    forgotten: ReadonlyArray<ForgottenTopic>,
    usesTopicIds: boolean,
    nowMillis: number
  ): FetchContext | ErrorCode {
    if (sessionEpoch === 0 || sessionEpoch === -1) {
      if (sessionId !== 0) this.#sessions.delete(sessionId)
      const targets = new Map<string, FetchTarget>()
      merge(targets, topics)
      const session = sessionEpoch === 0 ? this.#add(targets, usesTopicIds, nowMillis) : undefined
      return full(session?.id ?? 0, targets)
    }
    const session = this.#sessions.get(sessionId)
    if (session === undefined) return ErrorCode.FETCH_SESSION_ID_NOT_FOUND
    if (session.usesTopicIds !== usesTopicIds) return ErrorCode.FETCH_SESSION_TOPIC_ID_ERROR
    if (session.nextEpoch !== sessionEpoch) return ErrorCode.INVALID_FETCH_SESSION_EPOCH
    session.nextEpoch = sessionEpoch === EPOCH_MAX ? 1 : sessionEpoch + 1
    this.#touch(session, nowMillis)
    merge(session.targets, topics)
    for (const topic of forgotten) {
      for (const partition of topic.partitions) session.targets.delete(keyOf(topic.topic, topic.topicId, partition))
    }
    if (session.targets.size > 0) return incremental(session)
    this.#sessions.delete(session.id)
    // What the request names is answered for once more, although it is forgotten.
    const named = new Map<string, FetchTarget>()
    merge(named, topics)
    return full(0, named)
  }

  /** The answer does not tell of the session, so nobody will use it. */
  drop(context: FetchContext): void {
    if (!context.incremental) this.#sessions.delete(context.sessionId)
  }

  #add(targets: Map<string, FetchTarget>, usesTopicIds: boolean, nowMillis: number): Session | undefined {
    if (this.#sessions.size >= this.#slots && !this.#evict(nowMillis)) return undefined
    let id = this.#newId()
    while (id <= 0 || this.#sessions.has(id)) id = this.#newId()
    const session: Session = { id, usesTopicIds, targets, nextEpoch: 1, usedMillis: nowMillis }
    this.#sessions.set(id, session)
    return session
  }

  /** Sessions lie in the order of their last use: the first is the least recently used. */
  #evict(nowMillis: number): boolean {
    const oldest = this.#sessions.values().next().value
    if (oldest === undefined || nowMillis - oldest.usedMillis < this.#evictAfterMillis) return false
    return this.#sessions.delete(oldest.id)
  }

  #touch(session: Session, nowMillis: number): void {
    session.usedMillis = nowMillis
    this.#sessions.delete(session.id)
    this.#sessions.set(session.id, session)
  }
}

const keyOf = (topic: string, topicId: string, partition: number): string =>
  `${topicId === ZERO_UUID ? topic : topicId}/${partition}`

const merge = (targets: Map<string, FetchTarget>, topics: ReadonlyArray<FetchTopicRequest>): void => {
  for (const { topic, topicId, partitions } of topics) {
    for (const asked of partitions) {
      const key = keyOf(topic, topicId, asked.partition)
      const known = targets.get(key)
      if (known === undefined) targets.set(key, targetOf(topic, topicId, asked))
      else {
        known.fetchOffset = asked.fetchOffset
        known.logStartOffset = asked.logStartOffset
        known.maxBytes = asked.partitionMaxBytes
        known.currentLeaderEpoch = asked.currentLeaderEpoch
        known.lastFetchedEpoch = asked.lastFetchedEpoch
      }
    }
  }
}

const targetOf = (topic: string, topicId: string, asked: FetchTopicRequest["partitions"][number]): FetchTarget => ({
  topic,
  topicId,
  partition: asked.partition,
  fetchOffset: asked.fetchOffset,
  logStartOffset: asked.logStartOffset,
  maxBytes: asked.partitionMaxBytes,
  currentLeaderEpoch: asked.currentLeaderEpoch,
  lastFetchedEpoch: asked.lastFetchedEpoch,
  toldHighWatermark: -1,
  toldLogStartOffset: -1,
  toldError: false
})

const full = (sessionId: number, targets: Map<string, FetchTarget>): FetchContext => ({
  sessionId,
  targets: [...targets.values()],
  incremental: false,
  served: () => {}
})

const incremental = (session: Session): FetchContext => ({
  sessionId: session.id,
  targets: [...session.targets.values()],
  incremental: true,
  served: (target) => {
    const key = keyOf(target.topic, target.topicId, target.partition)
    if (session.targets.get(key) !== target) return
    session.targets.delete(key)
    session.targets.set(key, target)
  }
})
