/**
 * Who listens on a TCP port of this machine, for the error message of a port that is taken.
 *
 * Linux only, and only what /proc shows us for free: the socket's inode from /proc/net/tcp{,6}, then the process that has
 * it open. Processes of other users stay unseen. Deliberately a hint: nothing may depend on it.
 */
import { readdirSync, readFileSync, readlinkSync } from "node:fs"

const LISTEN = "0A"

/** `process 4711 (java)`, or undefined when it cannot be told. */
export function portHolder(port: number): string | undefined {
  const inodes = new Set(["/proc/net/tcp", "/proc/net/tcp6"].flatMap((table) => listeningInodes(table, port)))
  if (inodes.size === 0) return undefined
  for (const pid of entries("/proc")) {
    if (!/^\d+$/.test(pid)) continue
    for (const fd of entries(`/proc/${pid}/fd`)) {
      const link = attempt(() => readlinkSync(`/proc/${pid}/fd/${fd}`))
      if (link === undefined || !inodes.has(link)) continue
      const name = attempt(() => readFileSync(`/proc/${pid}/comm`, "utf8").trim())
      return name === undefined ? `process ${pid}` : `process ${pid} (${name})`
    }
  }
  return undefined
}

/** As the links of /proc/<pid>/fd show them: `socket:[12345]`. */
function listeningInodes(table: string, port: number): ReadonlyArray<string> {
  const hexPort = port.toString(16).toUpperCase().padStart(4, "0")
  const lines = (attempt(() => readFileSync(table, "utf8")) ?? "").split("\n")
  return lines.flatMap((line) => {
    const columns = line.trim().split(/\s+/)
    return columns[3] === LISTEN && columns[1]?.endsWith(`:${hexPort}`) ? [`socket:[${columns[9]}]`] : []
  })
}

const entries = (path: string): ReadonlyArray<string> => attempt(() => readdirSync(path)) ?? []

/** Whatever /proc refuses (another system, another user, a process that just ended) is simply not known. */
function attempt<A>(read: () => A): A | undefined {
  try {
    return read()
  } catch {
    return undefined
  }
}
