/**
 * The codec of a message in one version: compiled on first use, then cached.
 *
 * ```ts
 * const codec = codecOf(ProduceRequest, 9)
 * const request = codec.decode(new Reader(frame, bodyStart, frameEnd))
 * ```
 *
 * Where code generation is forbidden the interpreter stands in; both are fuzzed against each other by the tests.
 */
import { assert } from "../base/Assert.ts"
import type { Codec } from "./Codec.ts"
import { canCompile, compiledCodec } from "./Compiler.ts"
import { includes, type Message } from "./Descriptor.ts"
import { interpretedCodec } from "./Interpreter.ts"
import { planOf } from "./Plan.ts"

export type { Codec } from "./Codec.ts"
export type { Message, Partially, TypeOf } from "./Descriptor.ts"

/** Bounded by the program: one entry a message, one element a version of it. */
const codecs = new Map<Message<unknown>, Array<Codec<unknown> | undefined>>()

export const codecOf = <A>(message: Message<A>, version: number): Codec<A> => {
  let versions = codecs.get(message)
  if (versions === undefined) {
    versions = []
    codecs.set(message, versions)
  }
  const known = versions[version]
  if (known !== undefined) return known as Codec<A>
  assert(includes(message.versions, version), `${message.name} has no version ${version}`)
  const plan = planOf(message, version)
  const codec = canCompile ? compiledCodec<A>(plan) : interpretedCodec<A>(plan)
  versions[version] = codec as Codec<unknown>
  return codec
}
