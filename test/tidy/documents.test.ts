/**
 * Documents that name files: what they name exists.
 */
import { existsSync, readFileSync } from "node:fs"
import { resolve } from "node:path"
import { describe, expect, it } from "vitest"

const root = resolve(import.meta.dirname, "../..")

/** Paths in backticks that begin at the root of the repository, or with the short form `core/…` and `server/…` folders. */
const pathsIn = (text: string): ReadonlyArray<string> =>
  [...text.matchAll(/`((?:packages|test|docs|\.ci)\/[\w./-]+)`/g)].map((match) => match[1]!)

const missing = (text: string): ReadonlyArray<string> =>
  pathsIn(text).filter((path) => !existsSync(resolve(root, path)))

describe("documents", () => {
  it.each([
    ...["ARCHITECTURE.md", "README.md", "CHANGELOG.md"],
    ...["docs/requirements.md", "docs/performance.md", "docs/replication.md", "docs/simulation.md"]
  ])("%s names files that exist", (document) => {
    expect(missing(readFileSync(resolve(root, document), "utf8"))).toEqual([])
  })

  it("sees a path that does not exist", () => {
    expect(missing("see `packages/core/src/nowhere.ts` and `test/tidy`")).toEqual(["packages/core/src/nowhere.ts"])
  })
})
