/** Loaded before anything else (`node --import`): changes a mutation's files on their way from the disk to the compiler. */
import { registerHooks } from "node:module"
import { pathToFileURL } from "node:url"
import { editsOf, MUTATION_VARIABLE, type Mutation, mutateFile, ROOT } from "./Mutation.ts"
import { markPlanted } from "./planted.ts"

const mutation = JSON.parse(process.env[MUTATION_VARIABLE] ?? "null") as Mutation | null
if (mutation === null) throw new Error(`${MUTATION_VARIABLE} holds no mutation`)
/** By address; what has been loaded is taken out. */
const targets = Map.groupBy(editsOf(mutation), (edit) => pathToFileURL(ROOT + edit.file).href)

registerHooks({
  load: (url, context, nextLoad) => {
    const loaded = nextLoad(url, context)
    const edits = targets.get(url)
    if (edits === undefined) return loaded
    const { source } = loaded
    if (source === undefined || source === null) throw new Error(`${url} came without its text`)
    const text = typeof source === "string" ? source : new TextDecoder().decode(source)
    const mutated = mutateFile(text, edits)
    if ("problem" in mutated) throw new Error(mutated.problem)
    targets.delete(url)
    if (targets.size === 0) markPlanted()
    return { ...loaded, source: mutated.text }
  }
})
