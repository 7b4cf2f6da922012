/**
 * The project's own sources, and what the checks need to know of each: its imports, what it mentions, its functions.
 *
 * Parsed with the bundler's parser (oxc), so that a comment or a string that looks like an import is none.
 */
import { readdirSync, readFileSync } from "node:fs"
import { join, posix } from "node:path"
import { parseAst } from "rolldown/parseAst"

export interface Import {
  /** As written. */
  readonly specifier: string
  /** `dynamic` is `import()`; its specifier is empty when it is not a literal. */
  readonly kind: "static" | "type" | "dynamic"
  /** Imported names of a named import; `*` and `default` stand for those. */
  readonly names: ReadonlyArray<string>
  readonly line: number
}

export interface LongFunction {
  readonly name: string
  readonly line: number
  readonly lines: number
}

export interface Source {
  /** From the repository's root, with slashes. */
  readonly path: string
  readonly lines: number
  readonly imports: ReadonlyArray<Import>
  /** `Date.now`, `process.env`, and free identifiers in call position such as `setTimeout`. */
  readonly mentions: ReadonlyArray<{ readonly name: string; readonly line: number }>
  readonly functions: ReadonlyArray<LongFunction>
}

type Node = { readonly type: string; readonly start: number; readonly end: number } & Record<string, unknown>

const isNode = (value: unknown): value is Node =>
  typeof value === "object" && value !== null && typeof (value as { type?: unknown }).type === "string"

/** Every node under `node`, with the node above it. */
function* walk(node: Node, parent: Node | undefined): Generator<readonly [Node, Node | undefined]> {
  yield [node, parent]
  for (const value of Object.values(node)) {
    if (isNode(value)) yield* walk(value, node)
    else if (Array.isArray(value)) for (const item of value) if (isNode(item)) yield* walk(item, node)
  }
}

const nameOf = (node: unknown): string => {
  if (!isNode(node)) return ""
  if (typeof node.name === "string") return node.name
  if (node.type === "PrivateIdentifier" || node.type === "Literal") return String(node.name ?? node.value)
  return ""
}

const FUNCTIONS = new Set(["FunctionDeclaration", "FunctionExpression", "ArrowFunctionExpression"])

/** What a function is called by its surroundings: a declaration, a variable, a property, a method, or the call it is given to. */
function functionName(node: Node, parent: Node | undefined): string {
  if (nameOf(node.id) !== "") return nameOf(node.id)
  if (parent === undefined) return "anonymous"
  if (parent.type === "VariableDeclarator") return nameOf(parent.id)
  if (parent.type === "CallExpression") return `argument of ${mentionOf(parent.callee) || "a call"}`
  return nameOf(parent.key) || "anonymous"
}

/** `a.b` or `a`, where the leftmost is a plain name. */
function mentionOf(node: unknown): string {
  if (!isNode(node)) return ""
  if (node.type === "Identifier") return nameOf(node)
  if (node.type !== "MemberExpression") return ""
  const object = mentionOf(node.object)
  return object === "" ? "" : `${object}.${nameOf(node.property)}`
}

function importOf(node: Node, lineAt: (position: number) => number): Import | undefined {
  const line = lineAt(node.start)
  const literal = isNode(node.source) && typeof node.source.value === "string" ? node.source.value : undefined
  switch (node.type) {
    case "ImportExpression":
      return { specifier: literal ?? "", kind: "dynamic", names: [], line }
    case "ImportDeclaration": {
      const specifiers = node.specifiers as ReadonlyArray<Node>
      const names = specifiers.map((one) =>
        one.type === "ImportSpecifier" ? nameOf(one.imported) : one.type === "ImportDefaultSpecifier" ? "default" : "*"
      )
      const typeOnly =
        node.importKind === "type" || (specifiers.length > 0 && specifiers.every((one) => one.importKind === "type"))
      return { specifier: literal ?? "", kind: typeOnly ? "type" : "static", names, line }
    }
    case "ExportNamedDeclaration":
    case "ExportAllDeclaration":
      if (literal === undefined) return undefined
      return { specifier: literal, kind: node.exportKind === "type" ? "type" : "static", names: ["*"], line }
    default:
      return undefined
  }
}

export function sourceOf(path: string, text: string): Source {
  const starts = [0]
  for (let at = text.indexOf("\n"); at >= 0; at = text.indexOf("\n", at + 1)) starts.push(at + 1)
  const lineAt = (position: number): number => {
    let low = 0
    let high = starts.length - 1
    while (low < high) {
      const middle = (low + high + 1) >> 1
      if (starts[middle]! <= position) low = middle
      else high = middle - 1
    }
    return low + 1
  }
  const imports: Array<Import> = []
  const mentions: Array<{ name: string; line: number }> = []
  const functions: Array<LongFunction> = []
  const program = parseAst(text, { lang: "ts" }) as unknown as Node
  for (const [node, parent] of walk(program, undefined)) {
    const found = importOf(node, lineAt)
    if (found !== undefined) imports.push(found)
    if (node.type === "MemberExpression") mentions.push({ name: mentionOf(node), line: lineAt(node.start) })
    if (node.type === "CallExpression" || node.type === "NewExpression") {
      const name = mentionOf(node.callee)
      if (name !== "")
        mentions.push({ name: node.type === "NewExpression" ? `new ${name}` : name, line: lineAt(node.start) })
    }
    if (FUNCTIONS.has(node.type)) {
      const line = lineAt(node.start)
      functions.push({ name: functionName(node, parent), line, lines: lineAt(node.end - 1) - line + 1 })
    }
  }
  const lines = text.endsWith("\n") ? starts.length - 1 : starts.length
  return { path, lines, imports, mentions, functions }
}

export const REPOSITORY = join(import.meta.dirname, "../..")

const SKIPPED = new Set(["node_modules", "dist", ".git"])

/** Paths of all TypeScript files under the given folders, from the repository's root. */
export function listFiles(...folders: ReadonlyArray<string>): ReadonlyArray<string> {
  const found: Array<string> = []
  const visit = (folder: string) => {
    for (const entry of readdirSync(join(REPOSITORY, folder), { withFileTypes: true })) {
      const path = posix.join(folder, entry.name)
      if (entry.isDirectory() && !SKIPPED.has(entry.name)) visit(path)
      else if (entry.isFile() && entry.name.endsWith(".ts")) found.push(path)
    }
  }
  for (const folder of folders) visit(folder)
  return found.sort()
}

export const readSource = (path: string): Source => sourceOf(path, readFileSync(join(REPOSITORY, path), "utf8"))
