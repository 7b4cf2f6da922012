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
}

/** The version whose names and tests the list is about. */
export const LIBRDKAFKA_VERSION = "2.15.1"

export const readAllowList = (): ReadonlyArray<AllowedTest> =>
  JSON.parse(readFileSync(new URL("./allow.json", import.meta.url), "utf8"))

/** Tests are chosen by number: all tests of a number and scenario run in one process. */
export interface Group {
  readonly number: string
  readonly scenario: "default" | "noautocreate"
  readonly tests: ReadonlyArray<AllowedTest>
}

export const groups = (tests: ReadonlyArray<AllowedTest>): ReadonlyArray<Group> => {
  const byKey = new Map<string, Array<AllowedTest>>()
  for (const test of tests) {
    const key = `${test.name.slice(0, 4)} ${test.scenario ?? "default"}`
    const known = byKey.get(key)
    if (known === undefined) byKey.set(key, [test])
    else known.push(test)
  }
  return [...byKey].map(([key, members]) => {
    const [number, scenario] = key.split(" ") as [string, Group["scenario"]]
    return { number, scenario, tests: members }
  })
}
