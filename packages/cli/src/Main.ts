/**
 * The process: runs the command line of `process.argv` and ends with its exit code. The only module with an effect on import.
 */
import { run } from "./Cli.ts"

const code = await run(process.argv.slice(2))
// Not process.exit: output that is still in a pipe must arrive.
process.exitCode = code
