/**
 * An expected end of a command: the sentence to show (what, why, what to do) and the exit code. Never shown with a stack.
 */
export const EXIT_FAILED = 1
export const EXIT_USAGE = 2

export class CliFailure extends Error {
  override readonly name = "CliFailure"
  readonly exitCode: number
  constructor(message: string, exitCode: number = EXIT_FAILED, options?: ErrorOptions) {
    super(message, options)
    this.exitCode = exitCode
  }
}

/** A wrong flag, variable, file or argument: the caller must write something else. */
export const usage = (message: string): CliFailure => new CliFailure(message, EXIT_USAGE)
