/**
 * Which partition of a coordinator's topic a key belongs to: Kafka's rule, so that tools which compute it agree with us.
 *
 * Java hashes UTF-16 code units, which is what `charCodeAt` gives; the sign bit is cleared instead of taking the absolute
 * value, since |Integer.MIN_VALUE| is negative.
 */
import { assert } from "../base/Assert.ts"

/** `String.hashCode()` of Java, as an int32. */
export const javaStringHash = (text: string): number => {
  let hash = 0
  for (let i = 0; i < text.length; i++) hash = (Math.imul(31, hash) + text.charCodeAt(i)) | 0
  return hash
}

export const coordinatorPartition = (key: string, partitions: number): number => {
  assert(partitions > 0, "a coordinator's topic has at least one partition")
  return (javaStringHash(key) & 0x7fffffff) % partitions
}
