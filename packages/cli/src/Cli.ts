/**
 * The command line: arguments in, exit code out. Whatever goes wrong in an expected way is one sentence on stderr; a stack
 * trace is shown only for a defect of this program, and says so.
 */
import { parse } from "./args/Command.ts"
import { CliFailure, EXIT_FAILED } from "./CliFailure.ts"
import { ROOT } from "./Commands.ts"
import { renderHelp } from "./render/help.ts"
import { paintFor } from "./render/paint.ts"
import { VERSION } from "./Version.ts"

export async function run(argv: ReadonlyArray<string>): Promise<number> {
  try {
    if (argv.length === 1 && (argv[0] === "--version" || argv[0] === "-v")) {
      process.stdout.write(`${VERSION}\n`)
      return 0
    }
    const parsed = parse(ROOT, argv)
    if (parsed.help || parsed.command.run === undefined) {
      const page = renderHelp(parsed.command, parsed.path)
      // Asked for: an answer. Not asked for (`chronik-effect topic`): the explanation of a failure.
      ;(parsed.help ? process.stdout : process.stderr).write(page)
      return parsed.help ? 0 : EXIT_FAILED
    }
    return await parsed.command.run(parsed)
  } catch (error) {
    return report(error)
  }
}

function report(error: unknown): number {
  const mark = paintFor(process.stderr, process.env)("red", "error:")
  if (error instanceof CliFailure) {
    process.stderr.write(`${mark} ${error.message}\n`)
    return error.exitCode
  }
  const stack = error instanceof Error ? (error.stack ?? error.message) : String(error)
  process.stderr.write(
    `${mark} This is a defect of chronik-effect ${VERSION}; please report it with these lines:\n${stack}\n`
  )
  return EXIT_FAILED
}
