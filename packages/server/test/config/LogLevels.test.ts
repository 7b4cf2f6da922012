import { layerLogging } from "@chronik-effect/server/config/Logging.ts"
import { LogLevels, make, SETTABLE_LEVELS } from "@chronik-effect/server/config/LogLevels.ts"
import { Effect } from "effect"
import { describe, expect, it, vi } from "vitest"

describe("the level of the log", () => {
  it("goes by Kafka's names, and takes no other", () => {
    const levels = make("warn")
    expect(levels.name()).toBe("WARN")
    expect(SETTABLE_LEVELS).toEqual(["DEBUG", "ERROR", "FATAL", "INFO", "TRACE", "WARN"])
    for (const name of SETTABLE_LEVELS) {
      expect(levels.set(name)).toBe(true)
      expect(levels.name()).toBe(name)
    }
    for (const name of ["OFF", "warn", "", "LOUD"]) expect(levels.set(name)).toBe(false)
    expect(make("none").name()).toBe("OFF")
    expect(make("none").writes("Fatal")).toBe(false)
  })

  it("decides line by line what is written, while the node runs", () => {
    const written: Array<string> = []
    const spy = vi.spyOn(console, "error").mockImplementation((line) => void written.push(String(line)))
    try {
      Effect.runSync(
        Effect.gen(function* () {
          const levels = yield* LogLevels
          yield* Effect.logDebug("quiet")
          yield* Effect.logInfo("one")
          levels.set("DEBUG")
          yield* Effect.logDebug("two")
          levels.set("ERROR")
          yield* Effect.logWarning("quiet")
          yield* Effect.logError("three")
        }).pipe(Effect.provide(layerLogging({ logFormat: "logfmt", logLevel: "info" })))
      )
    } finally {
      spy.mockRestore()
    }
    expect(written.map((line) => /message=(\w+)/.exec(line)?.[1])).toEqual(["one", "two", "three"])
  })
})
