/** Whether this process runs mutated source: set by `plant.ts` when it has changed the file, read by the worker. */
const KEY = Symbol.for("chronik-effect.planted")

const flags = globalThis as { [KEY]?: boolean }

export const markPlanted = (): void => {
  flags[KEY] = true
}

export const isPlanted = (): boolean => flags[KEY] === true
