/**
 * The command line as data: commands, their flags and arguments, and the parser over them.
 *
 * Own code instead of `effect/cli`, measured: bundled and with a warm compile cache, a program on `effect/cli` starts in
 * 64 ms and this one in 32 ms, and a broker's first answer is to come within 100 ms. It deliberately knows no types: a
 * flag's text is given meaning by whoever reads it, so that flags, variables and files share one set of checks.
 */
import { usage } from "../CliFailure.ts"
import { didYouMean } from "./Suggest.ts"

export interface Flag {
  readonly name: string
  readonly alias?: string
  /** Shown in the help for the flag's value; a flag without it is a switch. */
  readonly value?: string
  readonly doc: string
  /** Shown in the help. */
  readonly fallback?: string
  /** May be given more than once. */
  readonly repeated?: boolean
}

export interface Argument {
  readonly name: string
  readonly doc: string
  readonly optional?: boolean
}

export interface Command {
  readonly name: string
  readonly doc: string
  readonly flags: ReadonlyArray<Flag>
  readonly arguments?: ReadonlyArray<Argument>
  readonly subcommands?: ReadonlyArray<Command>
  /** Lines after the flags. */
  readonly notes?: ReadonlyArray<string>
  /** Loads the command's module when it is asked for. Resolves with the exit code. */
  readonly run?: (parsed: Parsed) => Promise<number>
}

export interface Parsed {
  readonly command: Command
  /** The words that led here: `["topic", "create"]`. */
  readonly path: ReadonlyArray<string>
  /** By flag name; a switch that was given has the one value "true" (or "false" after `--no-x`). */
  readonly flags: ReadonlyMap<string, ReadonlyArray<string>>
  readonly arguments: ReadonlyArray<string>
  readonly help: boolean
}

export const HELP: Flag = { name: "help", alias: "h", doc: "Show this help" }

const spelled = (path: ReadonlyArray<string>): string => ["chronik-effect", ...path].join(" ")

/** Follows the leading words into subcommands; the rest are flags and arguments. */
function descend(root: Command, words: ReadonlyArray<string>): { command: Command; path: Array<string> } {
  let command = root
  const path: Array<string> = []
  for (const word of words) {
    if (command.subcommands === undefined || word.startsWith("-")) break
    const next = command.subcommands.find((sub) => sub.name === word)
    if (next === undefined) {
      const names = command.subcommands.map((sub) => sub.name)
      throw usage(
        `"${spelled(path)}" has no command "${word}".${didYouMean(word, names)} It has: ${names.join(", ")}; see "${spelled([...path, "--help"])}".`
      )
    }
    command = next
    path.push(word)
  }
  return { command, path }
}

function flagOf(command: Command, path: ReadonlyArray<string>, word: string): { flag: Flag; negated: boolean } {
  const all = [...command.flags, HELP]
  if (!word.startsWith("--")) {
    const flag = all.find((known) => known.alias === word.slice(1))
    if (flag !== undefined) return { flag, negated: false }
  } else {
    const name = word.slice(2)
    const flag = all.find((known) => known.name === name)
    if (flag !== undefined) return { flag, negated: false }
    const switched = name.startsWith("no-")
      ? all.find((known) => known.name === name.slice(3) && known.value === undefined)
      : undefined
    if (switched !== undefined) return { flag: switched, negated: true }
  }
  const names = all.map((known) => known.name)
  const suggestion = didYouMean(word.replace(/^-+/, ""), names, "--")
  throw usage(
    `"${spelled(path)}" has no flag "${word}".${suggestion} See "${spelled([...path, "--help"])}" for those it has.`
  )
}

function checkArguments(command: Command, path: ReadonlyArray<string>, given: ReadonlyArray<string>): void {
  const wanted = command.arguments ?? []
  if (given.length > wanted.length) {
    const what = wanted.length === 0 ? "takes no arguments" : `takes ${wanted.map((a) => `<${a.name}>`).join(" ")}`
    throw usage(
      `"${spelled(path)}" ${what}, and "${given[wanted.length]}" is one too many. A flag starts with "--"; see "${spelled([...path, "--help"])}".`
    )
  }
  const missing = wanted.find((argument, i) => argument.optional !== true && i >= given.length)
  if (missing !== undefined) {
    throw usage(`"${spelled(path)}" needs a <${missing.name}> (${missing.doc}); see "${spelled([...path, "--help"])}".`)
  }
}

/** Reads a command line. Throws a `CliFailure` with a sentence for anything that does not fit. */
export function parse(root: Command, argv: ReadonlyArray<string>): Parsed {
  const { command, path } = descend(root, argv)
  const flags = new Map<string, Array<string>>()
  const positional: Array<string> = []
  const rest = argv.slice(path.length)
  for (let i = 0; i < rest.length; i++) {
    const word = rest[i]!
    if (word === "--") {
      positional.push(...rest.slice(i + 1))
      break
    }
    if (!word.startsWith("-") || word === "-") {
      positional.push(word)
      continue
    }
    const equals = word.startsWith("--") ? word.indexOf("=") : -1
    const { flag, negated } = flagOf(command, path, equals < 0 ? word : word.slice(0, equals))
    let value = negated ? "false" : "true"
    if (flag.value !== undefined) {
      const next = equals < 0 ? rest[++i] : word.slice(equals + 1)
      if (next === undefined || (equals < 0 && /^--[a-z]/.test(next))) {
        throw usage(`The flag "--${flag.name}" needs a value: --${flag.name} <${flag.value}>.`)
      }
      value = next
    } else if (equals >= 0) {
      const written = word.slice(equals + 1)
      if (written !== "true" && written !== "false") {
        throw usage(`The flag "--${flag.name}" is a switch: write it alone, or as --${flag.name}=true or =false.`)
      }
      value = written
    }
    const earlier = flags.get(flag.name)
    if (earlier === undefined) flags.set(flag.name, [value])
    else if (flag.repeated === true) earlier.push(value)
    else throw usage(`The flag "--${flag.name}" is given twice ("${earlier[0]}" and "${value}"): leave one out.`)
  }
  const help = flags.has("help")
  if (!help) checkArguments(command, path, positional)
  return { command, path, flags, arguments: positional, help }
}
