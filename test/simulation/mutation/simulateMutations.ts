/**
 * Plants each bug of the list and hunts it. Fails when one is not found within its seeds, or when its text no longer fits.
 *
 *   npm run simulate:mutations -- [--only name] [--quarter 0..3] [--processes 2]
 *
 * A run of the whole list writes the table into docs/simulation.md; a part of it only reports.
 */
import { existsSync, readFileSync, writeFileSync } from "node:fs"
import { availableParallelism } from "node:os"
import { parseArgs } from "node:util"
import { DEFAULT_WORLD } from "../hunt/Jobs.ts"
import { EMPTY_DOCUMENT, placeTable } from "./Document.ts"
import { isGood, renderResult, renderTable, tryMutations } from "./Harness.ts"
import { ROOT } from "./Mutation.ts"
import { MUTATIONS } from "./mutations.ts"

const DOCUMENT = `${ROOT}docs/simulation.md`
const QUARTERS = 4

const { values } = parseArgs({
  options: {
    only: { type: "string" },
    quarter: { type: "string" },
    processes: { type: "string", default: String(availableParallelism()) }
  }
})

const chosen = MUTATIONS.filter(
  (mutation, index) =>
    (values.only === undefined || mutation.name === values.only) &&
    (values.quarter === undefined || index % QUARTERS === Number(values.quarter) % QUARTERS)
)
if (chosen.length === 0) {
  console.error(values.only === undefined ? "there are no mutations to plant" : `there is no mutation "${values.only}"`)
  process.exit(2)
}

// An exit takes the child processes along; a signal alone would not.
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(1))

const startedMs = performance.now()
const results = await tryMutations(DEFAULT_WORLD, chosen, Number(values.processes), (result) =>
  console.log(renderResult(result))
)
const bad = results.filter((result) => !isGood(result))
if (chosen.length === MUTATIONS.length) {
  const document = existsSync(DOCUMENT) ? readFileSync(DOCUMENT, "utf8") : EMPTY_DOCUMENT
  writeFileSync(DOCUMENT, placeTable(document, renderTable(results)))
}
const seconds = (performance.now() - startedMs) / 1_000
console.log(`${results.length} mutations, ${bad.length} not found or unsound, ${seconds.toFixed(1)} s`)
process.exitCode = bad.length > 0 ? 1 : 0
