/**
 * Assertions of what must hold, on in production.
 *
 * A failed assertion is a defect of this program, never of a client's input: bad input is answered by value (`ErrorCode`,
 * `Result`). The message is a sentence that names the broken rule.
 */
export class AssertionError extends Error {
  override readonly name = "AssertionError"
}

export function assert(condition: boolean, message: string): asserts condition {
  if (!condition) throw new AssertionError(message)
}

/** For the default branch of a switch over a union that the compiler has proven complete. */
export function unreachable(value: never): never {
  throw new AssertionError(`unexpected value ${String(value)}`)
}
