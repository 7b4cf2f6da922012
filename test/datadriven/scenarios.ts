/**
 * Text scenarios: what is done, `----`, and what came of it.
 *
 * A file is a list of blocks, an empty line between two: command lines, `----`, the trace (`ok` when there is none). Lines that
 * begin with `#` are remarks. One scenario lives through a whole file. `REWRITE=1` writes the traces as they are now: commit a
 * rewrite only if you understand it.
 */
import { readdirSync, readFileSync, writeFileSync } from "node:fs"
import { expect, test } from "vitest"

export interface TextScenario {
  /** Runs one command line; the lines of its trace. */
  readonly run: (line: string) => ReadonlyArray<string>
}

/** The file with the traces as they are now. */
export const rewrite = (source: string, scenario: TextScenario): string => {
  const blocks = source.split(/\n\n+/).filter((block) => block.trim() !== "")
  return `${blocks.map((block) => rewriteBlock(block.trim().split("\n"), scenario)).join("\n\n")}\n`
}

const rewriteBlock = (lines: ReadonlyArray<string>, scenario: TextScenario): string => {
  const cut = lines.indexOf("----")
  const commands = cut < 0 ? lines : lines.slice(0, cut)
  const asked = commands.filter((line) => !line.startsWith("#"))
  if (asked.length === 0) return commands.join("\n")
  const trace = asked.flatMap((line) => scenario.run(line))
  return [...commands, "----", ...(trace.length === 0 ? ["ok"] : trace)].join("\n")
}

/** A test for each `.txt` file of the folder. */
export const testScenarios = (folder: URL, begin: () => TextScenario): void => {
  for (const name of readdirSync(folder).filter((file) => file.endsWith(".txt"))) {
    test(`scenario ${name}`, () => {
      const file = new URL(name, folder)
      const source = readFileSync(file, "utf8")
      const now = rewrite(source, begin())
      if (process.env.REWRITE === "1") writeFileSync(file, now)
      else expect(now).toBe(source)
    })
  }
}
