/**
 * The differences from Apache Kafka that have a reason. `npm run oracle` fails on any other, and reports a rule that has
 * matched nothing; docs/oracle.md is made of this table.
 */
import type { Difference } from "./Compare.ts"

export interface Rule {
  /** An API's name, or "*" for all. */
  readonly api: string
  /** Inclusive; absent: all versions. */
  readonly versions?: readonly [number, number]
  /** Path of field names; "…[]" is an element that one side lacks; "(connection)" is answered or closed. */
  readonly path: string | RegExp
  /** What exactly is excused, in words for the document. */
  readonly what: string
  readonly when?: (difference: Difference, request: Readonly<Record<string, unknown>>) => boolean
  readonly reason: string
}

export const rules: ReadonlyArray<Rule> = []

export const ruleFor = (
  api: string,
  version: number,
  difference: Difference,
  request: Readonly<Record<string, unknown>>
): Rule | undefined =>
  rules.find(
    (rule) =>
      (rule.api === "*" || rule.api === api) &&
      (rule.versions === undefined || (version >= rule.versions[0] && version <= rule.versions[1])) &&
      (typeof rule.path === "string" ? rule.path === difference.path : rule.path.test(difference.path)) &&
      (rule.when === undefined || rule.when(difference, request))
  )
