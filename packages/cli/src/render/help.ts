/**
 * The help page of a command, from its description.
 */
import { type Command, type Flag, HELP } from "../args/Command.ts"

const left = (flag: Flag): string => {
  const alias = flag.alias === undefined ? "    " : `-${flag.alias}, `
  return `${alias}--${flag.name}${flag.value === undefined ? "" : ` <${flag.value}>`}`
}

const right = (flag: Flag): string =>
  `${flag.doc}${flag.fallback === undefined ? "" : ` (default ${flag.fallback})`}${flag.repeated === true ? " (repeatable)" : ""}`

function columns(rows: ReadonlyArray<readonly [string, string]>): Array<string> {
  const width = Math.max(...rows.map(([name]) => name.length))
  return rows.map(([name, doc]) => `  ${name.padEnd(width)}  ${doc}`)
}

export function renderHelp(command: Command, path: ReadonlyArray<string>): string {
  const words = ["chronik-effect", ...path]
  if (command.subcommands !== undefined) words.push("<command>")
  for (const argument of command.arguments ?? []) {
    words.push(argument.optional === true ? `[${argument.name}]` : `<${argument.name}>`)
  }
  const lines = [command.doc, "", `Usage: ${words.join(" ")} [flags]`]
  if (command.subcommands !== undefined) {
    lines.push("", "Commands:", ...columns(command.subcommands.map((sub) => [sub.name, sub.doc] as const)))
  }
  if (command.arguments !== undefined) {
    lines.push(
      "",
      "Arguments:",
      ...columns(command.arguments.map((argument) => [argument.name, argument.doc] as const))
    )
  }
  lines.push("", "Flags:", ...columns([...command.flags, HELP].map((flag) => [left(flag), right(flag)] as const)))
  if (command.notes !== undefined) lines.push("", ...command.notes)
  return `${lines.join("\n")}\n`
}
