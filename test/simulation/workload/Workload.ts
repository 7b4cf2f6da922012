/**
 * All virtual clients of a run: producers, readers, metadata clients and the administrator, as many and as busy as the options
 * say. Each draws from a stream of its own. `stop` ends new operations; those under way are tried to their end, so that what a
 * client was told last is known.
 */
import type { ClusterView } from "../check/Checker.ts"
import { Administrator } from "./Administrator.ts"
import type { ClientPort } from "./ClientPort.ts"
import { type ClientWorld, Connection, type WorkloadOptions } from "./Connection.ts"
import { MetadataClient } from "./MetadataClient.ts"
import { Producer } from "./Producer.ts"
import { Reader } from "./Reader.ts"

export interface Workload {
  readonly stop: () => void
  /** Operations that are not at their end: 0 a bounded time after `stop`. */
  readonly pending: () => number
}

/** Client numbers begin above those of nodes. */
const FIRST_CLIENT = 1_000

/** Names of the topics that the administrator makes and sees to. */
export const dataTopics = ({ topics }: Pick<WorkloadOptions, "topics">): ReadonlyArray<string> =>
  Array.from({ length: topics }, (_, i) => `t${i}`)

export const startWorkload = (
  world: ClientWorld,
  options: WorkloadOptions,
  port: ClientPort,
  view: ClusterView
): Workload => {
  const connections: Array<Connection> = []
  const connect = () => {
    const connection = new Connection(world, port, options, FIRST_CLIENT + connections.length)
    connections.push(connection)
    return connection
  }
  const names = dataTopics(options)
  const clients: ReadonlyArray<{ readonly pending: number }> = [
    new Administrator(connect(), names, view),
    ...Array.from({ length: options.producers }, () => new Producer(connect())),
    ...Array.from({ length: options.metadataClients }, () => new MetadataClient(connect(), names))
  ]
  for (let i = 0; i < options.consumers; i++) new Reader(connect())
  return {
    stop: () => {
      for (const connection of connections) connection.stopped = true
    },
    pending: () => clients.reduce((sum, client) => sum + client.pending, 0)
  }
}
