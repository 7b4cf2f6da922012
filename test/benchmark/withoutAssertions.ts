/**
 * Takes the assertions out of the machines while they are loaded, conditions included: what they cost is the difference.
 *
 *   node --import ./test/benchmark/withoutAssertions.ts test/benchmark/machines.ts
 */
import { registerHooks } from "node:module"

registerHooks({
  load: (url, context, nextLoad) => {
    const loaded = nextLoad(url, context)
    if (!url.includes("/packages/core/src/") || loaded.source === undefined) return loaded
    const source =
      typeof loaded.source === "string" ? loaded.source : new TextDecoder().decode(loaded.source as Uint8Array)
    // Statements only: behind `false &&` neither the condition nor the message is evaluated.
    return { ...loaded, source: source.replaceAll(/^(\s*)assert\(/gm, "$1false && assert(") }
  }
})
