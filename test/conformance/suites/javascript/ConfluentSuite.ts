/**
 * @confluentinc/kafka-javascript, its addon built from source against the librdkafka of the other suite.
 */
import { existsSync, writeFileSync } from "node:fs"
import { join, resolve } from "node:path"
import { addTold } from "../External.ts"
import { buildLibrdkafka, installLibrdkafka, PACKAGE } from "../librdkafka/Build.ts"
import { account, folder, installed, run } from "../Programs.ts"
import { Cases, type Context, type Suite } from "../Suite.ts"

const home = (context: Context): string => folder(context.cache, "javascript")

/** Where the headers of the running Node are: beside its binary, as installers and the npm packages of Node put them. */
const headers = (): string | undefined => {
  const root = resolve(process.execPath, "../..")
  return existsSync(join(root, "include", "node", "node.h")) ? root : undefined
}

const prepare = async (context: Context): Promise<string | undefined> => {
  const mark = join(home(context), `node-${process.versions.modules}.complete`)
  if (existsSync(mark)) return undefined
  const nodeDirectory = headers()
  if (nodeDirectory === undefined)
    return `The addon is built from source, and ${process.execPath} has no headers beside it.`
  if (!installed("npm", "--version")) return "npm is not installed."
  const lacking = await buildLibrdkafka(context)
  if (lacking !== undefined) return lacking
  const library = await installLibrdkafka(context)
  context.say("  building the addon of @confluentinc/kafka-javascript (once, some minutes)")
  writeFileSync(join(home(context), "package.json"), `{ "private": true }\n`)
  const built = await run("nice", ["npm", "install", "--no-audit", "--no-fund", "--foreground-scripts", PACKAGE], {
    cwd: home(context),
    timeoutMs: 30 * 60_000,
    env: {
      BUILD_LIBRDKAFKA: "0",
      CKJS_LINKING: "dynamic",
      CXXFLAGS: `-I${library}/include -I${library}/include/librdkafka`,
      LDFLAGS: `-L${library}/lib -Wl,-rpath,${library}/lib`,
      npm_config_build_from_source: "true",
      npm_config_nodedir: nodeDirectory
    }
  })
  if (built.code !== 0) return `The addon could not be built: ${account(built)}`
  writeFileSync(mark, "")
  return undefined
}

export const confluentSuite: Suite = {
  name: "confluent-javascript",
  about: "@confluentinc/kafka-javascript 1.10.1 on librdkafka 2.15.1",
  prepare,
  run: (context) =>
    context.withBroker({ partitions: 4, config: { "group.initial.rebalance.delay.ms": "0" } }, async (broker) => {
      const cases = new Cases(context)
      const program = join(import.meta.dirname, "confluent.mjs")
      addTold(
        cases,
        await run(process.execPath, [program, broker.bootstrap], { cwd: home(context), timeoutMs: 600_000 })
      )
      return cases.all
    })
}
