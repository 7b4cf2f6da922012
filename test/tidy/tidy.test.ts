/**
 * The house rules, held against the whole repository, and each check held against a fault planted for it.
 */
import { describe, expect, it } from "vitest"
import * as Checks from "./checks.ts"
import { listFiles, readSource, type Source, sourceOf } from "./Source.ts"

const PRODUCT = ["packages/core/src", "packages/server/src", "packages/cli/src"]
const product = listFiles(...PRODUCT).map(readSource)
const everything = listFiles("packages", "test").map(readSource)
const paths = everything.map((source) => source.path)
const handlers = listFiles("packages/server/src/handlers")
const messages = listFiles("packages/core/src/protocol/messages")

const planted = (path: string, text: string): ReadonlyArray<Source> => [sourceOf(path, text)]

describe("the repository", () => {
  it("keeps its floors", () => expect(Checks.floorProblems(product)).toEqual([]))
  it("has no circles on a floor", () => expect(Checks.circleProblems(product)).toEqual([]))
  it("keeps core pure", () => expect(Checks.purityProblems(product)).toEqual([]))
  it("imports Node in io and the command line only", () => expect(Checks.nodeProblems(product)).toEqual([]))
  it("loads the broker on demand", () => expect(Checks.cliProblems(product)).toEqual([]))
  it("has no file that is too long", () => expect(Checks.sizeProblems(everything)).toEqual([]))
  it("has no function that is too long", () => expect(Checks.functionProblems(everything)).toEqual([]))
  it("waits for events, not for time (R2)", () => expect(Checks.sleepProblems(product)).toEqual([]))
  it("names files by what is inside", () => expect(Checks.nameProblems(paths)).toEqual([]))
  it("names handlers as their messages", () => expect(Checks.handlerProblems(handlers, messages)).toEqual([]))
  it("has no exception that nothing needs", () => expect(Checks.staleExceptions(everything)).toEqual([]))
  it("is seen at all", () => {
    expect(product.length).toBeGreaterThan(50)
    expect(product.flatMap((source) => source.imports).length).toBeGreaterThan(200)
  })
})

const LOW = "packages/core/src/record/X.ts"

describe("floors, on a planted fault", () => {
  it.each([
    ["a relative import", 'import { a } from "../metadata/A.ts"'],
    ["a type import", 'import type { A } from "../metadata/A.ts"'],
    ["a package specifier", 'import { a } from "@chronik-effect/core/metadata/A.ts"'],
    ["another package", 'import { a } from "@chronik-effect/server/io/A.ts"'],
    ["a re-export", 'export * from "../metadata/A.ts"'],
    ["a dynamic import", 'export const load = () => import("../metadata/A.ts")']
  ])("sees %s of a higher floor", (_name, text) => {
    expect(Checks.floorProblems(planted(LOW, text))).toEqual([expect.stringContaining("(floor 2) imports")])
  })

  it("sees a computed import, a folder without a floor, and lets lower and own floors pass", () => {
    expect(Checks.floorProblems(planted(LOW, "export const load = (name: string) => import(name)"))).toHaveLength(1)
    expect(Checks.floorProblems(planted("packages/core/src/attic/X.ts", ""))).toHaveLength(1)
    expect(Checks.floorProblems(planted(LOW, 'import { a } from "../attic/A.ts"'))).toHaveLength(1)
    const fine = 'import { a } from "../base/A.ts"\nimport { b } from "./B.ts"\nimport { c } from "../protocol/C.ts"'
    expect(Checks.floorProblems(planted(LOW, fine))).toEqual([])
    expect(
      Checks.floorProblems(planted(LOW, '// import { a } from "../metadata/A.ts"\nconst s = "import(x)"'))
    ).toEqual([])
  })

  it("sees two folders of a floor that import each other", () => {
    const pair = [
      sourceOf("packages/core/src/record/A.ts", 'import { b } from "../wal/B.ts"'),
      sourceOf("packages/core/src/wal/B.ts", 'import type { A } from "../record/A.ts"')
    ]
    expect(Checks.circleProblems(pair)).toHaveLength(1)
    expect(Checks.circleProblems(pair.slice(0, 1))).toEqual([])
  })
})

describe("purity, on a planted fault", () => {
  it.each([
    'import { readFileSync } from "node:fs"',
    'import { readFileSync } from "fs"',
    'import { Effect } from "effect"',
    'import * as Layer from "effect/Layer"',
    'import { Data, Clock } from "effect"',
    "export const now = () => Date.now()",
    "export const now = () => new Date()",
    "export const dice = () => Math.random()",
    "export const wait = (f: () => void) => setTimeout(f, 1)",
    "export const env = process.env.HOME",
    "export const bytes = Buffer.alloc(1)"
  ])("sees %s", (text) => {
    expect(Checks.purityProblems(planted(LOW, text)).length).toBeGreaterThan(0)
  })

  it("lets data modules pass, and RPC in the contract folders only", () => {
    expect(
      Checks.purityProblems(planted(LOW, 'import { Data, Result } from "effect"\nimport * as O from "effect/Option"'))
    ).toEqual([])
    const rpc = 'import { Rpc } from "effect/rpc"'
    expect(Checks.purityProblems(planted("packages/core/src/peer/X.ts", rpc))).toEqual([])
    expect(Checks.purityProblems(planted(LOW, rpc)).length).toBeGreaterThan(0)
  })
})

describe("the other checks, on a planted fault", () => {
  it("sees Node outside of io", () => {
    for (const name of ["node:net", "fs", "@effect/platform-node/NodeRuntime"]) {
      const text = `import { x } from "${name}"`
      expect(Checks.nodeProblems(planted("packages/server/src/storage/X.ts", text))).toHaveLength(1)
      expect(Checks.nodeProblems(planted("packages/server/src/io/X.ts", text))).toEqual([])
    }
  })

  it("sees the command line load the broker", () => {
    const broker = 'import { startStandalone } from "@chronik-effect/server/Standalone.ts"'
    const storage = 'import { Wal } from "@chronik-effect/server/storage/Wal.ts"'
    expect(Checks.cliProblems(planted("packages/cli/src/commands/Topic.ts", broker))).toHaveLength(1)
    expect(Checks.cliProblems(planted("packages/cli/src/commands/Serve.ts", broker))).toHaveLength(1)
    expect(Checks.cliProblems(planted("packages/cli/src/Cli.ts", storage))).toHaveLength(1)
    expect(Checks.cliProblems(planted("packages/cli/src/testing.ts", broker))).toEqual([])
  })

  it("sees long files and long functions, generators and methods among them", () => {
    const body = "\n".repeat(80)
    expect(Checks.sizeProblems(planted(LOW, "\n".repeat(801)))).toHaveLength(1)
    expect(Checks.sizeProblems(planted(LOW, "\n".repeat(800)))).toEqual([])
    for (const text of [
      `function f() {${body}}`,
      `const f = () => {${body}}`,
      `class A { m() {${body}} }`,
      `const e = Effect.gen(function* () {${body}})`
    ]) {
      expect(Checks.functionProblems(planted(LOW, text))).toHaveLength(1)
    }
    expect(Checks.functionProblems(planted(LOW, `function f() {${"\n".repeat(69)}}`))).toEqual([])
  })

  it("sees a name that says nothing", () => {
    for (const name of ["fetchUtil", "StorageManager", "common", "io-helpers", "Wal.v2", "NewWal", "utils.test"]) {
      expect(Checks.nameProblems([`packages/core/src/base/${name}.ts`])).toHaveLength(1)
    }
    expect(Checks.nameProblems(["packages/core/src/base/Newton.ts", "x/Utility.ts", "x/Prefix.ts"])).toEqual([])
  })

  it("sees a handler that is not named as its messages", () => {
    const known = ["m/00_Produce.ts", "m/01_Fetch.ts"]
    expect(Checks.handlerProblems(["h/01_Fetch.ts", "h/Handler.ts"], known)).toEqual([])
    expect(Checks.handlerProblems(["h/01_Fetched.ts", "h/77_X.ts"], known)).toHaveLength(2)
  })
})

describe("waiting, on a planted fault", () => {
  it("sees a sleeping loop in the server and lets the command line pass", () => {
    const poll = "while (!done()) yield* Effect.sleep(10)"
    expect(Checks.sleepProblems(planted("packages/server/src/storage/X.ts", poll))).toHaveLength(1)
    expect(Checks.sleepProblems(planted("packages/cli/src/X.ts", poll))).toEqual([])
  })
})
