/**
 * The client tests that are in `npm test` already (kafkajs, @platformatic/kafka, kcat), reported beside the other suites.
 */
import { mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join, resolve } from "node:path"
import { account, installed, run } from "./Programs.ts"
import { type Case, Cases, type Context, type Outcome, type Suite } from "./Suite.ts"

const ROOT = resolve(import.meta.dirname, "../../..")

interface Assertion {
  readonly fullName: string
  readonly status: string
  readonly duration?: number | null
  readonly failureMessages?: ReadonlyArray<string>
}

const OUTCOMES: Readonly<Record<string, Outcome>> = { passed: "passed", failed: "failed" }

const caseOf = (test: Assertion): Case => ({
  name: test.fullName.trim(),
  outcome: OUTCOMES[test.status] ?? "skipped",
  reason: test.failureMessages?.join("; ") ?? "",
  seconds: (test.duration ?? 0) / 1000
})

const runFiles = async (context: Context, files: ReadonlyArray<string>): Promise<ReadonlyArray<Case>> => {
  const cases = new Cases(context)
  const scratch = mkdtempSync(join(tmpdir(), "chronik-npm-tests-"))
  const report = join(scratch, "report.json")
  try {
    const vitest = join(ROOT, "node_modules", "vitest", "vitest.mjs")
    const args = [vitest, "run", "--reporter=json", `--outputFile=${report}`, ...files]
    const finished = await run(process.execPath, args, { cwd: ROOT, timeoutMs: 600_000 })
    if (finished.timedOut) throw new Error(account(finished))
    const { testResults } = JSON.parse(readFileSync(report, "utf8")) as {
      readonly testResults: ReadonlyArray<{ readonly assertionResults: ReadonlyArray<Assertion> }>
    }
    for (const test of testResults.flatMap((file) => file.assertionResults)) cases.push(caseOf(test))
    if (cases.all.length === 0) throw new Error(`no test ran: ${account(finished)}`)
    return cases.all
  } finally {
    rmSync(scratch, { recursive: true, force: true })
  }
}

const suite = (
  name: string,
  about: string,
  files: ReadonlyArray<string>,
  missing?: () => string | undefined
): Suite => ({
  name,
  about,
  prepare: async () => missing?.(),
  run: (context) => runFiles(context, files)
})

export const npmSuites: ReadonlyArray<Suite> = [
  suite("kafkajs", "kafkajs 2.2.4, as in npm test", ["test/clients/kafkajs"]),
  suite("platformatic", "@platformatic/kafka 2.12.1, as in npm test", ["test/clients/platformatic"]),
  suite("kcat", "kcat on the machine's librdkafka, as in npm test", ["test/clients/kcat"], () =>
    installed("kcat", "-V") ? undefined : "kcat is not installed (Debian package kcat)."
  )
]
