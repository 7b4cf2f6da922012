/**
 * "Did you mean": the known name that is nearest to what was written.
 */

/** Insertions, deletions, replacements and swaps of neighbours between two words. */
export function editDistance(a: string, b: string): number {
  const width = b.length + 1
  const rows = new Uint16Array((a.length + 1) * width)
  for (let j = 0; j < width; j++) rows[j] = j
  for (let i = 1; i <= a.length; i++) {
    rows[i * width] = i
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1] ? 0 : 1
      const at = i * width + j
      let best = Math.min(rows[at - width]! + 1, rows[at - 1]! + 1, rows[at - width - 1]! + same)
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        best = Math.min(best, rows[at - 2 * width - 2]! + 1)
      }
      rows[at] = best
    }
  }
  return rows[a.length * width + b.length]!
}

/** The nearest of `known`, or undefined when nothing is near enough to be a slip of the pen. */
export function nearest(written: string, known: Iterable<string>): string | undefined {
  const bound = Math.max(1, Math.floor(written.length / 3))
  let best: string | undefined
  let bestDistance = bound + 1
  for (const name of known) {
    if (Math.abs(name.length - written.length) >= bestDistance) continue
    const distance = editDistance(written.toLowerCase(), name.toLowerCase())
    if (distance < bestDistance) {
      best = name
      bestDistance = distance
    }
  }
  return best
}

/** ` Did you mean "x"?`, or nothing. */
export function didYouMean(written: string, known: Iterable<string>, prefix = ""): string {
  const name = nearest(written, known)
  return name === undefined ? "" : ` Did you mean "${prefix}${name}"?`
}
