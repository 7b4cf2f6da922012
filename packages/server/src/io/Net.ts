/**
 * TCP for the Kafka listener: bind, accept, and sockets that read into memory of ours.
 *
 * Node lets a *client* socket read into a given buffer (`onread`), a server's accepted socket not. So the accepted handle is
 * moved into a socket of our own making that has `onread`. That takes three fields which are not part of Node's API; they
 * are looked for at each accept, and where they are missing (or `receive: "data"` asks for it) the socket's ordinary 'data'
 * events are copied to the same place. Both ways look the same from outside: `target` says where the next bytes go,
 * `onRead` that they are there.
 *
 * Deliberately absent: framing, buffering of output, timers, TLS.
 *
 * **Ownership** memory returned by `target` is written to until `onClose` or until the next call of `target`.
 */
import * as net from "node:net"
import { Data, Effect, type Scope } from "effect"
import { portHolder } from "./PortHolder.ts"

export interface ListenOptions {
  readonly host: string
  /** 0: any free port. */
  readonly port: number
  /** How accepted sockets read; `data` is the fallback and forced by tests. */
  readonly receive?: "onread" | "data"
  /** Connections that the kernel accepts before we do. */
  readonly backlog?: number
}

/** What a socket tells its owner. None of these may throw. */
export interface SocketEvents {
  readonly target: () => Uint8Array
  /** False stops the reading until `resumeReading`. */
  readonly onRead: (count: number) => boolean
  readonly onEnd: () => void
  readonly onClose: () => void
}

export interface NetSocket {
  readonly remoteAddress: string
  readonly remotePort: number
  /** Bytes written but not yet taken by the kernel. */
  readonly unsentBytes: number
  /** Begins to read. Called once. */
  readonly start: (events: SocketEvents) => void
  readonly write: (bytes: Uint8Array) => void
  /** All in one call to the kernel where it can be. */
  readonly writeAll: (chunks: ReadonlyArray<Uint8Array>) => void
  /** Called once when all that was written so far has been taken by the kernel. Not called when the socket dies first. */
  readonly whenSent: (callback: () => void) => void
  readonly pauseReading: () => void
  readonly resumeReading: () => void
  /** Tells the peer that no more comes, after what was written. */
  readonly endWriting: () => void
  readonly destroy: () => void
}

export interface Listening {
  readonly host: string
  readonly port: number
  /** Hands out connections, first those that came since the port was bound. Called once. `onFailure`: one that failed. */
  readonly accept: (onSocket: (socket: NetSocket) => void, onFailure: (message: string) => void) => void
  /** Connections are refused from now on; those that exist stay. */
  readonly stopAccepting: () => void
}

/** The port could not be bound; `message` says what to do. */
export class ListenError extends Data.TaggedError("ListenError")<{
  readonly code: string
  readonly host: string
  readonly port: number
  readonly message: string
}> {}

const EMPTY = new Uint8Array(0)
const BACKLOG = 1024

/** Binds at once. The scope's end closes the port, never the connections: they belong to whoever took them. */
export const listen = (options: ListenOptions): Effect.Effect<Listening, ListenError, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.callback<{ readonly server: net.Server; readonly listening: Listening }, ListenError>((resume) => {
      const server = net.createServer({ pauseOnConnect: true, noDelay: true, keepAlive: true })
      const listening = gate(server, options)
      server.once("error", (error: NodeJS.ErrnoException) => resume(Effect.fail(listenError(options, error))))
      const backlog = options.backlog ?? BACKLOG
      const ready = () => {
        server.removeAllListeners("error")
        server.on("error", (error) => listening.failed(error.message))
        resume(Effect.succeed({ server, listening: { ...listening.port, port: boundPort(server) } }))
      }
      const bound = boundHandle(options)
      if (bound === undefined) server.listen({ host: options.host, port: options.port, backlog }, ready)
      else server.listen(bound, backlog, ready)
    }),
    ({ server }) => Effect.sync(() => server.close())
  ).pipe(Effect.map(({ listening }) => listening))

const IPV4 = /^\d{1,3}(\.\d{1,3}){3}$/

/**
 * A bound handle for an address that needs no resolver: loading Node's and what it asks of the address costs 5 ms of a start.
 * The function is not part of Node's API. Where it is missing, or says no, `listen` does it all, and finds the words for why.
 */
function boundHandle({ host, port }: ListenOptions): object | undefined {
  if (!IPV4.test(host) || !("_createServerHandle" in net) || typeof net._createServerHandle !== "function")
    return undefined
  const handle: unknown = net._createServerHandle(host, port, 4, undefined, 0)
  return typeof handle === "object" && handle !== null ? handle : undefined
}

function gate(server: net.Server, options: ListenOptions) {
  const early: Array<NetSocket> = []
  let onSocket = (socket: NetSocket): void => {
    early.push(socket)
  }
  // A failed accept (no descriptors left) concerns the peer that asked; the port stays open.
  let onFailure = (_message: string): void => {}
  server.on("connection", (socket) => onSocket(new AcceptedSocket(socket, options.receive ?? "onread")))
  const port: Listening = {
    host: options.host,
    port: options.port,
    accept: (taker, failureTaker) => {
      onSocket = taker
      onFailure = failureTaker
      for (const socket of early.splice(0)) taker(socket)
    },
    stopAccepting: () => {
      server.close()
      for (const socket of early.splice(0)) socket.destroy()
    }
  }
  return { port, failed: (message: string) => onFailure(message) }
}

function boundPort(server: net.Server): number {
  const address = server.address()
  return address !== null && typeof address === "object" ? address.port : 0
}

/** The fields of Node's TCP handle and socket that moving a handle needs. */
interface RawHandle {
  reading: boolean
  readonly useUserBuffer?: unknown
  readonly readStart?: unknown
}

interface RawSocket {
  _handle?: RawHandle | null
  _server?: unknown
}

/** Takes the handle out of an accepted, paused socket; undefined where this Node keeps it elsewhere. */
function takeHandle(socket: net.Socket): RawHandle | undefined {
  const raw = socket as unknown as RawSocket
  const handle = raw._handle
  if (handle === undefined || handle === null) return undefined
  if (typeof handle.useUserBuffer !== "function" || typeof handle.readStart !== "function") return undefined
  raw._handle = null
  handle.reading = false
  socket.removeAllListeners()
  return handle
}

class AcceptedSocket implements NetSocket {
  readonly remoteAddress: string
  readonly remotePort: number
  private socket: net.Socket
  private readonly receive: "onread" | "data"

  constructor(socket: net.Socket, receive: "onread" | "data") {
    this.socket = socket
    this.receive = receive
    // Undefined when the peer is gone already: the socket then closes by itself.
    this.remoteAddress = socket.remoteAddress ?? "unknown"
    this.remotePort = socket.remotePort ?? 0
    socket.on("error", ignoreError)
  }

  get unsentBytes(): number {
    return this.socket.writableLength
  }

  start(events: SocketEvents): void {
    const handle = this.receive === "onread" ? takeHandle(this.socket) : undefined
    if (handle === undefined) this.readByEvents(events)
    else this.socket = adopt(this.socket, handle, events)
    const { socket } = this
    // Its errors are followed by 'close', which is all that the owner needs to know.
    socket.on("error", ignoreError)
    socket.on("end", events.onEnd)
    socket.on("close", events.onClose)
    socket.resume()
  }

  write(bytes: Uint8Array): void {
    this.socket.write(bytes)
  }

  writeAll(chunks: ReadonlyArray<Uint8Array>): void {
    const { socket } = this
    socket.cork()
    for (let i = 0; i < chunks.length; i++) socket.write(chunks[i]!)
    socket.uncork()
  }

  whenSent(callback: () => void): void {
    // Node has no event for "empty" below its high-water mark; an empty write waits for its turn behind the others.
    this.socket.write(EMPTY, (error) => {
      if (error === undefined || error === null) callback()
    })
  }

  pauseReading(): void {
    this.socket.pause()
  }

  resumeReading(): void {
    this.socket.resume()
  }

  endWriting(): void {
    this.socket.end()
  }

  destroy(): void {
    this.socket.destroy()
  }

  private readByEvents(events: SocketEvents): void {
    const { socket } = this
    socket.on("data", (chunk: Buffer) => {
      for (let pos = 0; pos < chunk.length; ) {
        const target = events.target()
        const count = Math.min(target.length, chunk.length - pos)
        target.set(chunk.subarray(pos, pos + count))
        pos += count
        if (events.onRead(count)) continue
        socket.pause()
        if (pos < chunk.length && !socket.destroyed) socket.unshift(chunk.subarray(pos))
        return
      }
    })
  }
}

function adopt(accepted: net.Socket, handle: RawHandle, events: SocketEvents): net.Socket {
  const onread = { buffer: events.target, callback: events.onRead }
  // `handle` is an option of the constructor that Node's own server uses and its types leave out.
  const socket = new net.Socket({ handle, onread, manualStart: true } as unknown as net.SocketConstructorOpts)
  // The server counts its connections by this field and only then reports itself closed.
  const counted = accepted as unknown as RawSocket
  const counting = socket as unknown as RawSocket
  counting._server = counted._server
  counted._server = null
  return socket
}

const ignoreError = (): void => {}

function listenError(options: ListenOptions, error: NodeJS.ErrnoException): ListenError {
  const { host, port } = options
  const code = error.code ?? "UNKNOWN"
  return new ListenError({ code, host, port, message: `Cannot listen on ${host}:${port}: ${explain(options, error)}` })
}

function explain({ host, port }: ListenOptions, error: NodeJS.ErrnoException): string {
  switch (error.code) {
    case "EADDRINUSE": {
      const holder = portHolder(port)
      return `the port is already used by ${holder ?? "another process"}. Stop it, or choose another port.`
    }
    case "EACCES":
      return `this user may not open port ${port}. Choose a port from 1024 on, or grant the right to bind low ports.`
    case "EADDRNOTAVAIL":
      return `this machine has no address ${host}. Listen on 0.0.0.0, or on an address that "ip address" shows.`
    case "ENOTFOUND":
      return `the host name ${host} is not known. Use an address, or a name that this machine resolves.`
    default:
      return `${error.message}.`
  }
}
