/**
 * docs/oracle.md, made of the table of differences.
 */
import { resolve } from "node:path"
import { notAsked, type Rule, rules } from "./Differences.ts"

export const DOCUMENT_PATH = resolve(import.meta.dirname, "../../../docs/oracle.md")

const HEAD = `# Differences from Apache Kafka

\`npm run oracle\` sends the same seeded script of requests to Apache Kafka 4.3.1 and to chronik-effect and compares the
answers field by field, modulo ids, times, endpoints, throttle times and wording. Each difference that is left is listed here
with its reason; any other one fails the command. This page is made of the table in
\`test/conformance/oracle/Differences.ts\` by \`npm run oracle -- --write-docs\`; a test checks that it is up to date.

Not compared, in any answer: the wording of messages and documentation (their presence is; null and "" are both none), throttle times, free and total
bytes of a disk, the epoch of the finalized features. Orders that Kafka takes from hash maps are no promise: such lists are
compared as sets. A piece of a batch at the end of a fetched partition is left out of the comparison: clients drop it.
`

const NOT_ASKED = "Not asked, because no comparison could tell it from a mistake:\n"

const cell = (text: string): string => text.replaceAll("|", "\\|")

const row = (rule: Rule): string => {
  const versions = rule.versions === undefined ? "all" : `${rule.versions[0]}-${rule.versions[1]}`
  const path = typeof rule.path === "string" ? rule.path : rule.path.source
  return `| ${rule.api === "*" ? "any" : rule.api} | ${versions} | \`${cell(path)}\` | ${cell(rule.what)} | ${cell(rule.reason)} |`
}

export const renderDocument = (): string =>
  [
    HEAD,
    "| API | versions | field | difference | reason |",
    "|---|---|---|---|---|",
    ...rules.map(row),
    "",
    NOT_ASKED,
    ...notAsked.map(({ what, reason }) => `- ${what}: ${reason}`),
    ""
  ].join("\n")
