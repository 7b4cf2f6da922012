/**
 * Regular expressions of clients: RE2's syntax, matched in linear time, as Kafka's coordinator takes them.
 *
 * The expressions come over the wire, so that JavaScript's own engine, which can be made to run for hours, is out of the
 * question. The library is loaded when the first expression comes: a node whose groups name their topics never pays for it.
 * `compile` is synchronous, since the group machine is; who may need it awaits `load` first.
 */
import { assert } from "@chronik-effect/core/base/Assert.ts"
import { Effect } from "effect"
import type { RE2JS } from "re2js"

export interface Matcher {
  /** Whether the whole text matches. */
  readonly matches: (text: string) => boolean
}

/** Longer ones are no expression for topic names; compiling costs time and memory by the length. */
const PATTERN_LENGTH_MAX = 4_096

export interface RegularExpressions {
  /** Completes when `compile` may be called. A package that is not whole is a defect. */
  readonly load: Effect.Effect<void>
  /** `reason`: why it is not a regular expression. */
  readonly compile: (pattern: string) => Matcher | { readonly reason: string }
}

export const makeRegularExpressions = (): RegularExpressions => {
  let library: typeof RE2JS | undefined
  const loadLibrary = Effect.map(
    Effect.promise(() => import("re2js")),
    (loaded) => {
      library = loaded.RE2JS
    }
  )
  return {
    load: Effect.suspend(() => (library === undefined ? loadLibrary : Effect.void)),
    compile: (pattern) => {
      assert(library !== undefined, "the library of regular expressions is loaded before it is used")
      return compile(library, pattern)
    }
  }
}

const compile = (library: typeof RE2JS, pattern: string): Matcher | { readonly reason: string } => {
  if (pattern.length > PATTERN_LENGTH_MAX) return { reason: `it is longer than ${PATTERN_LENGTH_MAX} characters` }
  try {
    const compiled = library.compile(pattern)
    return { matches: (text) => compiled.matches(text) }
  } catch (error) {
    // The library's own errors are about the expression; anything else is a defect of ours or its.
    if (!(error instanceof Error) || !error.name.startsWith("RE2JS")) throw error
    // `error parsing regexp: missing closing ): `(``: Kafka tells the part in the middle.
    return { reason: error.message.replace(/^error parsing regexp: /, "").replace(/: `[\s\S]*`$/, "") }
  }
}
