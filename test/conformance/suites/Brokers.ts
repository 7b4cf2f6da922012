/**
 * The broker that a suite runs against: the command line in a process of its own on a fresh directory, or one that runs already.
 */
import { rmSync } from "node:fs"
import { BrokerProcess, freePort, temporaryDirectory } from "../../support/BrokerProcess.ts"
import type { BrokerAddress, BrokerWishes, Context } from "./Suite.ts"

const argumentsOf = (wishes: BrokerWishes): ReadonlyArray<string> => [
  "--default-partitions",
  String(wishes.partitions ?? 1),
  ...Object.entries(wishes.config ?? {}).flatMap(([name, value]) => ["--set", `${name}=${value}`])
]

/** Brokers that run now: they go with this process, however it ends. */
const live = new Set<BrokerProcess>()
process.on("exit", () => {
  for (const broker of live) {
    if (broker.running) process.kill(broker.pid, "SIGKILL")
    rmSync(broker.dataDir, { recursive: true, force: true })
  }
})

/** A fresh broker for each use. */
export const ownBrokers: Context["withBroker"] = async (wishes, use) => {
  const broker = new BrokerProcess(await freePort(), temporaryDirectory(), argumentsOf(wishes))
  try {
    await broker.start()
    live.add(broker)
    const address: BrokerAddress = {
      bootstrap: broker.bootstrap,
      dataDir: broker.dataDir,
      restart: async () => {
        await broker.end("SIGTERM")
        await broker.start()
      }
    }
    return await use(address)
  } finally {
    live.delete(broker)
    await broker.dispose()
  }
}

/** Always the broker of `--bootstrap`, which nobody here stops. Its configs are its owner's. */
export const foreignBroker =
  (bootstrap: string): Context["withBroker"] =>
  (_wishes, use) =>
    use({ bootstrap, dataDir: undefined, restart: undefined })
