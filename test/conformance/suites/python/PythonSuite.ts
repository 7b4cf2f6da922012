/**
 * Python clients, each in a virtual environment of its own.
 */
import { existsSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { addTold } from "../External.ts"
import { folder, installed, must, run } from "../Programs.ts"
import { type Case, Cases, type Context, type Suite } from "../Suite.ts"

interface Client {
  /** Name of the environment's folder. */
  readonly environment: string
  readonly about: string
  readonly packages: ReadonlyArray<string>
  readonly program: string
}

const CODECS = ["lz4==4.4.5", "zstandard==0.25.0", "python-snappy==0.7.3"]

const CLIENTS: ReadonlyArray<Client> = [
  {
    environment: "kafka-python-2.0",
    about: "kafka-python 2.0.2, the one that distributions ship",
    packages: ["kafka-python==2.0.2", ...CODECS],
    program: "kafka_python.py"
  },
  {
    environment: "kafka-python-3.0",
    about: "kafka-python 3.0.12",
    packages: ["kafka-python==3.0.12", ...CODECS],
    program: "kafka_python.py"
  },
  {
    environment: "aiokafka",
    about: "aiokafka 0.14.0",
    packages: ["aiokafka==0.14.0", ...CODECS],
    program: "aiokafka_client.py"
  },
  {
    environment: "confluent-kafka",
    about: "confluent-kafka 2.16.1, which brings librdkafka 2.16",
    packages: ["confluent-kafka==2.16.1"],
    program: "confluent.py"
  }
]

const SECONDS_MAX = 600

const environmentOf = (context: Context, client: Client): string => join(context.cache, "python", client.environment)

const prepare = async (context: Context, client: Client): Promise<string | undefined> => {
  if (!installed("python3", "-m", "venv", "-h"))
    return "Python 3 with venv is not installed (Debian package python3-venv)."
  const environment = environmentOf(context, client)
  // The packages are part of the mark: a changed list makes the environment anew.
  const mark = join(environment, `${client.packages.join("+")}.complete`)
  if (existsSync(mark)) return undefined
  context.say(`  making a virtual environment with ${client.packages.join(", ")}`)
  folder(context.cache, "python")
  await must("python3", ["-m", "venv", "--clear", environment], { timeoutMs: 120_000 })
  const pip = await run(join(environment, "bin", "pip"), ["install", "--quiet", ...client.packages], {
    timeoutMs: 300_000
  })
  if (pip.code !== 0)
    return `pip could not install ${client.packages.join(", ")}: ${pip.stderr.trim().split("\n").at(-1)}`
  writeFileSync(mark, "")
  return undefined
}

const runClient = (context: Context, client: Client): Promise<ReadonlyArray<Case>> =>
  context.withBroker({ partitions: 4, config: { "group.initial.rebalance.delay.ms": "0" } }, async (broker) => {
    const cases = new Cases(context)
    const python = join(environmentOf(context, client), "bin", "python")
    const program = join(import.meta.dirname, client.program)
    addTold(cases, await run(python, ["-B", program, broker.bootstrap], { timeoutMs: SECONDS_MAX * 1000 }))
    return cases.all
  })

export const pythonSuites: ReadonlyArray<Suite> = CLIENTS.map((client) => ({
  name: client.environment,
  about: client.about,
  prepare: (context) => prepare(context, client),
  run: (context) => runClient(context, client)
}))
