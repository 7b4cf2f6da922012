/** Reading flags and printing, as the commands that talk to a cluster do it. */
import type { Parsed } from "../args/Command.ts"

export const print = (text: string): void => {
  process.stdout.write(`${text}\n`)
}

export const switched = (parsed: Parsed, name: string): boolean => parsed.flags.get(name)?.[0] === "true"
