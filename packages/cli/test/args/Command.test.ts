import { describe, expect, it } from "vitest"
import { type Command, parse } from "../../src/args/Command.ts"
import { didYouMean, editDistance, nearest } from "../../src/args/Suggest.ts"
import { CliFailure, EXIT_USAGE } from "../../src/CliFailure.ts"
import { renderHelp } from "../../src/render/help.ts"

const tree: Command = {
  name: "chronik-effect",
  doc: "root",
  flags: [],
  subcommands: [
    {
      name: "serve",
      doc: "Start",
      flags: [
        { name: "kafka-port", alias: "p", value: "PORT", doc: "Port", fallback: "9092" },
        { name: "ephemeral", doc: "Memory" },
        { name: "set", value: "NAME=VALUE", doc: "Config", repeated: true }
      ]
    },
    {
      name: "topic",
      doc: "Topics",
      flags: [],
      subcommands: [{ name: "create", doc: "Create", flags: [], arguments: [{ name: "topic", doc: "the name" }] }]
    }
  ]
}

const failure = (argv: ReadonlyArray<string>): CliFailure => {
  try {
    parse(tree, argv)
  } catch (error) {
    if (error instanceof CliFailure) return error
    throw error
  }
  throw new Error(`${argv.join(" ")} was accepted`)
}

describe("parse", () => {
  it("reads flags in both spellings, aliases, switches and repeated flags", () => {
    const parsed = parse(tree, ["serve", "--kafka-port=1", "--ephemeral", "--set", "a=1", "--set=b=2"])
    expect(parsed.path).toEqual(["serve"])
    expect([...parsed.flags]).toEqual([
      ["kafka-port", ["1"]],
      ["ephemeral", ["true"]],
      ["set", ["a=1", "b=2"]]
    ])
    expect(parse(tree, ["serve", "-p", "-1"]).flags.get("kafka-port")).toEqual(["-1"])
    expect(parse(tree, ["serve", "--no-ephemeral"]).flags.get("ephemeral")).toEqual(["false"])
  })

  it("takes arguments, and everything after --", () => {
    expect(parse(tree, ["topic", "create", "t"]).arguments).toEqual(["t"])
    expect(parse(tree, ["topic", "create", "--", "--odd"]).arguments).toEqual(["--odd"])
  })

  it.each([
    [["srve"], 'has no command "srve". Did you mean "serve"?'],
    [["serve", "--kafka-prt", "1"], 'has no flag "--kafka-prt". Did you mean "--kafka-port"?'],
    [["serve", "--kafka-port"], 'The flag "--kafka-port" needs a value'],
    [["serve", "--kafka-port", "--ephemeral"], 'The flag "--kafka-port" needs a value'],
    [["serve", "-p", "1", "--kafka-port", "2"], "is given twice"],
    [["serve", "--ephemeral=maybe"], "is a switch"],
    [["serve", "extra"], '"extra" is one too many'],
    [["topic", "create"], "needs a <topic>"],
    [["topic", "crate"], 'Did you mean "create"?']
  ])("%j is refused with a sentence", (argv, sentence) => {
    const error = failure(argv)
    expect(error.message).toContain(sentence)
    expect(error.exitCode).toBe(EXIT_USAGE)
  })

  it("does not ask for arguments when help is wanted", () => {
    expect(parse(tree, ["topic", "create", "--help"]).help).toBe(true)
  })
})

describe("did you mean", () => {
  it("counts swaps as one slip and suggests nothing that is far", () => {
    expect(editDistance("prot", "port")).toBe(1)
    expect(editDistance("", "abc")).toBe(3)
    expect(nearest("retention.sm", ["retention.ms", "segment.ms"])).toBe("retention.ms")
    expect(nearest("zebra", ["retention.ms", "serve"])).toBeUndefined()
    expect(didYouMean("zebra", ["serve"])).toBe("")
  })
})

describe("help", () => {
  it("names every flag with its default", () => {
    const page = renderHelp(tree.subcommands![0]!, ["serve"])
    expect(page).toContain("Usage: chronik-effect serve [flags]")
    expect(page).toMatch(/-p, --kafka-port <PORT> +Port \(default 9092\)/)
    expect(page).toMatch(/--set <NAME=VALUE> +Config \(repeatable\)/)
  })
})
