import { compiledCodec } from "@chronik-effect/core/protocol/Compiler.ts"
import { interpretedCodec } from "@chronik-effect/core/protocol/Interpreter.ts"
import { codecOf } from "@chronik-effect/core/protocol/Message.ts"
import { planOf } from "@chronik-effect/core/protocol/Plan.ts"
import { ProtocolError } from "@chronik-effect/core/protocol/ProtocolError.ts"
import { Reader } from "@chronik-effect/core/protocol/Reader.ts"
import { Writer } from "@chronik-effect/core/protocol/Writer.ts"
import fc from "fast-check"
import { describe, expect, test } from "vitest"
import { allMessages, versionsOf } from "./allMessages.ts"
import { completed, valueArbitrary } from "./MessageArbitrary.ts"

const RUNS = 25
const writer = new Writer()

/** Result of a decoder as data, so that two decoders can be compared on bytes that are wrong, too. */
const outcome = (decode: (reader: Reader) => unknown, bytes: Uint8Array): unknown => {
  const reader = new Reader(bytes)
  try {
    return { value: decode(reader), pos: reader.pos }
  } catch (error) {
    if (error instanceof ProtocolError) return { error: error.message }
    throw error
  }
}

describe.each(allMessages.map((message) => ({ name: message.name, message })))("$name", ({ message }) => {
  test.each(versionsOf(message))("version %i survives the round trip in both codecs", (version) => {
    const compiled = codecOf(message, version)
    const interpreted = interpretedCodec(planOf(message, version))
    fc.assert(
      fc.property(valueArbitrary(message, version), (value) => {
        compiled.encode(writer.reset(), value)
        const bytes = writer.finishBytes()
        const expected = completed(message, version, value)
        // Once as plain bytes and once as a Buffer: text is read in different ways.
        for (const form of [bytes, Buffer.from(bytes)]) {
          const reader = new Reader(form)
          expect(completed(message, version, compiled.decode(reader))).toStrictEqual(expected)
          expect(reader.remaining).toBe(0)
        }
        interpreted.encode(writer, value)
        expect(Buffer.from(writer.finishBytes()).equals(bytes)).toBe(true)
        expect(completed(message, version, interpreted.decode(new Reader(bytes)))).toStrictEqual(expected)
      }),
      { numRuns: RUNS }
    )
  })

  test.each(versionsOf(message))(
    "version %i refuses damaged bytes with a ProtocolError and nothing else",
    (version) => {
      const compiled = compiledCodec(planOf(message, version))
      const interpreted = interpretedCodec(planOf(message, version))
      const damaged = fc.tuple(valueArbitrary(message, version), fc.nat(), fc.nat(255), fc.boolean())
      fc.assert(
        fc.property(damaged, fc.uint8Array({ maxLength: 64 }), ([value, place, byte, cut], noise) => {
          compiled.encode(writer, value)
          const bytes = Uint8Array.from(writer.finishBytes())
          const at = bytes.length === 0 ? 0 : place % bytes.length
          if (!cut && bytes.length > 0) bytes[at] = byte
          for (const input of [cut ? bytes.subarray(0, at) : bytes, noise]) {
            expect(outcome(compiled.decode, input)).toEqual(outcome(interpreted.decode, input))
          }
        }),
        { numRuns: RUNS }
      )
    }
  )
})
