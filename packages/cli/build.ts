/**
 * Builds what is published: `npm run build` → `packages/cli/dist`.
 *
 * ```
 * dist/main.js      the program; small, loads a command's chunk when it is asked for
 * dist/testing.js   startBroker, with dist/testing.d.ts
 * dist/chunks/      what both share, and the commands
 * dist/LICENSES.txt the notices of the packages that are bundled
 * ```
 * Everything is bundled, so the package has no dependency; native extras are looked up at run time where the user has them.
 * The build fails when the packed result would be larger than the limit, or when something is left to import that is
 * neither Node's nor such an extra.
 */
import { execFileSync } from "node:child_process"
import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs"
import { builtinModules, createRequire } from "node:module"
import { dirname, join, relative } from "node:path"
import { type OutputChunk, type Plugin, rolldown } from "rolldown"
import { isolatedDeclaration } from "rolldown/experimental"

const ROOT = import.meta.dirname
const DIST = join(ROOT, "dist")
const PACKED_BYTES_MAX = 3_000_000
/** Loaded where they are installed, never needed. */
/** Those that are loaded at the start of a broker. */
const TAKEN = new Set(["node:fs", "node:net", "node:os", "node:path", "node:zlib", "node:module"])
/** What every command loads. */
const BASE =
  /\/node_modules\/effect\/|^\0|\/packages\/cli\/src\/(args|settings|render\/(paint|help)|Cli|Commands|CliFailure|Version)/
const NODE = /\/packages\/(core|server)\/src\/|\/cli\/src\/(commands\/(Serve|Explain)|render\/banner)/
const NATIVE_EXTRAS = ["@node-rs/crc32", "msgpackr-extract"]

/**
 * Node's modules are taken as the objects that they are. An `import` of one reads its every export, which loads what Node
 * itself loads late: the streams of `fs`, for one, 3 ms of a start. Getters are therefore left out.
 */
const builtins: Plugin = {
  name: "builtins",
  resolveId: (id) => (TAKEN.has(id) ? `\0${id}` : undefined),
  load: (id) => {
    const name = id.slice(1)
    if (!id.startsWith("\0") || !TAKEN.has(name)) return undefined
    const fields = Object.entries(Object.getOwnPropertyDescriptors(createRequire(import.meta.url)(name)))
    const names = fields.filter(([key, field]) => "value" in field && /^[a-zA-Z_]\w*$/.test(key) && key !== "default")
    const exports = names.map(([key]) => `export const ${key} = builtin.${key}`)
    return [`const builtin = process.getBuiltinModule("${name}")`, ...exports, "export default builtin"].join("\n")
  }
}

async function bundle(): Promise<ReadonlyArray<OutputChunk>> {
  const build = await rolldown({
    input: { main: join(ROOT, "src/Main.ts"), testing: join(ROOT, "src/testing.ts") },
    platform: "node",
    external: (id) =>
      !TAKEN.has(id) && (id.startsWith("node:") || builtinModules.includes(id) || NATIVE_EXTRAS.includes(id)),
    plugins: [builtins],
    treeshake: true,
    // hdr-histogram-js names zlib in an eval, for encodings that the benchmark does not use.
    checks: { eval: false },
    logLevel: "warn"
  })
  const { output } = await build.write({
    dir: DIST,
    format: "esm",
    // Names stay: a stack in a bug report should say where it was. Measured, mangling wins no start-up time.
    minify: { compress: true, mangle: false, codegen: { removeWhitespace: true } },
    entryFileNames: "[name].js",
    chunkFileNames: "chunks/[name]-[hash].js",
    // Every file costs a start half a millisecond: what a broker needs comes in two, the command line and the node.
    codeSplitting: {
      groups: [
        { name: "base", test: BASE, priority: 2 },
        { name: "node", test: NODE, priority: 1 }
      ]
    },
    comments: false
  })
  await build.close()
  return output.filter((file) => file.type === "chunk")
}

function checkImports(chunks: ReadonlyArray<OutputChunk>): void {
  const own = new Set(chunks.map((chunk) => chunk.fileName))
  for (const chunk of chunks) {
    for (const name of [...chunk.imports, ...chunk.dynamicImports]) {
      const known =
        own.has(name) || name.startsWith("node:") || builtinModules.includes(name) || NATIVE_EXTRAS.includes(name)
      if (!known) throw new Error(`${chunk.fileName} still imports "${name}": the package would need a dependency.`)
    }
  }
}

/** Types are written from the source alone, which is possible because its exported types name nothing of other modules. */
async function declarations(): Promise<void> {
  const source = join(ROOT, "src/testing.ts")
  const { code, errors } = await isolatedDeclaration(source, readFileSync(source, "utf8"))
  if (errors.length > 0) throw new Error(`testing.d.ts: ${errors.map((error) => error.message).join("; ")}`)
  if (/^import /m.test(code)) throw new Error("testing.d.ts imports something: its exported types must stand alone.")
  writeFileSync(join(DIST, "testing.d.ts"), code)
}

/** The folder of the npm package a module lies in. */
function packageOf(moduleId: string): string | undefined {
  const match = /^(.*\/node_modules\/(?:@[^/]+\/)?[^/]+)\//.exec(moduleId)
  return match?.[1]
}

function licenses(chunks: ReadonlyArray<OutputChunk>): void {
  const folders = new Set<string>()
  for (const chunk of chunks) {
    for (const id of chunk.moduleIds) {
      const folder = packageOf(id)
      if (folder !== undefined) folders.add(folder)
    }
  }
  const notices = [...folders].sort().map((folder) => {
    const { name, version, license } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"))
    const file = readdirSync(folder).find((entry) => /^licen[cs]e/i.test(entry))
    const text =
      file === undefined ? "(the package carries no licence file)" : readFileSync(join(folder, file), "utf8").trim()
    return `${name} ${version} (${license})\n${"-".repeat(60)}\n${text}\n`
  })
  writeFileSync(join(DIST, "LICENSES.txt"), `chronik-effect bundles these packages.\n\n${notices.join("\n")}`)
}

function packedBytes(): number {
  const [report] = JSON.parse(
    execFileSync("npm", ["pack", "--dry-run", "--json", "--ignore-scripts"], {
      cwd: ROOT,
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"]
    })
  )
  return report.size
}

rmSync(DIST, { recursive: true, force: true })
mkdirSync(DIST, { recursive: true })
const chunks = await bundle()
checkImports(chunks)
await declarations()
licenses(chunks)
for (const chunk of chunks) {
  const path = join(DIST, chunk.fileName)
  console.log(`${(statSync(path).size / 1_000).toFixed(1).padStart(8)} kB  ${relative(dirname(DIST), path)}`)
}
const packed = packedBytes()
console.log(`${(packed / 1_000).toFixed(1).padStart(8)} kB  packed (limit ${PACKED_BYTES_MAX / 1_000} kB)`)
if (packed > PACKED_BYTES_MAX)
  throw new Error(`The packed package has ${packed} bytes, and ${PACKED_BYTES_MAX} is the limit.`)
