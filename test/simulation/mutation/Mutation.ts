/** A bug to be planted, and how hard it may be to find. Planted when the file is loaded; the disk is never touched. */
import { readFileSync } from "node:fs"

export interface Edit {
  /** From the repository's root. */
  readonly file: string
  /** Occurs exactly once in the file. */
  readonly find: string
  readonly replace: string
}

export interface Mutation extends Edit {
  readonly name: string
  /** What it breaks: "rule 9", "Raft 5.4.2". */
  readonly rule: string
  /** The bug, in one sentence. */
  readonly what: string
  /** Where a rule stands twice, or an assertion stands behind it: left out together with it. */
  readonly also?: ReadonlyArray<Edit>
  /** Seeds within which it must be found. */
  readonly seedsMax: number
  /** Options that bring about the moment in which it matters. */
  readonly sets: ReadonlyArray<string>
}

export const ROOT = new URL("../../../", import.meta.url).pathname

/** The environment variable that carries a mutation to a child process. */
export const MUTATION_VARIABLE = "CHRONIK_SIMULATION_MUTATION"

export const editsOf = ({ file, find, replace, also = [] }: Mutation): ReadonlyArray<Edit> => [
  { file, find, replace },
  ...also
]

/** The changed text, or a sentence about why the edit does not fit any more: it never rots in silence. */
export const mutate = (text: string, edit: Edit): { readonly text: string } | { readonly problem: string } => {
  const times = text.split(edit.find).length - 1
  if (edit.find === "" || times !== 1) {
    return { problem: `its text "${edit.find}" occurs ${times} times in ${edit.file}, not once` }
  }
  if (edit.find === edit.replace) return { problem: `it changes nothing in ${edit.file}` }
  // A function, since a string would give a meaning to "$" in the replacement.
  return { text: text.replace(edit.find, () => edit.replace) }
}

/** All edits of one file, in order. */
export const mutateFile = (
  text: string,
  edits: ReadonlyArray<Edit>
): { readonly text: string } | { readonly problem: string } => {
  let mutated = text
  for (const edit of edits) {
    const found = mutate(mutated, edit)
    if ("problem" in found) return found
    mutated = found.text
  }
  return { text: mutated }
}

/** Sentences about a list: texts that do not fit, names used twice. */
export const mutationProblems = (mutations: ReadonlyArray<Mutation>): ReadonlyArray<string> => {
  const names = new Set<string>()
  return mutations.flatMap((mutation) => {
    const problems = names.has(mutation.name) ? [`${mutation.name}: two mutations have this name`] : []
    names.add(mutation.name)
    if (mutation.seedsMax < 1) problems.push(`${mutation.name}: may never be found`)
    for (const [file, edits] of Map.groupBy(editsOf(mutation), (edit) => edit.file)) {
      const found = mutateFile(readFileSync(ROOT + file, "utf8"), edits)
      if ("problem" in found) problems.push(`${mutation.name}: ${found.problem}`)
    }
    return problems
  })
}
