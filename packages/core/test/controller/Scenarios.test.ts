import { readdirSync, readFileSync, writeFileSync } from "node:fs"
import { expect, test } from "vitest"
import { rewrite } from "./Scenario.ts"

const folder = new URL("./testdata/", import.meta.url)

for (const name of readdirSync(folder).filter((file) => file.endsWith(".txt"))) {
  test(`scenario ${name}`, () => {
    const file = new URL(name, folder)
    const source = readFileSync(file, "utf8")
    const now = rewrite(source)
    if (process.env["REWRITE"] === "1") writeFileSync(file, now)
    else expect(now).toBe(source)
  })
}
