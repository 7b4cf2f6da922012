/** A child process of a hunt: runs the jobs it is given and answers each. Its first argument is the world's module. */
import { isPlanted } from "../mutation/planted.ts"
import { loadWorld, runJob } from "./Jobs.ts"
import type { FromWorker, ToWorker } from "./Messages.ts"

const say = (message: FromWorker): void => void process.send!(message)

const run = await loadWorld(process.argv[2]!)

const runAll = ({ jobs, stopAtFailure }: ToWorker): void => {
  for (const job of jobs) {
    const startedMs = performance.now()
    const result = runJob(run, job)
    say({ _tag: "Finished", result, tookMs: performance.now() - startedMs })
    if (stopAtFailure && !result.ok) return
  }
}

process.on("message", runAll)
// The parent went away: nobody reads the results.
process.on("disconnect", () => process.exit(0))
say({ _tag: "Ready", planted: isPlanted() })
