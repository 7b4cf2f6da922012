/**
 * A small Kafka client: it finds a cluster's brokers and leaders, keeps one connection to each, and asks again where a
 * moved leader or a lost connection says so. It works with any Kafka-compatible cluster.
 *
 * Who needs a connection of its own (a benchmark's worker, a consumer that waits) opens one with `dedicated`. Deliberately
 * absent: membership in consumer groups, transactions, SASL and TLS; metadata is asked for, never refreshed by a timer.
 */
import { ErrorCode } from "@chronik-effect/core/model/ErrorCode.ts"
import { MetadataApi, type MetadataResponse } from "@chronik-effect/core/protocol/messages/03_Metadata.ts"
import { FindCoordinatorApi } from "@chronik-effect/core/protocol/messages/10_FindCoordinator.ts"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import { brokerError, type ClientError, clientError, notRetriable } from "./ClientError.ts"
import { type Connection, connect } from "./Connection.ts"

export interface KafkaClientOptions {
  /** `host:port`, several with commas; a missing port is 9092. */
  readonly bootstrap: string
  readonly clientId?: string | undefined
  /** For connecting, for each answer, and for all attempts of a call that is asked again. */
  readonly timeoutMs?: number | undefined
}

export interface BrokerAddress {
  readonly nodeId: number
  readonly host: string
  readonly port: number
}

export type TopicMetadata = MetadataResponse["topics"][number]
export type PartitionMetadata = TopicMetadata["partitions"][number]

const DEFAULT_PORT = 9092
const DEFAULT_TIMEOUT_MS = 30_000
const RETRY_FIRST_MS = 20
const RETRY_MS_MAX = 500

/** Splits `a:1,b,[::1]:3`. Undefined when a part is no address. */
export function parseBootstrap(text: string): ReadonlyArray<{ host: string; port: number }> | undefined {
  const addresses: Array<{ host: string; port: number }> = []
  for (const part of text.split(",").map((piece) => piece.trim())) {
    if (part === "") continue
    const match = /^(?:\[([^\]]+)\]|([^:[\]\s]+))(?::(\d{1,5}))?$/.exec(part)
    const port = match?.[3] === undefined ? DEFAULT_PORT : Number(match[3])
    if (match === null || port < 1 || port > 65_535) return undefined
    addresses.push({ host: (match[1] ?? match[2])!, port })
  }
  return addresses.length === 0 ? undefined : addresses
}

/** Asks again after errors that time or new metadata heals, with a growing pause, until `timeoutMs` has passed. */
export const retrying = <A, R>(
  timeoutMs: number,
  attempt: (tries: number) => Effect.Effect<A, ClientError, R>
): Effect.Effect<A, ClientError, R> =>
  Effect.gen(function* () {
    const clock = yield* Clock.Clock
    const endMs = clock.currentTimeMillisUnsafe() + timeoutMs
    for (let tries = 0; ; tries++) {
      const exit = yield* Effect.result(attempt(tries))
      if (exit._tag === "Success") return exit.success
      const pauseMs = Math.min(RETRY_FIRST_MS * 2 ** Math.min(tries, 10), RETRY_MS_MAX)
      if (!exit.failure.retriable || clock.currentTimeMillisUnsafe() + pauseMs > endMs) return yield* exit.failure
      yield* Effect.sleep(pauseMs)
    }
  })

export class KafkaClient {
  readonly timeoutMs: number
  readonly clientId: string
  private readonly bootstrap: ReadonlyArray<{ host: string; port: number }>
  private readonly scope: Scope.Scope
  /** One at a time, so that concurrent callers share one new connection. */
  private readonly connecting = Semaphore.makeUnsafe(1)
  private readonly connections = new Map<string, Connection>()
  private brokers = new Map<number, BrokerAddress>()
  private controllerId = -1
  private readonly topics = new Map<string, TopicMetadata>()

  constructor(
    options: KafkaClientOptions,
    bootstrap: ReadonlyArray<{ host: string; port: number }>,
    scope: Scope.Scope
  ) {
    this.timeoutMs = options.timeoutMs ?? DEFAULT_TIMEOUT_MS
    this.clientId = options.clientId ?? "chronik-effect"
    this.bootstrap = bootstrap
    this.scope = scope
  }

  /** A connection of the caller's own, closed with the caller's scope. */
  dedicated(
    address: { readonly host: string; readonly port: number },
    options: { readonly reuseFrames?: boolean } = {}
  ): Effect.Effect<Connection, ClientError, Scope.Scope> {
    const { host, port } = address
    return connect({ host, port, clientId: this.clientId, timeoutMs: this.timeoutMs, ...options })
  }

  private shared(address: { readonly host: string; readonly port: number }): Effect.Effect<Connection, ClientError> {
    const key = `${address.host}:${address.port}`
    return Effect.suspend(() => {
      const open = this.connections.get(key)
      if (open?.isOpen === true) return Effect.succeed(open)
      return this.connecting.withPermits(1)(this.openShared(key, address))
    })
  }

  private openShared(
    key: string,
    address: { readonly host: string; readonly port: number }
  ): Effect.Effect<Connection, ClientError> {
    return Effect.suspend(() => {
      const open = this.connections.get(key)
      if (open?.isOpen === true) return Effect.succeed(open)
      return this.dedicated(address).pipe(
        Scope.provide(this.scope),
        Effect.tap((connection) => Effect.sync(() => this.connections.set(key, connection)))
      )
    })
  }

  /**
   * A connection to whichever broker answers: known ones first, then the bootstrap list. The failure is final when no
   * broker has ever answered.
   */
  readonly any: Effect.Effect<Connection, ClientError> = Effect.gen({ self: this }, function* () {
    let last = clientError("connect", "There is no broker to connect to.")
    for (const address of [...this.brokers.values(), ...this.bootstrap]) {
      const attempt = yield* Effect.result(this.shared(address))
      if (attempt._tag === "Success") return attempt.success
      last = attempt.failure
    }
    // Never connected at all: a wrong address, which does not get better by asking again.
    return yield* this.connections.size === 0 ? notRetriable(last) : last
  })

  /** Asks for topics by name (null = all) and remembers what is answered. Errors of single topics are in the answer. */
  metadata(
    names: ReadonlyArray<string> | null,
    allowAutoTopicCreation = false
  ): Effect.Effect<MetadataResponse, ClientError> {
    return Effect.gen({ self: this }, function* () {
      const connection = yield* this.any
      const answer = yield* connection.request(MetadataApi, {
        topics: names === null ? null : names.map((name) => ({ name })),
        allowAutoTopicCreation
      })
      if (answer.errorCode !== ErrorCode.NONE) return yield* brokerError(answer.errorCode, "Metadata")
      this.remember(answer)
      return answer
    })
  }

  private remember(answer: MetadataResponse): void {
    this.brokers = new Map(answer.brokers.map((broker) => [broker.nodeId, broker]))
    this.controllerId = answer.controllerId
    for (const topic of answer.topics) {
      if (topic.name === null) continue
      if (topic.errorCode === ErrorCode.NONE) this.topics.set(topic.name, topic)
      else this.topics.delete(topic.name)
    }
  }

  /** One topic's metadata, from memory unless `fresh`. A topic or a partition without a leader is a retriable error. */
  topic(name: string, fresh = false): Effect.Effect<TopicMetadata, ClientError> {
    return Effect.gen({ self: this }, function* () {
      const known = this.topics.get(name)
      if (known !== undefined && !fresh) return known
      const answer = yield* this.metadata([name])
      const topic = answer.topics.find((found) => found.name === name)
      if (topic === undefined) return yield* brokerError(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, `Topic ${name}`)
      if (topic.errorCode !== ErrorCode.NONE) return yield* brokerError(topic.errorCode, `Topic ${name}`)
      const leaderless = topic.partitions.find((partition) => partition.leaderId < 0)
      if (leaderless !== undefined) {
        this.topics.delete(name)
        return yield* brokerError(ErrorCode.LEADER_NOT_AVAILABLE, `Partition ${leaderless.partitionIndex} of ${name}`)
      }
      return topic
    })
  }

  /** Where a partition's leader listens. */
  leaderAddress(name: string, partition: number, fresh = false): Effect.Effect<BrokerAddress, ClientError> {
    return Effect.gen({ self: this }, function* () {
      const topic = yield* this.topic(name, fresh)
      const found = topic.partitions.find((candidate) => candidate.partitionIndex === partition)
      if (found === undefined) {
        return yield* brokerError(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, `Partition ${partition} of ${name}`)
      }
      const broker = this.brokers.get(found.leaderId)
      if (broker === undefined) {
        return yield* brokerError(ErrorCode.LEADER_NOT_AVAILABLE, `Partition ${partition} of ${name}`)
      }
      return broker
    })
  }

  /** Runs a call at a partition's leader; after a retriable error it runs again with fresh metadata. */
  atLeader<A>(
    name: string,
    partition: number,
    call: (connection: Connection) => Effect.Effect<A, ClientError>
  ): Effect.Effect<A, ClientError> {
    return retrying(this.timeoutMs, (tries) =>
      this.leaderAddress(name, partition, tries > 0).pipe(
        Effect.flatMap((address) => this.shared(address)),
        Effect.flatMap(call)
      )
    )
  }

  /** Runs a call at the controller, or at any broker where the cluster names none. */
  atController<A>(call: (connection: Connection) => Effect.Effect<A, ClientError>): Effect.Effect<A, ClientError> {
    return retrying(this.timeoutMs, () =>
      Effect.gen({ self: this }, function* () {
        yield* this.metadata([])
        const broker = this.brokers.get(this.controllerId)
        const connection = broker === undefined ? yield* this.any : yield* this.shared(broker)
        return yield* call(connection)
      })
    )
  }

  /** Runs a call at the coordinator of a group; after a retriable error the coordinator is looked for again. */
  atCoordinator<A>(
    groupId: string,
    call: (connection: Connection) => Effect.Effect<A, ClientError>
  ): Effect.Effect<A, ClientError> {
    return retrying(this.timeoutMs, () =>
      this.any.pipe(
        Effect.flatMap((connection) => findCoordinator(connection, groupId)),
        Effect.flatMap((address) => this.shared(address)),
        Effect.flatMap(call)
      )
    )
  }

  /** Runs a call at one broker by its id. */
  atBroker<A>(
    nodeId: number,
    call: (connection: Connection) => Effect.Effect<A, ClientError>
  ): Effect.Effect<A, ClientError> {
    return retrying(this.timeoutMs, () =>
      Effect.gen({ self: this }, function* () {
        yield* this.metadata([])
        const broker = this.brokers.get(nodeId)
        if (broker === undefined) {
          const known = [...this.brokers.keys()].sort((a, b) => a - b).join(", ")
          return yield* clientError("unsupported", `The cluster has no broker ${nodeId}; it has ${known}.`)
        }
        return yield* Effect.flatMap(this.shared(broker), call)
      })
    )
  }

  /** Runs a call at each broker of the cluster, one after the other. */
  atEach<A>(
    call: (connection: Connection) => Effect.Effect<A, ClientError>
  ): Effect.Effect<ReadonlyArray<A>, ClientError> {
    return retrying(this.timeoutMs, () =>
      Effect.gen({ self: this }, function* () {
        yield* this.metadata([])
        return yield* Effect.forEach([...this.brokers.values()], (broker) => Effect.flatMap(this.shared(broker), call))
      })
    )
  }

  /** Runs a call at any broker. */
  atAny<A>(call: (connection: Connection) => Effect.Effect<A, ClientError>): Effect.Effect<A, ClientError> {
    return retrying(this.timeoutMs, () => Effect.flatMap(this.any, call))
  }
}

/** The broker that coordinates a group. The request of versions 0 to 3 has one key, the later ones a list. */
const findCoordinator = Effect.fnUntraced(function* (
  connection: Connection,
  groupId: string
): Effect.fn.Return<BrokerAddress, ClientError> {
  const version = connection.versionOf(FindCoordinatorApi)
  if (typeof version !== "number") return yield* version
  const many = version >= 4
  const request = many ? { coordinatorKeys: [groupId] } : { key: groupId }
  const answer = yield* connection.requestIn(FindCoordinatorApi, version, request)
  const found = many ? answer.coordinators[0] : answer
  const code = found?.errorCode ?? ErrorCode.UNKNOWN_SERVER_ERROR
  if (found === undefined || code !== ErrorCode.NONE) {
    return yield* brokerError(code, `The coordinator of group ${groupId}`, found?.errorMessage)
  }
  return found
})

/** A client whose connections close with the scope. Nothing is connected before the first call. */
export const makeKafkaClient = Effect.fnUntraced(function* (
  options: KafkaClientOptions
): Effect.fn.Return<KafkaClient, ClientError, Scope.Scope> {
  const bootstrap = parseBootstrap(options.bootstrap)
  if (bootstrap === undefined) {
    return yield* clientError(
      "connect",
      `"${options.bootstrap}" is no list of brokers: write host:port, several with commas.`
    )
  }
  const scope = yield* Effect.acquireRelease(Scope.make(), (owned) => Scope.close(owned, Exit.void))
  return new KafkaClient(options, bootstrap, scope)
})
