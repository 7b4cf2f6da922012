/**
 * Colours of the terminal, where the stream is one that shows them.
 *
 * Own code instead of `styleText`: importing `node:util` costs a start 2-3 ms, because an ES module import of it loads
 * everything that it hands out.
 */
const CODES = { bold: 1, dim: 2, red: 31, green: 32, yellow: 33 } as const

export type Style = keyof typeof CODES
export type Paint = (style: Style, text: string) => string

export const plain: Paint = (_style, text) => text

const coloured: Paint = (style, text) => `\u001b[${CODES[style]}m${text}\u001b[0m`

/** https://no-color.org and the usual FORCE_COLOR are heeded. */
export function paintFor(
  stream: { readonly isTTY?: boolean },
  env: Readonly<Record<string, string | undefined>>
): Paint {
  if ((env.NO_COLOR ?? "") !== "") return plain
  if ((env.FORCE_COLOR ?? "") !== "" && env.FORCE_COLOR !== "0") return coloured
  return stream.isTTY === true && env.TERM !== "dumb" ? coloured : plain
}
