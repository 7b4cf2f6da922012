/**
 * The readable history of a run: time at the left, a column a node, one thing that happened a line. A line's text begins in
 * its node's column and may run on to the right, since nothing else stands there. Kept as the last `linesMax` lines.
 */
import { assert } from "../../../packages/core/src/base/Assert.ts"

interface Line {
  readonly atMs: number
  readonly node: number
  readonly text: string
}

const COLUMN_WIDTH = 14
const TIME_WIDTH = 11

export class Trace {
  readonly #linesMax: number
  #lines: Array<Line> = []
  #dropped = 0

  constructor(linesMax = 100_000) {
    assert(linesMax > 0, "a trace must keep at least one line")
    this.#linesMax = linesMax
  }

  /** `node` -1: the world or a client, at the far left. */
  add(atMs: number, node: number, text: string): void {
    this.#lines.push({ atMs, node, text })
    // Dropped in halves: moving the whole array for each line would cost more than the run.
    if (this.#lines.length < this.#linesMax * 2) return
    this.#dropped += this.#lines.length - this.#linesMax
    this.#lines = this.#lines.slice(-this.#linesMax)
  }

  get size(): number {
    return Math.min(this.#lines.length, this.#linesMax)
  }

  render(last = this.#linesMax): string {
    const kept = this.#lines.slice(-Math.min(last, this.#linesMax))
    const nodes = [...new Set(kept.map((line) => line.node).filter((node) => node >= 0))].sort((a, b) => a - b)
    const header = `${"ms".padStart(TIME_WIDTH)}  ${["world", ...nodes.map((node) => `node ${node}`)].map((name) => name.padEnd(COLUMN_WIDTH)).join("")}`
    const omitted = this.#dropped + this.#lines.length - kept.length
    const lines = kept.map((line) => rowOf(line, nodes))
    return [
      header.trimEnd(),
      ...(omitted > 0 ? [`${"…".padStart(TIME_WIDTH)}  ${omitted} earlier lines`] : []),
      ...lines
    ].join("\n")
  }
}

function rowOf(line: Line, nodes: ReadonlyArray<number>): string {
  const column = line.node < 0 ? 0 : nodes.indexOf(line.node) + 1
  const before = "│".padEnd(COLUMN_WIDTH).repeat(column)
  // Columns at the right are drawn as far as the text leaves room for them.
  const width = COLUMN_WIDTH * (nodes.length + 1)
  const text = (before + line.text).padEnd(width)
  let row = text.slice(0, Math.max(before.length + line.text.length, 0))
  for (let at = row.length; at < width; at++) row += at % COLUMN_WIDTH === 0 ? "│" : " "
  return `${line.atMs.toFixed(3).padStart(TIME_WIDTH)}  ${row}`.trimEnd()
}
