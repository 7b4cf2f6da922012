/**
 * Cases that a program in another language runs: it tells a line a case, `ok NAME`, `not ok NAME: reason` or
 * `skip NAME: reason`, and after a tab the seconds that it took.
 */
import { account, type Finished } from "./Programs.ts"
import type { Case, Cases, Outcome } from "./Suite.ts"

const LINE = /^(ok|not ok|skip) ([^:\t]+)(?:: (.*?))?\t([\d.]+)$/
const OUTCOMES: Readonly<Record<string, Outcome>> = { ok: "passed", "not ok": "failed", skip: "skipped" }

const parse = (line: string): Case | undefined => {
  const found = LINE.exec(line)
  if (found === null) return undefined
  const [, word, name, reason, seconds] = found
  return { name: name!, outcome: OUTCOMES[word!]!, reason: reason ?? "", seconds: Number(seconds) }
}

/** Adds what the program told; one that ended badly, or told of no case, is a failed case of its own. */
export const addTold = (cases: Cases, finished: Finished): void => {
  const told = finished.stdout.split("\n").flatMap((line) => parse(line) ?? [])
  for (const one of told) cases.push(one)
  if (finished.code === 0 && !finished.timedOut && told.length > 0) return
  const reason = told.length === 0 ? `told of no case; ${account(finished)}` : account(finished)
  cases.push({ name: "the whole program", outcome: "failed", reason, seconds: 0 })
}
