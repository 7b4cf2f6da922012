import { describe, expect, it } from "@effect/vitest"
import { Effect } from "effect"
import { type Matcher, makeRegularExpressions } from "../../src/coordinator/RegularExpressions.ts"

const { compile, load } = makeRegularExpressions()

const matcher = (pattern: string): Matcher => {
  const compiled = compile(pattern)
  if ("reason" in compiled) throw new Error(compiled.reason)
  return compiled
}

describe("regular expressions of clients", () => {
  it("who compiles before the library is there has made a mistake", () => {
    expect(() => makeRegularExpressions().compile("t.*")).toThrow("loaded before it is used")
  })

  it.effect("the whole text must match, by RE2's rules", () =>
    Effect.gen(function* () {
      yield* load
      yield* load
      expect(matcher("t.*").matches("t1")).toBe(true)
      expect(matcher("t").matches("t1")).toBe(false)
      expect(matcher("(?i)ORDERS-[[:digit:]]+").matches("orders-17")).toBe(true)
      expect(matcher("a|b").matches("b")).toBe(true)
      expect(matcher("\\p{L}+").matches("é")).toBe(true)
    })
  )

  it.effect("what RE2 does not know is refused with a reason", () =>
    Effect.gen(function* () {
      yield* load
      for (const pattern of ["(", "(?=x)", "\\1", "a{1001}", "x*+", "[z-a]", "(a{1000}){1000}"]) {
        expect(compile(pattern), pattern).toHaveProperty("reason")
      }
      expect(compile("(")).toEqual({ reason: "missing closing )" })
      expect(compile("*")).toEqual({ reason: "missing argument to repetition operator" })
      expect(compile("x".repeat(4_097))).toHaveProperty("reason")
      expect(compile("x".repeat(4_096))).toHaveProperty("matches")
    })
  )

  it.effect("no expression takes long, whatever the name", () =>
    Effect.gen(function* () {
      yield* load
      const name = "a".repeat(249)
      const started = performance.now()
      for (const pattern of ["(a*)*b", "(a+)+$x", "(a|aa)+b", "(.*)*(.*)*(.*)*b"]) {
        expect(matcher(pattern).matches(name)).toBe(false)
      }
      expect(performance.now() - started).toBeLessThan(2_000)
    })
  )
})
