/**
 * A broker as its users run it: the command line in a process of its own, on a data directory that outlives it.
 *
 * Ready means: the port has answered a question of the Kafka protocol. Every wait is for an event of the process or of a
 * socket, with a deadline that fails the caller.
 */
import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { mkdtempSync, readFileSync, rmSync } from "node:fs"
import { connect, createServer } from "node:net"
import { tmpdir } from "node:os"
import { join, resolve } from "node:path"

const ENTRY = resolve(import.meta.dirname, "../../packages/cli/bin/chronik-effect.js")
const READY_MS_MAX = 20_000

export const temporaryDirectory = (): string => mkdtempSync(join(tmpdir(), "chronik-test-"))

/** A port that was free a moment ago; the broker must find it again after a restart, so 0 will not do. */
export const freePort = async (): Promise<number> => {
  const server = createServer().listen(0, "127.0.0.1")
  await once(server, "listening")
  const address = server.address()
  if (address === null || typeof address === "string") throw new Error("a TCP server without a port")
  server.close()
  await once(server, "close")
  return address.port
}

export class BrokerProcess {
  readonly port: number
  readonly dataDir: string
  /** Milliseconds from the spawn to the first accepted connection of the last start. */
  readyMs = Number.NaN
  output = ""
  #child: ChildProcess | undefined
  readonly #args: ReadonlyArray<string>
  readonly #entry: string

  constructor(port: number, dataDir: string, args: ReadonlyArray<string> = [], entry = ENTRY) {
    this.port = port
    this.dataDir = dataDir
    this.#args = args
    this.#entry = entry
  }

  get bootstrap(): string {
    return `127.0.0.1:${this.port}`
  }

  get running(): boolean {
    return this.#child !== undefined
  }

  get pid(): number {
    if (this.#child?.pid === undefined) throw new Error("the broker is not running")
    return this.#child.pid
  }

  /** How long its main thread was ready to run while others had the processors: the tests of other files do not count. */
  get queuedMs(): number {
    const [, queuedNanos] = readFileSync(`/proc/${this.pid}/task/${this.pid}/schedstat`, "utf8").split(" ")
    return Number(queuedNanos) / 1e6
  }

  async start(): Promise<void> {
    const started = performance.now()
    const args = [this.#entry, "serve", "--data-dir", this.dataDir, "--kafka-port", String(this.port), ...this.#args]
    const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "pipe"] })
    this.#child = child
    this.output = ""
    child.stdout?.on("data", (text: Buffer) => {
      this.output += text
    })
    child.stderr?.on("data", (text: Buffer) => {
      this.output += text
    })
    const exited = once(child, "exit").then(([code]) => {
      throw new Error(`the broker ended with ${code} before it was ready:\n${this.output}`)
    })
    exited.catch(() => {})
    await Promise.race([this.#answers(performance.now() + READY_MS_MAX), exited])
    this.readyMs = performance.now() - started
  }

  /** Ends the process with a signal and waits until it is gone. Resolves with its exit code, null after a kill. */
  async end(signal: NodeJS.Signals = "SIGKILL"): Promise<number | null> {
    const child = this.#child
    this.#child = undefined
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return child?.exitCode ?? null
    const gone = once(child, "exit")
    child.kill(signal)
    const [code] = await gone
    return code as number | null
  }

  async dispose(): Promise<void> {
    await this.end()
    rmSync(this.dataDir, { recursive: true, force: true })
  }

  async #answers(deadline: number): Promise<void> {
    while (!(await answers(this.port))) {
      if (performance.now() > deadline) throw new Error(`no answer within ${READY_MS_MAX} ms:\n${this.output}`)
      // A refused connection comes back at once; a short pause leaves the core to the one who starts.
      await new Promise((next) => setTimeout(next, 2))
    }
  }
}

/** ApiVersions v0: the smallest question that only a Kafka server answers. */
const QUESTION = Buffer.from([0, 0, 0, 10, 0, 18, 0, 0, 0, 0, 0, 1, 0xff, 0xff])

const answers = (port: number): Promise<boolean> =>
  new Promise((settle) => {
    const socket = connect(port, "127.0.0.1", () => socket.write(QUESTION))
    const done = (answer: boolean) => {
      socket.destroy()
      settle(answer)
    }
    socket.once("data", () => done(true))
    socket.once("error", () => done(false))
    socket.once("close", () => done(false))
    socket.setTimeout(1_000, () => done(false))
  })
