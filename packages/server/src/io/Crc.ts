/**
 * Puts a native CRC-32C before core's WebAssembly when the optional package `@node-rs/crc32` can be loaded.
 *
 * Its absence is no fault: no prebuilt binary for the platform, or an installation without optional packages. The answer
 * says which of the two is at work, for the start-up log.
 */
import { createRequire } from "node:module"
import { installCrc32c } from "@chronik-effect/core/base/Crc32c.ts"

export type CrcSource =
  | { readonly _tag: "Native" }
  /** `reason`: why the native one is not used, a sentence. */
  | { readonly _tag: "WebAssembly"; readonly reason: string }

const PACKAGE = "@node-rs/crc32"

type Load = (name: string) => unknown

/** Synchronous, some milliseconds; for the start of the process. `load` is an argument for tests. */
export function installNativeCrc32c(load: Load = createRequire(import.meta.url)): CrcSource {
  let loaded: unknown
  try {
    loaded = load(PACKAGE)
  } catch (error) {
    const detail = error instanceof Error ? error.message.split("\n")[0] : String(error)
    return { _tag: "WebAssembly", reason: `The optional package ${PACKAGE} cannot be loaded: ${detail}` }
  }
  if (!hasCrc32c(loaded)) return { _tag: "WebAssembly", reason: `The package ${PACKAGE} has no function crc32c.` }
  const { crc32c } = loaded
  installCrc32c((bytes) => crc32c(bytes))
  return { _tag: "Native" }
}

function hasCrc32c(loaded: unknown): loaded is { readonly crc32c: (bytes: Uint8Array) => number } {
  return typeof loaded === "object" && loaded !== null && "crc32c" in loaded && typeof loaded.crc32c === "function"
}
