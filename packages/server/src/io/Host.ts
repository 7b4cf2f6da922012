/**
 * What the operating system says about this machine's addresses.
 */
import { hostname, networkInterfaces, totalmem } from "node:os"

/** An address of this machine that others can reach: its first outward IPv4 address, else its name. */
export const routableAddress = (): string => {
  for (const addresses of Object.values(networkInterfaces())) {
    for (const address of addresses ?? []) if (address.family === "IPv4" && !address.internal) return address.address
  }
  return hostname()
}

/** Memory that this process may count on for the page cache too: the machine's, or what its container may have. */
export const memoryBytes = (): number => {
  const limit = process.constrainedMemory()
  return limit > 0 ? Math.min(limit, totalmem()) : totalmem()
}
