/**
 * A failure of the operating system or of the server, as the sentence that the operator needs.
 *
 * Total over what it knows: an error that is neither ours (tagged, with a sentence) nor a known code is a defect and comes
 * back undefined, so that it is shown with its stack.
 */
import type { NodeConfigValues } from "@chronik-effect/server/config/NodeConfig.ts"

type Place = Pick<NodeConfigValues, "host" | "kafkaPort" | "dataDir" | "durability">

interface Facts {
  readonly code?: unknown
  readonly _tag?: unknown
  readonly message?: unknown
  readonly cause?: unknown
  readonly syscall?: unknown
  readonly path?: unknown
}

/** The error and its causes, outermost first; bounded, because a cause may point back. */
function* chain(error: unknown): Generator<Facts> {
  let at = error
  for (let depth = 0; depth < 8 && typeof at === "object" && at !== null; depth++) {
    yield at as Facts
    at = (at as Facts).cause
  }
}

function listenSentence(code: string, at: Place): string | undefined {
  const address = `${at.host}:${at.kafkaPort}`
  switch (code) {
    case "EADDRINUSE":
      return `Port ${at.kafkaPort} on ${at.host} is in use by another process: stop that one, or choose another port with --kafka-port.`
    case "EADDRNOTAVAIL":
      return `${at.host} is not an address of this machine: choose one that is with --host (0.0.0.0 is all of them).`
    case "ENOTFOUND":
    case "EAI_AGAIN":
      return `The name ${at.host} given by --host cannot be resolved: give an IP address, or a name this machine knows.`
    case "EACCES":
      return `Listening on ${address} is not permitted: choose a port from 1024 on with --kafka-port, or give this process the right to use it.`
    default:
      return undefined
  }
}

function diskSentence(code: string, at: Place, path: string): string | undefined {
  const where = path === "" ? at.dataDir : path
  switch (code) {
    case "EACCES":
    case "EPERM":
      return `The data directory ${at.dataDir} cannot be written (${code} at ${where}): give this user the right to it, or choose another with --data-dir.`
    case "EROFS":
      return `The data directory ${at.dataDir} lies on a read-only file system: choose another with --data-dir.`
    case "ENOTDIR":
    case "EEXIST":
      return `The data directory ${at.dataDir} is not a directory: remove the file that has its name, or choose another with --data-dir.`
    case "ENOENT":
      return `${where} does not exist and cannot be made: check the path given by --data-dir.`
    case "ENOSPC":
    case "EDQUOT":
      return `There is no space left for the data directory ${at.dataDir}: free some, or choose another disk with --data-dir.`
    case "EMFILE":
    case "ENFILE":
      return "Too many files are open: raise the limit of this process (ulimit -n) and start again."
    default:
      return undefined
  }
}

const NETWORK_CALLS: ReadonlySet<unknown> = new Set(["listen", "bind", "getaddrinfo"])

/** The sentence for a failed start, or undefined when the error is no expected one. */
export function explainStart(error: unknown, at: Place): string | undefined {
  let tagged: string | undefined
  for (const link of chain(error)) {
    if (typeof link.code === "string") {
      const network = NETWORK_CALLS.has(link.syscall) || /^EADDR|^ENOTFOUND|^EAI_/.test(link.code)
      const path = typeof link.path === "string" ? link.path : ""
      const sentence = network ? listenSentence(link.code, at) : diskSentence(link.code, at, path)
      if (sentence !== undefined) return tagged ?? sentence
    }
    // A tagged error of the server is a sentence already; one without a message says nothing.
    if (typeof link._tag === "string" && typeof link.message === "string" && link.message.includes(" ")) {
      tagged ??= link.message
    }
  }
  return tagged
}
