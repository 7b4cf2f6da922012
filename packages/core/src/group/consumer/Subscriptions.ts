/**
 * What a group's subscriptions mean in the topics that there are: regular expressions are resolved, the group's epoch rises
 * when the members' subscriptions or the subscribed topics changed.
 *
 * Topics are looked at when a member is heard of, not when they change: a change costs a counter, however many groups there
 * are, and members learn of anything by their heartbeats only. What the group last saw is in its record as a hash, so that
 * nothing is missed over a restart.
 */

import { compare } from "../assignor/Assignor.ts"
import type { GroupTurn } from "../classic/Rebalance.ts"
import { type ConsumerContext, write } from "./ConsumerContext.ts"
import { REGEX_REFRESH_INTERVAL_MS, type TopicsView } from "./ConsumerEnvironment.ts"
import type { ConsumerGroup } from "./ConsumerGroup.ts"

/** A group begins here, so that no member's epoch is the one that means joining. */
const FIRST_EPOCH = 1

/** Writes what follows from a change of subscriptions (`changed`), or of topics since the group last looked. */
export const refreshSubscriptions = (
  context: ConsumerContext,
  turn: GroupTurn,
  group: ConsumerGroup,
  changed: boolean
): void => {
  const stale = group.topicsSeen !== context.topicChanges || turn.now >= group.regexesDueAt
  if (!changed && !stale && group.epoch > 0) return
  const topics = context.environment.topics()
  forgetRegexes(context, turn, group)
  if (stale) group.regexesDueAt = Number.POSITIVE_INFINITY
  resolveRegexes(context, turn, group, topics, stale)
  const metadataHash = hashOf(group, topics)
  if (changed || metadataHash !== group.metadataHash) bumpEpoch(context, turn, group, metadataHash)
  else if (group.epoch === 0) writeEpoch(context, turn, group, FIRST_EPOCH, metadataHash)
  group.topicsSeen = context.topicChanges
}

/** Members left: the epoch rises whatever they were subscribed to. */
export const bumpForDeparture = (context: ConsumerContext, turn: GroupTurn, group: ConsumerGroup): void => {
  forgetRegexes(context, turn, group)
  bumpEpoch(context, turn, group, hashOf(group, context.environment.topics()))
}

const bumpEpoch = (context: ConsumerContext, turn: GroupTurn, group: ConsumerGroup, metadataHash: number): void =>
  writeEpoch(context, turn, group, Math.max(group.epoch, FIRST_EPOCH) + 1, metadataHash)

const writeEpoch = (
  context: ConsumerContext,
  turn: GroupTurn,
  group: ConsumerGroup,
  epoch: number,
  metadataHash: number
): void => {
  write(context, turn, { _tag: "ConsumerGroupMetadata", groupId: group.groupId, value: { epoch, metadataHash } })
}

const forgetRegexes = (context: ConsumerContext, turn: GroupTurn, group: ConsumerGroup): void => {
  for (const regularExpression of [...group.regexes.keys()]) {
    if (group.subscribedRegexes.has(regularExpression)) continue
    write(context, turn, {
      _tag: "ConsumerGroupRegularExpression",
      groupId: group.groupId,
      regularExpression,
      value: null
    })
  }
}

/**
 * Resolves what was never resolved, and when topics have changed everything else: not more often than each so many
 * seconds, since it costs a look at every topic.
 */
const resolveRegexes = (
  context: ConsumerContext,
  turn: GroupTurn,
  group: ConsumerGroup,
  topics: TopicsView,
  stale: boolean
): void => {
  for (const regex of group.subscribedRegexes.keys()) {
    const before = group.regexes.get(regex)
    if (before !== undefined) {
      if (!stale) continue
      const age = turn.now - before.timestamp
      if (age >= 0 && age < REGEX_REFRESH_INTERVAL_MS) {
        group.regexesDueAt = Math.min(group.regexesDueAt, before.timestamp + REGEX_REFRESH_INTERVAL_MS)
        continue
      }
    }
    const matching = matchingTopics(context, topics, regex)
    if (before !== undefined && sameNames(before.topics, matching)) continue
    write(context, turn, {
      _tag: "ConsumerGroupRegularExpression",
      groupId: group.groupId,
      regularExpression: regex,
      value: { topics: matching, version: topics.version, timestamp: turn.now }
    })
  }
}

/** Internal topics take part, as in Kafka: who asks for all topics gets them all. */
const matchingTopics = (context: ConsumerContext, topics: TopicsView, regex: string): ReadonlyArray<string> => {
  const compiled = context.environment.compileRegex(regex)
  // It was valid when it came; a log of another broker may hold what this one does not understand.
  if ("reason" in compiled) return []
  const matching: Array<string> = []
  for (const name of topics.names()) if (compiled.matches(name)) matching.push(name)
  return matching.sort(compare)
}

const sameNames = (a: ReadonlyArray<string>, b: ReadonlyArray<string>): boolean =>
  a.length === b.length && a.every((name, i) => name === b[i])

/** A sum, so that the order of the topics does not matter; 0 when none of them exists. 52 bits: a safe integer. */
const hashOf = (group: ConsumerGroup, topics: TopicsView): number => {
  let high = 0
  let low = 0
  for (const name of group.subscribedTopics()) {
    const topic = topics.topic(name)
    if (topic === undefined) continue
    const text = `${topic.topicId}/${topic.partitions}/${name}`
    high = (high + hash32(text, 0x9747_b28c)) >>> 0
    low = (low + hash32(text, 0x811c_9dc5)) >>> 0
  }
  return (high & 0xf_ffff) * 0x1_0000_0000 + low
}

/** FNV-1a over UTF-16 units, finished so that every bit of the text reaches every bit of the sum. */
const hash32 = (text: string, seed: number): number => {
  let hash = seed
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x0100_0193)
  hash = Math.imul(hash ^ (hash >>> 16), 0x85eb_ca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2_ae35)
  return (hash ^ (hash >>> 16)) >>> 0
}
