/**
 * Which topics a group of consumers is subscribed to, read from its members' metadata.
 *
 * The metadata belongs to the clients (`ConsumerProtocolSubscription`: int16 version, array of topic names, …) and is
 * opaque everywhere else. Only the part that all versions share is read here; bytes that do not look like it mean that
 * nothing is known, never an error.
 */
import type { ClassicGroup } from "./classic/ClassicGroup.ts"
import { metadataFor } from "./classic/Member.ts"

export const CONSUMER_PROTOCOL_TYPE = "consumer"
const utf8 = new TextDecoder("utf-8", { fatal: true })

/** undefined: not a consumer group, or a member's metadata could not be read. */
export const subscribedTopics = (group: ClassicGroup): ReadonlySet<string> | undefined => {
  if (group.protocolType !== CONSUMER_PROTOCOL_TYPE || group.protocolName === null) return undefined
  const topics = new Set<string>()
  for (const member of group.members.values()) {
    const own = topicsOf(metadataFor(member, group.protocolName))
    if (own === undefined) return undefined
    for (const topic of own) topics.add(topic)
  }
  return topics
}

export const topicsOf = (subscription: Uint8Array): ReadonlyArray<string> | undefined => {
  const view = new DataView(subscription.buffer, subscription.byteOffset, subscription.byteLength)
  if (view.byteLength < 6 || view.getInt16(0) < 0) return undefined
  const count = view.getInt32(2)
  const topics: Array<string> = []
  let pos = 6
  for (let i = 0; i < count; i++) {
    if (pos + 2 > view.byteLength) return undefined
    const length = view.getInt16(pos)
    pos += 2
    if (length < 0 || pos + length > view.byteLength) return undefined
    const topic = decodeText(subscription.subarray(pos, pos + length))
    if (topic === undefined) return undefined
    topics.push(topic)
    pos += length
  }
  return count < 0 ? undefined : topics
}

const decodeText = (bytes: Uint8Array): string | undefined => {
  try {
    return utf8.decode(bytes)
  } catch (error) {
    if (error instanceof TypeError) return undefined
    throw error
  }
}
