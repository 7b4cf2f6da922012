/**
 * Members of consumer groups as users write them, by two unmodified clients, that live through the death of their broker.
 *
 * A member commits what it consumes, batch by batch or every few milliseconds, through its owner, who so learns what was
 * acknowledged.
 * kafkajs goes on by itself when the broker comes back; the other client ends its stream, and the member makes a new one.
 * Each keeps its last lines of log, to be shown when something hangs.
 */
import { Consumer } from "@platformatic/kafka"
import { Kafka, logLevel } from "kafkajs"

/**
 * Whoever is gone without a word is missed after this time: so is a client that asks for a new member id after its broker's
 * death, as both of these do, and its group is whole again no sooner than the session of its old id ends.
 */
const SESSION_MS = 1_000
const REBALANCE_MS = 4_000
const HEARTBEAT_MS = 200
const WAIT_MS = 200
const REQUEST_MS = 5_000
const COMMIT_EVERY_MS = 20
const LOG_LINES_MAX = 400
const RESTART_MS = 50
const GROUP_EVENTS = [
  "consumer:group:join",
  "consumer:group:leave",
  "consumer:group:rejoin",
  "consumer:group:rebalance"
] as const

export interface MemberEvents {
  /** Runs `commit`, which succeeds when the broker has acknowledged it. */
  readonly committing: (
    groupId: string,
    partition: number,
    offset: number,
    commit: () => Promise<unknown>
  ) => Promise<void>
}

export interface MemberParts {
  readonly name: string
  readonly bootstrap: string
  readonly groupId: string
  readonly topic: string
  readonly events: MemberEvents
}

export interface GroupMember {
  readonly name: string
  readonly groupId: string
  readonly log: ReadonlyArray<string>
  /** Leaves the group; completes when the client says that it is gone. */
  readonly stop: () => Promise<void>
}

class Log {
  readonly lines: Array<string> = []

  note(line: string): void {
    this.lines.push(`${new Date().toISOString().slice(14, 23)} ${line}`)
    if (this.lines.length > LOG_LINES_MAX) this.lines.splice(0, LOG_LINES_MAX / 4)
  }
}

export const kafkaJsMember = ({ name, bootstrap, groupId, topic, events }: MemberParts): GroupMember => {
  const log = new Log()
  const retry = { initialRetryTime: 20, maxRetryTime: 200, retries: 50 }
  const kafka = new Kafka({
    clientId: name,
    brokers: [bootstrap],
    connectionTimeout: 1_000,
    requestTimeout: REQUEST_MS,
    retry,
    logLevel: logLevel.DEBUG,
    logCreator:
      () =>
      ({ namespace, log: { message, timestamp, logger, stack, ...rest } }) => {
        const { size, data, payload, ...shown } = rest as Record<string, unknown>
        log.note(`${namespace} ${message} ${JSON.stringify(shown).slice(0, 300)}`)
      }
  })
  const consumer = kafka.consumer({
    groupId,
    sessionTimeout: SESSION_MS,
    rebalanceTimeout: REBALANCE_MS,
    heartbeatInterval: HEARTBEAT_MS,
    maxWaitTimeInMs: WAIT_MS,
    retry
  })
  const started = (async () => {
    await consumer.connect()
    await consumer.subscribe({ topics: [topic], fromBeginning: true })
    await consumer.run({
      autoCommit: false,
      eachBatch: async ({ batch, heartbeat }) => {
        const { partition } = batch
        const offset = Number(batch.lastOffset()) + 1
        await events.committing(groupId, partition, offset, () =>
          consumer.commitOffsets([{ topic, partition, offset: String(offset) }])
        )
        await heartbeat()
      }
    })
  })().catch((failure: unknown) => log.note(`start failed: ${String(failure)}`))
  return {
    name,
    groupId,
    log: log.lines,
    stop: async () => {
      log.note("---- stop")
      // A consumer that is told to disconnect before it has run would start afterwards.
      await started
      log.note("---- disconnect")
      await consumer.disconnect()
      log.note("---- disconnected")
    }
  }
}

export const platformaticMember = (parts: MemberParts): GroupMember => {
  const { name, groupId, topic, events } = parts
  const log = new Log()
  let stopped = false
  let end = async (): Promise<void> => {}
  const live = async (): Promise<void> => {
    const consumer = platformaticConsumer(parts, log)
    try {
      const stream = await consumer.consume({
        topics: [topic],
        mode: "committed",
        fallbackMode: "earliest",
        autocommit: false,
        maxWaitTime: WAIT_MS
      })
      end = () => stream.close()
      if (stopped) await stream.close()
      const closed = new Promise<void>((resolve) => stream.once("close", resolve))
      const consuming = (async () => {
        const committedAt = new Map<number, number>()
        for await (const message of stream) {
          const { partition } = message
          // A commit for each record would let one partition's backlog hold up the others for seconds.
          if (performance.now() - (committedAt.get(partition) ?? 0) < COMMIT_EVERY_MS) continue
          committedAt.set(partition, performance.now())
          await events.committing(groupId, partition, Number(message.offset) + 1, async () => message.commit())
        }
      })()
      consuming.catch((failure: unknown) => log.note(`consuming failed: ${brief([failure])}`))
      // A stream that dies while a commit of it is under way leaves that commit without an outcome.
      await Promise.race([consuming, closed])
    } catch (failure) {
      log.note(
        `failed: ${failure instanceof Error ? `${failure.message} ${String(failure.cause ?? "")}` : String(failure)}`
      )
    } finally {
      log.note("---- close")
      await consumer.close(true).catch((failure: unknown) => log.note(`close failed: ${String(failure)}`))
      log.note("---- closed")
    }
  }
  const running = (async () => {
    while (!stopped) {
      await live()
      if (!stopped) await new Promise((next) => setTimeout(next, RESTART_MS))
    }
  })()
  return {
    name,
    groupId,
    log: log.lines,
    stop: async () => {
      log.note("---- stop")
      stopped = true
      await end().catch((failure: unknown) => log.note(`end failed: ${String(failure)}`))
      await running
    }
  }
}

const platformaticConsumer = ({ name, bootstrap, groupId }: MemberParts, log: Log) => {
  const consumer = new Consumer({
    clientId: name,
    bootstrapBrokers: [bootstrap],
    groupId,
    retries: 3,
    retryDelay: 50,
    connectTimeout: 1_000,
    timeout: REQUEST_MS,
    requestTimeout: REQUEST_MS,
    sessionTimeout: SESSION_MS,
    rebalanceTimeout: REBALANCE_MS,
    heartbeatInterval: HEARTBEAT_MS
  })
  for (const event of GROUP_EVENTS)
    consumer.on(event, (...args: ReadonlyArray<unknown>) => log.note(`${event} ${brief(args)}`))
  // What goes wrong while it closes is told by an event only.
  consumer.on("error", (failure: Error) => log.note(`error ${failure.message}`))
  consumer.on("consumer:heartbeat:error", (...args: ReadonlyArray<unknown>) =>
    log.note(`heartbeat error ${brief(args)}`)
  )
  return consumer
}

const brief = (args: ReadonlyArray<unknown>): string =>
  args.map((arg) => (arg instanceof Error ? arg.message : (JSON.stringify(arg, null) ?? "")).slice(0, 200)).join(" ")
