/**
 * Independent random streams of one seed, each by its name. A stream does not depend on which others exist or on how much they
 * were used: a run with one fault fewer draws the same network, disks and clients, which is what shrinking lives on.
 */
import { Prng } from "../../../packages/core/src/base/Prng.ts"

/** FNV-1a, 32 bits. */
export const hashText = (text: string, basis = 0x811c_9dc5): number => {
  let hash = basis
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x0100_0193)
  return hash >>> 0
}

export const streamOf = (seed: number, name: string): Prng => {
  const words = new Prng(seed)
  return new Prng((words.uint32() ^ hashText(name)) >>> 0)
}
