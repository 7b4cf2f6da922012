/** Sets of directed links that partitions cut. */
export type Links = ReadonlyArray<readonly [from: number, to: number]>

/** All links from one group to the other and back. */
export const between = (a: ReadonlyArray<number>, b: ReadonlyArray<number>): Links =>
  a.flatMap((one) => b.flatMap((other) => [[one, other] as const, [other, one] as const]))

/** The links of `node` to all others ("out"), from all others ("in"), or both. */
export const isolating = (node: number, nodes: ReadonlyArray<number>, direction: "in" | "out" | "both"): Links =>
  nodes
    .filter((other) => other !== node)
    .flatMap((other) => [
      ...(direction === "in" ? [] : [[node, other] as const]),
      ...(direction === "out" ? [] : [[other, node] as const])
    ])

/** What to cut so that every node sees its neighbours in `order` only: just a majority, and no two see the same one. */
export const ring = (order: ReadonlyArray<number>): Links => {
  const reach = Math.ceil(Math.floor(order.length / 2) / 2)
  const links: Array<readonly [number, number]> = []
  for (let i = 0; i < order.length; i++) {
    for (let j = 0; j < order.length; j++) {
      const distance = Math.min(Math.abs(i - j), order.length - Math.abs(i - j))
      if (distance > reach) links.push([order[i]!, order[j]!])
    }
  }
  return links
}
