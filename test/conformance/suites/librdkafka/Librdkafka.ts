/**
 * librdkafka's own broker tests, against a fresh broker for each number, with the classic group protocol or KIP-848's.
 *
 * The tests have limits in wall-clock time, so one that fails beside others is tried again alone before it counts as failed.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { stripVTControlCharacters } from "node:util"
import { account, type Finished, run } from "../Programs.ts"
import { type Case, Cases, type Context, type Suite } from "../Suite.ts"
import { type AllowedTest, type Group, groups, type Protocol, readAllowList } from "./AllowList.ts"
import { buildLibrdkafka, kafkaScripts, testsFolder } from "./Build.ts"

/** The release whose behaviour the tests expect: the newest that they know. */
const BROKER_VERSION = "4.2.0"
const TEST_MS_MAX = 900_000

interface Verdict {
  readonly state: string
  readonly seconds: number
}

interface Ran {
  readonly finished: Finished
  readonly verdicts: ReadonlyMap<string, Verdict>
}

const runGroup = (context: Context, group: Group, protocol: Protocol, kafkaPath: string | undefined): Promise<Ran> => {
  const config = { ...group.config, "auto.create.topics.enable": String(group.scenario === "default") }
  return context.withBroker({ partitions: 4, config }, async (broker) => {
    const scratch = mkdtempSync(join(tmpdir(), "chronik-librdkafka-"))
    const tests = testsFolder(context.cache)
    const report = join(scratch, "report.json")
    writeFileSync(join(scratch, "test.conf"), `bootstrap.servers=${broker.bootstrap}\n`)
    const env = {
      TESTS: group.number,
      TEST_KAFKA_VERSION: BROKER_VERSION,
      TEST_SCENARIO: group.scenario,
      TEST_CONSUMER_GROUP_PROTOCOL: protocol,
      ...(group.part === undefined ? {} : { SUBTESTS: group.part }),
      TEST_REPORT: report,
      RDKAFKA_TEST_CONF: join(scratch, "test.conf"),
      LD_LIBRARY_PATH: `${join(tests, "../src")}:${join(tests, "../src-cpp")}`,
      BROKERS: broker.bootstrap,
      ...(kafkaPath === undefined ? {} : { KAFKA_PATH: kafkaPath })
    }
    // One test at a time, no tests without a broker, no known issues of librdkafka's own. Not its quick mode: that passes
    // over most parts of most tests.
    const finished = await run("./test-runner", ["-p1", "-L", "-K"], {
      cwd: tests,
      env,
      timeoutMs: TEST_MS_MAX
    })
    try {
      return { finished, verdicts: finished.timedOut ? new Map() : verdictsOf(report, group.number) }
    } finally {
      rmSync(scratch, { recursive: true, force: true })
    }
  })
}

/** A broker that did not start leaves the tests without a verdict: so do the ones that were not tried. */
const attempt = (context: Context, group: Group, protocol: Protocol, kafkaPath: string | undefined): Promise<Ran> =>
  runGroup(context, group, protocol, kafkaPath).catch((error: unknown) => ({
    finished: { code: null, stdout: "", stderr: String(error), timedOut: false, command: `the tests ${group.number}` },
    verdicts: new Map()
  }))

const verdictsOf = (report: string, number: string): ReadonlyMap<string, Verdict> => {
  const { tests } = JSON.parse(readFileSync(report, "utf8")) as {
    readonly tests: Readonly<Record<string, { readonly state: string; readonly duration: number }>>
  }
  return new Map(
    Object.entries(tests)
      .filter(([name]) => name.startsWith(number))
      .map(([name, { state, duration }]) => [name, { state, seconds: duration }])
  )
}

const written = (finished: Finished): string => stripVTControlCharacters(`${finished.stdout}\n${finished.stderr}`)

const judge = (test: AllowedTest, protocol: Protocol, group: Group, ran: Ran): Case => {
  const verdict = ran.verdicts.get(test.name)
  const seconds = verdict?.seconds ?? 0
  const name = group.part === undefined ? test.name : `${test.name} (${group.part})`
  const rule = group.part === undefined ? test[protocol] : true
  if (verdict?.state === "PASSED") {
    // A filter that no sub-test's name matches would pass, too.
    if (group.part !== undefined && !/\bPASS \(/.test(written(ran.finished))) {
      return { name, outcome: "failed", reason: "no sub-test of that name ran", seconds }
    }
    return { name, outcome: "passed", reason: rule === true ? "" : `passes now, but the list says: ${rule}`, seconds }
  }
  if (rule !== true) return { name, outcome: "skipped", reason: rule, seconds }
  const lacking = /SKIPPING TEST: (.*)/.exec(written(ran.finished))?.[1]
  if (verdict?.state === "SKIPPED" && lacking !== undefined)
    return { name, outcome: "skipped", reason: lacking, seconds }
  const what = verdict === undefined ? "gave no verdict" : verdict.state
  return { name, outcome: "failed", reason: `${what}: ${failure(ran.finished, test.name)}`, seconds }
}

/** The sentences of the test itself where there are some, else how the runner ended. */
const failure = (finished: Finished, test: string): string => {
  const lines = written(finished).split("\n")
  const at = lines.findIndex((line) => line.startsWith(`### Test "${test}`))
  return at < 0 ? account(finished) : `${lines[at + 1]}; ${lines[at]}`
}

/** What ran and is in no line of the list. */
const unlisted = (ran: Ran, known: ReadonlySet<string>): ReadonlyArray<Case> =>
  [...ran.verdicts]
    .filter(([name, { state }]) => !known.has(name) && state !== "SKIPPED")
    .map(([name, { state, seconds }]) => ({
      name,
      outcome: "failed",
      reason: `${state}, and allow.json has no line for it: add one.`,
      seconds
    }))

const wanted = (context: Context, protocol: Protocol): ReadonlyArray<Group> => {
  const named = (test: AllowedTest) => context.only.some((part) => test.name.includes(part))
  return groups(readAllowList(), protocol).filter((group) =>
    // What does not pass runs only when it is asked for by name: most of it waits until a limit ends it.
    context.only.length === 0
      ? group.part !== undefined || group.tests.some((test) => test[protocol] === true)
      : group.tests.some(named)
  )
}

const runAll = async (context: Context, protocol: Protocol): Promise<ReadonlyArray<Case>> => {
  const cases = new Cases(context)
  const allow = readAllowList()
  const known = new Set(allow.map((test) => test.name))
  const kafkaPath = await kafkaScripts(context)
  const waiting = [...wanted(context, protocol)]
  const again: Array<Group> = []
  const worker = async () => {
    for (let group = waiting.shift(); group !== undefined; group = waiting.shift()) {
      const ran = await attempt(context, group, protocol, kafkaPath)
      const verdicts = group.tests.map((test) => judge(test, protocol, group, ran))
      if (context.jobs > 1 && verdicts.some((verdict) => verdict.outcome === "failed")) {
        again.push(group)
        context.say(`  ...  ${group.number} failed beside others and will be tried alone`)
      } else for (const verdict of [...verdicts, ...unlisted(ran, known)]) cases.push(verdict)
    }
  }
  await Promise.all(Array.from({ length: context.jobs }, worker))
  for (const group of again) {
    const ran = await attempt(context, group, protocol, kafkaPath)
    for (const test of group.tests) cases.push(judge(test, protocol, group, ran))
    for (const stranger of unlisted(ran, known)) cases.push(stranger)
  }
  const ranNames = new Set(cases.all.map((result) => result.name))
  for (const test of context.only.length > 0 ? [] : allow.filter((one) => !ranNames.has(one.name))) {
    cases.push({ name: test.name, outcome: "skipped", reason: String(test[protocol]), seconds: 0 })
  }
  return cases.all
}

const suite = (name: string, protocol: Protocol): Suite => ({
  name,
  about: `librdkafka's own broker tests, group.protocol=${protocol}`,
  prepare: buildLibrdkafka,
  run: (context) => runAll(context, protocol)
})

export const librdkafkaClassic = suite("librdkafka", "classic")
export const librdkafkaConsumer = suite("librdkafka-consumer", "consumer")
