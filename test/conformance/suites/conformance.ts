/**
 * `npm run conformance`: other people's clients, tools and test suites against a broker of ours, one suite after another.
 *
 * ```
 * npm run conformance -- [--only SUITE[,SUITE]] [--case PART[,PART]] [--bootstrap HOST:PORT] [--jobs N] [--list]
 * ```
 * A suite that needs what the machine lacks is skipped with a message. Tools, downloads and builds live in the directory of
 * CHRONIK_CONFORMANCE (default ~/.cache/chronik-conformance). The exit code is 1 when something that must pass does not.
 */
import { homedir } from "node:os"
import { join } from "node:path"
import { parseArgs } from "node:util"
import { foreignBroker, ownBrokers } from "./Brokers.ts"
import { folder } from "./Programs.ts"
import { type Report, summary } from "./Report.ts"
import { type Case, type Context, type Suite, since } from "./Suite.ts"
import { SUITES } from "./suites.ts"

const list = (text: string | undefined): ReadonlyArray<string> => text?.split(",").filter((part) => part !== "") ?? []

const options = () => {
  const { values } = parseArgs({
    options: {
      only: { type: "string" },
      case: { type: "string" },
      bootstrap: { type: "string" },
      jobs: { type: "string", default: "2" },
      list: { type: "boolean", default: false }
    }
  })
  const only = list(values.only)
  const unknown = only.filter((name) => !SUITES.some((suite) => suite.name === name))
  if (unknown.length > 0) throw new Error(`There is no suite ${unknown.join(", ")}: --list shows them.`)
  const jobs = Number(values.jobs)
  if (!Number.isInteger(jobs) || jobs < 1) throw new Error(`--jobs takes a number of processes, not ${values.jobs}.`)
  return { ...values, jobs, suites: SUITES.filter((suite) => only.length === 0 || only.includes(suite.name)) }
}

const runSuite = async (suite: Suite, context: Context): Promise<Report> => {
  const started = performance.now()
  const report = (cases: ReadonlyArray<Case>, missing = ""): Report => ({
    suite: suite.name,
    cases,
    missing,
    seconds: since(started)
  })
  const broken = (error: unknown, while_: string) => {
    const reason = `${while_}: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`
    context.say(`  FAIL ${reason}`)
    return report([{ name: suite.name, outcome: "failed", reason, seconds: since(started) }])
  }
  context.say(`${suite.name}: ${suite.about}`)
  let missing: string | undefined
  try {
    missing = await suite.prepare(context)
  } catch (error) {
    return broken(error, "while it was prepared")
  }
  if (missing !== undefined) {
    context.say(`  skipped: ${missing}`)
    return report([], missing)
  }
  const ran = (cases: ReadonlyArray<Case>): Report =>
    // A suite that ran nothing has shown nothing; with --case it may be meant.
    cases.length === 0 && context.only.length === 0 ? broken(new Error("no case ran"), "at its end") : report(cases)
  return suite.run(context).then(ran, (error: unknown) => broken(error, "outside of its cases"))
}

const main = async (): Promise<number> => {
  const { suites, bootstrap, jobs, case: cases, list: listing } = options()
  if (listing) {
    for (const suite of suites) process.stdout.write(`${suite.name.padEnd(24)}${suite.about}\n`)
    return 0
  }
  const context: Context = {
    cache: folder(process.env.CHRONIK_CONFORMANCE ?? join(homedir(), ".cache", "chronik-conformance")),
    withBroker: bootstrap === undefined ? ownBrokers : foreignBroker(bootstrap),
    jobs,
    only: list(cases),
    say: (line) => process.stdout.write(`${line}\n`)
  }
  const reports: Array<Report> = []
  for (const suite of suites) reports.push(await runSuite(suite, context))
  const { text, failed } = summary(reports)
  process.stdout.write(`\n${text}\n`)
  return failed ? 1 : 0
}

process.exitCode = await main().catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`)
  return 2
})
