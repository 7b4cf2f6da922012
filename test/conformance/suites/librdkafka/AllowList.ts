/**
 * Which of librdkafka's tests must pass, as data: `allow.json` beside this file. It only grows.
 *
 * A line a test: `true` under a group protocol says that the test must pass with it; a sentence says why it does not pass or
 * says nothing about a broker. A test that the runner knows and the list does not is a failure: somebody must decide.
 */
import { readFileSync } from "node:fs"

export type Protocol = "classic" | "consumer"

export interface AllowedTest {
  readonly name: string
  readonly classic: true | string
  readonly consumer: true | string
  /** librdkafka's own name for what the broker must be configured like; `default` when absent. */
  readonly scenario?: "noautocreate"
  /** Broker configs that the test takes for granted. */
  readonly config?: Readonly<Record<string, string>>
  /** Sub-tests that must pass although the test as a whole cannot; each is a part of a sub-test's name. */
  readonly parts?: ReadonlyArray<string>
  /** Of these parts, the ones that the test itself leaves out with the consumer protocol. */
  readonly consumerSkips?: ReadonlyArray<string>
}

/** The version whose names and tests the list is about. */
export const LIBRDKAFKA_VERSION = "2.15.1"

export const readAllowList = (): ReadonlyArray<AllowedTest> =>
  JSON.parse(readFileSync(new URL("./allow.json", import.meta.url), "utf8"))

/** What one process of the runner is asked for: tests are chosen by number, so all of a number and scenario run together. */
export interface Group {
  readonly number: string
  readonly scenario: "default" | "noautocreate"
  readonly config: Readonly<Record<string, string>>
  readonly tests: ReadonlyArray<AllowedTest>
  /** Only the sub-tests with this in their name, of the only test. */
  readonly part: string | undefined
}

const partsOf = (test: AllowedTest, protocol: Protocol): ReadonlyArray<string> =>
  (test.parts ?? []).filter((part) => protocol === "classic" || !(test.consumerSkips ?? []).includes(part))

export const groups = (tests: ReadonlyArray<AllowedTest>, protocol: Protocol): ReadonlyArray<Group> => {
  const whole = new Map<string, Array<AllowedTest>>()
  for (const test of tests) {
    const key = `${test.name.slice(0, 4)} ${test.scenario ?? "default"}`
    const known = whole.get(key)
    if (known === undefined) whole.set(key, [test])
    else known.push(test)
  }
  const all = [...whole].map(([key, members]): Group => {
    const [number, scenario] = key.split(" ") as [string, Group["scenario"]]
    const config = Object.assign({}, ...members.map((test) => test.config ?? {})) as Readonly<Record<string, string>>
    return { number, scenario, config, tests: members, part: undefined }
  })
  return all.flatMap((group) => [
    group,
    ...group.tests.flatMap((test) =>
      test[protocol] === true ? [] : partsOf(test, protocol).map((part) => ({ ...group, tests: [test], part }))
    )
  ])
}
