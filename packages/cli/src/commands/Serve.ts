/**
 * `serve`: settings → server → banner → wait for the signal → clean stop.
 *
 * The server is imported here and nowhere else in the command line. It deliberately decides nothing about the node: what is
 * recovered, listened on and supervised is the server's.
 */
import { readFileSync } from "node:fs"
import { flushCompileCache } from "node:module"
import { resolve } from "node:path"
import type { NodeConfigValues } from "@chronik-effect/server/config/NodeConfig.ts"
import type { RunningNode, StartReport } from "@chronik-effect/server/observe/StartReport.ts"
import type { Parsed } from "../args/Command.ts"
import { CliFailure, EXIT_FAILED } from "../CliFailure.ts"
import { renderBanner } from "../render/banner.ts"
import { paintFor } from "../render/paint.ts"
import { settle } from "../settings/Sources.ts"
import { VERSION } from "../Version.ts"
import { explainStart } from "./Explain.ts"

/** A stop that takes longer has hung: the process ends anyway. */
const STOP_LIMIT_MS = 10_000
const EXIT_INTERRUPTED = 130

export async function serve(parsed: Parsed): Promise<number> {
  const { values, warnings } = settle({
    flags: parsed.flags,
    env: process.env,
    readFile: (path) => readFileSync(path, "utf8")
  })
  const config: NodeConfigValues = { ...values, dataDir: resolve(values.dataDir) }
  for (const warning of warnings) process.stderr.write(`warning: ${warning}\n`)
  const node = await start(config)
  announce(config, { ...node.report, version: VERSION })
  // Now, not at the exit: a process that is killed would never leave its compiled code for the next start.
  flushCompileCache()
  return await untilStopped(node)
}

async function start(config: NodeConfigValues): Promise<RunningNode> {
  const { startStandalone } = await import("@chronik-effect/server/Standalone.ts")
  try {
    return await startStandalone(config)
  } catch (error) {
    const sentence = explainStart(error, config)
    if (sentence === undefined) throw error
    throw new CliFailure(sentence, EXIT_FAILED, { cause: error })
  }
}

function announce(config: NodeConfigValues, report: StartReport): void {
  switch (config.logFormat) {
    case "json":
      process.stdout.write(`${JSON.stringify({ message: "ready", ...report })}\n`)
      return
    case "logfmt":
      process.stdout.write(`message=ready ${logfmt(report)}\n`)
      return
    case "pretty":
      process.stdout.write(`${renderBanner(report, paintFor(process.stdout, process.env))}
`)
  }
}

const logfmt = (record: object, prefix = ""): string =>
  Object.entries(record)
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) =>
      typeof value === "object" && value !== null
        ? logfmt(value, `${prefix}${key}.`)
        : `${prefix}${key}=${/[\s"=]/.test(String(value)) ? JSON.stringify(String(value)) : value}`
    )
    .join(" ")

/** Resolves with the exit code when a signal or the node's own failure has ended it. */
function untilStopped(node: RunningNode): Promise<number> {
  return new Promise((settled) => {
    let stopping = false
    const stop = (code: number) => {
      stopping = true
      const watchdog = setTimeout(() => {
        process.stderr.write(`The node did not stop within ${STOP_LIMIT_MS / 1_000} s and is ended now.\n`)
        process.exit(EXIT_FAILED)
      }, STOP_LIMIT_MS)
      watchdog.unref()
      node.close().then(
        () => settled(code),
        (error: unknown) => {
          process.stderr.write(`The node did not stop in order: ${error instanceof Error ? error.message : error}\n`)
          settled(EXIT_FAILED)
        }
      )
    }
    const onSignal = (signal: NodeJS.Signals) => {
      if (stopping) process.exit(EXIT_INTERRUPTED)
      process.stderr.write(`${signal}: stopping; once more to stop at once.\n`)
      stop(0)
    }
    process.on("SIGINT", onSignal)
    process.on("SIGTERM", onSignal)
    node.failed.then((reason) => {
      // A stop in order may end what watches for failures, too.
      if (stopping) return
      process.stderr.write(`The node failed and stops: ${reason}\n`)
      stop(EXIT_FAILED)
    })
  })
}
