/**
 * The rules of the house that a machine can check, each a function from sources to sentences about what is wrong.
 */
import { builtinModules } from "node:module"
import { posix } from "node:path"
import {
  BANNED_WORDS,
  CLI_MAY_IMPORT,
  CLI_ROOT,
  CLI_SERVER_ENTRY,
  CONTRACT_EFFECT_MODULES,
  CONTRACT_FOLDERS,
  CORE_ROOT,
  FLOOR_EXCEPTIONS,
  FLOORS,
  FUNCTION_LINES_MAX,
  LINES_MAX,
  LONG_FILES,
  LONG_FUNCTIONS,
  NODE_FOLDERS,
  type Place,
  PURE_EFFECT_MODULES,
  SERVER_ROOT,
  SLEEPERS
} from "./floors.ts"
import type { Import, Source } from "./Source.ts"

export type Problems = ReadonlyArray<string>

const within = (path: string, folder: string): boolean => path === folder || path.startsWith(`${folder}/`)
const where = (source: Source, line: number): string => `${source.path}:${line}`

export const placeOf = (path: string): Place | undefined => FLOORS.find((place) => within(path, place.path))

const PACKAGES: ReadonlyMap<string, string> = new Map([
  ["@chronik-effect/core/", `${CORE_ROOT}/`],
  ["@chronik-effect/server/", `${SERVER_ROOT}/`],
  ["chronik-effect/", `${CLI_ROOT}/`]
])

/** The file of this repository that a specifier means; undefined for other packages. */
export function resolve(from: string, specifier: string): string | undefined {
  if (specifier.startsWith(".")) return posix.join(posix.dirname(from), specifier)
  for (const [prefix, root] of PACKAGES) if (specifier.startsWith(prefix)) return root + specifier.slice(prefix.length)
  return undefined
}

/** A folder imports itself, its own floor and lower floors. */
export function floorProblems(sources: ReadonlyArray<Source>): Problems {
  const problems: Array<string> = []
  for (const source of sources) {
    const own = placeOf(source.path)
    if (own === undefined) {
      problems.push(`${source.path} has no floor: put its folder into test/tidy/floors.ts.`)
      continue
    }
    for (const found of source.imports) {
      if (found.kind === "dynamic" && found.specifier === "") {
        problems.push(`${where(source, found.line)} imports a computed name: no check can see what it loads.`)
        continue
      }
      const target = resolve(source.path, found.specifier)
      if (target === undefined || target.endsWith("package.json")) continue
      const place = placeOf(target)
      if (place === undefined) problems.push(`${where(source, found.line)} imports ${target}, which has no floor.`)
      else if (place.floor > own.floor && !FLOOR_EXCEPTIONS.has(`${source.path} → ${target}`)) {
        problems.push(
          `${where(source, found.line)} (floor ${own.floor}) imports ${target} (floor ${place.floor}): a lower floor that must call up defines a port.`
        )
      }
    }
  }
  return problems
}

/** Folders of one floor do not import each other in a circle. */
export function circleProblems(sources: ReadonlyArray<Source>): Problems {
  const edges = new Map<string, Map<string, string>>()
  for (const source of sources) {
    const own = placeOf(source.path)
    for (const found of source.imports) {
      const target = resolve(source.path, found.specifier)
      const place = target === undefined ? undefined : placeOf(target)
      if (own === undefined || place === undefined || place.path === own.path || place.floor !== own.floor) continue
      const out = edges.get(own.path) ?? new Map<string, string>()
      if (!out.has(place.path)) out.set(place.path, where(source, found.line))
      edges.set(own.path, out)
    }
  }
  const problems: Array<string> = []
  for (const [from, out] of edges) {
    for (const [to, line] of out) {
      const back = edges.get(to)?.get(from)
      if (back !== undefined && from < to) problems.push(`${from} and ${to} import each other: ${line} and ${back}.`)
    }
  }
  return problems
}

const IMPURE_MENTIONS =
  /^(Date\.now|new Date|Math\.random|performance\.\w+|process\.\w+|process|setTimeout|setInterval|setImmediate|queueMicrotask|crypto\.\w+|globalThis\.crypto\.\w+|Buffer\.\w+|console\.\w+|fetch)$/

const isBuiltin = (specifier: string): boolean =>
  specifier.startsWith("node:") || builtinModules.includes(specifier.split("/")[0]!)

/** Names that an import takes from effect: of the barrel its names, of a deep path the module. */
function effectNames(found: Import): ReadonlyArray<string> {
  if (found.specifier === "effect") return found.names
  return found.specifier.startsWith("effect/") ? [found.specifier.slice("effect/".length).split("/").at(-1)!] : []
}

/** `packages/core` is pure: no input or output, no clock, no chance, no effects. */
export function purityProblems(sources: ReadonlyArray<Source>): Problems {
  const problems: Array<string> = []
  for (const source of sources.filter((one) => within(one.path, CORE_ROOT))) {
    const contract = CONTRACT_FOLDERS.some((folder) => within(source.path, folder))
    for (const found of source.imports) {
      if (isBuiltin(found.specifier) || found.specifier.startsWith("@effect/platform")) {
        problems.push(`${where(source, found.line)} imports ${found.specifier}: core does no input or output.`)
      }
      for (const name of effectNames(found)) {
        const allowed = PURE_EFFECT_MODULES.has(name) || (contract && CONTRACT_EFFECT_MODULES.has(name))
        if (!allowed)
          problems.push(`${where(source, found.line)} imports ${name} from effect: core uses its data modules only.`)
      }
    }
    for (const mention of source.mentions) {
      if (!IMPURE_MENTIONS.test(mention.name)) continue
      problems.push(`${where(source, mention.line)} uses ${mention.name}: in core time and chance are arguments.`)
    }
  }
  return problems
}

/** Node's modules and platform-node are imported in io and in the command line only. */
export function nodeProblems(sources: ReadonlyArray<Source>): Problems {
  const problems: Array<string> = []
  for (const source of sources.filter((one) => !NODE_FOLDERS.some((folder) => within(one.path, folder)))) {
    for (const found of source.imports) {
      if (!isBuiltin(found.specifier) && !found.specifier.startsWith("@effect/platform-node")) continue
      problems.push(
        `${where(source, found.line)} imports ${found.specifier}: only server/src/io and the command line may.`
      )
    }
  }
  return problems
}

/** The command line imports the client; the broker is loaded by `serve` and by `testing` alone. */
export function cliProblems(sources: ReadonlyArray<Source>): Problems {
  const problems: Array<string> = []
  for (const source of sources.filter((one) => within(one.path, CLI_ROOT))) {
    for (const found of source.imports) {
      const target = resolve(source.path, found.specifier)
      if (target === undefined || !within(target, SERVER_ROOT)) continue
      if (CLI_MAY_IMPORT.some((allowed) => within(target, allowed))) continue
      const entry = CLI_SERVER_ENTRY.get(source.path)
      if (entry !== undefined && (entry === found.kind || found.kind === "type")) continue
      problems.push(
        `${where(source, found.line)} imports ${target}: the broker is loaded on demand, by serve and testing.`
      )
    }
  }
  return problems
}

export function sizeProblems(sources: ReadonlyArray<Source>): Problems {
  return sources
    .filter((source) => source.lines > LINES_MAX && !LONG_FILES.has(source.path))
    .map(
      (source) => `${source.path} has ${source.lines} lines, and ${LINES_MAX} is the limit: it is more than one thing.`
    )
}

/** Words of a file name: `fetchHelper.test.ts` → fetch, helper, test. */
const wordsOf = (path: string): ReadonlyArray<string> =>
  posix
    .basename(path, ".ts")
    .replace(/([a-z0-9])([A-Z])/g, "$1 $2")
    .split(/[^A-Za-z0-9]+/)
    .map((word) => word.toLowerCase())

export function nameProblems(paths: ReadonlyArray<string>): Problems {
  return paths.flatMap((path) => {
    const banned = wordsOf(path).find((word) => BANNED_WORDS.has(word))
    return banned === undefined ? [] : [`${path} is named "${banned}": a name says what is inside.`]
  })
}

/** Functions of the program; the bodies of `describe` and `it` may be long. */
export function functionProblems(sources: ReadonlyArray<Source>): Problems {
  return sources
    .filter((source) => !source.path.endsWith(".test.ts"))
    .flatMap((source) =>
      source.functions
        .filter((one) => one.lines > FUNCTION_LINES_MAX && !LONG_FUNCTIONS.has(`${source.path}#${one.name}`))
        .map(
          (one) =>
            `${where(source, one.line)} ${one.name} has ${one.lines} lines, and ${FUNCTION_LINES_MAX} is the limit.`
        )
    )
}

/** A handler is named after its API: the same number and name as the message module. */
export function handlerProblems(handlers: ReadonlyArray<string>, messages: ReadonlyArray<string>): Problems {
  const known = new Map(messages.map((path) => [posix.basename(path).slice(0, 2), posix.basename(path)]))
  return handlers
    .filter((path) => /^\d/.test(posix.basename(path)))
    .flatMap((path) => {
      const name = posix.basename(path)
      const message = known.get(name.slice(0, 2))
      if (message === name) return []
      return [
        `${path} should be named as its messages, ${message ?? `of which there are none with ${name.slice(0, 2)}`}.`
      ]
    })
}

/** An entry of an allow-list that is no longer needed hides the next fault. */
export function staleExceptions(sources: ReadonlyArray<Source>): Problems {
  const problems: Array<string> = []
  const longFunctions = new Set(
    sources.flatMap((source) =>
      source.functions.filter((one) => one.lines > FUNCTION_LINES_MAX).map((one) => `${source.path}#${one.name}`)
    )
  )
  for (const key of LONG_FUNCTIONS.keys())
    if (!longFunctions.has(key)) problems.push(`LONG_FUNCTIONS: ${key} is not long.`)
  const longFiles = new Set(sources.filter((source) => source.lines > LINES_MAX).map((source) => source.path))
  for (const key of LONG_FILES.keys()) if (!longFiles.has(key)) problems.push(`LONG_FILES: ${key} is not long.`)
  const crossings = new Set(
    sources.flatMap((source) => source.imports.map((one) => `${source.path} → ${resolve(source.path, one.specifier)}`))
  )
  for (const key of FLOOR_EXCEPTIONS.keys())
    if (!crossings.has(key)) problems.push(`FLOOR_EXCEPTIONS: ${key} is not there.`)
  return problems
}

const SLEEP: ReadonlySet<string> = new Set(["Effect.sleep", "setTimeout", "setInterval", "socket.setTimeout"])

/** A sleep in the server is a poll until it is shown not to be: each file that has one is named with its reason. */
export function sleepProblems(sources: ReadonlyArray<Source>): Problems {
  const server = sources.filter((source) => within(source.path, SERVER_ROOT) || within(source.path, CORE_ROOT))
  const sleeping = server.filter((source) => source.mentions.some(({ name }) => SLEEP.has(name)))
  const unnamed = sleeping.filter((source) => !SLEEPERS.has(source.path))
  return unnamed.map(
    (source) => `${source.path} lets time pass; wait for an event, or name it with its reason in floors.ts.`
  )
}
