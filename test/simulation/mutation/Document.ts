/** The table of mutations inside a document: replaces what stands between its markers and nothing else. */
export const BEGIN = "<!-- mutations:begin -->"
export const END = "<!-- mutations:end -->"

export const EMPTY_DOCUMENT = `# Simulation\n\n${BEGIN}\n${END}\n`

export const placeTable = (document: string, table: string): string => {
  const begin = document.indexOf(BEGIN)
  const end = document.indexOf(END)
  if (begin < 0 || end < begin || document.indexOf(BEGIN, begin + 1) >= 0) {
    throw new Error(`the document must hold ${BEGIN} and ${END} once each, in this order`)
  }
  return `${document.slice(0, begin + BEGIN.length)}\n${table}\n${document.slice(end)}`
}
