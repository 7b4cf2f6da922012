/** Runs a command line in this process, as the launcher would, and keeps what it prints. */
import { run } from "../../src/Cli.ts"

export interface Printed {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

export async function commandLine(...argv: ReadonlyArray<string>): Promise<Printed> {
  const printed = { stdout: "", stderr: "" }
  const writes = { stdout: process.stdout.write, stderr: process.stderr.write }
  for (const name of ["stdout", "stderr"] as const) {
    process[name].write = (text: string | Uint8Array): boolean => {
      printed[name] += String(text)
      return true
    }
  }
  try {
    const code = await run(argv)
    return { code, ...printed }
  } finally {
    process.stdout.write = writes.stdout
    process.stderr.write = writes.stderr
  }
}

/** The cells of a printed table, without its titles. */
export const rowsOf = (text: string): ReadonlyArray<ReadonlyArray<string>> =>
  text
    .trim()
    .split("\n")
    .map((line) => line.trim().split(/ {2,}/))
