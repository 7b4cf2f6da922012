/**
 * Operations on the metadata as one client makes them, each with its observation of call and answer. A write is proposed again
 * with the same command id, at another node, until it is answered or given up; then its outcome is unknown.
 *
 * Values are texts: a topic is `<topic id> <min.insync.replicas or ->` under its name (see `check/TopicRegister`).
 */
import { uuidFromBytes } from "../../../packages/core/src/base/Uuid.ts"
import { type Command, ConfigOp, ConfigResource } from "../../../packages/core/src/metadata/Command.ts"
import type { CommandResult, MetadataImage } from "../../../packages/core/src/metadata/MetadataImage.ts"
import { place } from "../../../packages/core/src/metadata/Placement.ts"
import { type ErrorCode, errorName } from "../../../packages/core/src/model/ErrorCode.ts"
import { PRODUCER_IDS } from "../check/TopicRegister.ts"
import type { Connection } from "./Connection.ts"

const GIVE_UP_MS = 3_000
const MIN_IN_SYNC = "min.insync.replicas"

export type Outcome = "ok" | "refused" | "unknown"

export interface NewTopic {
  readonly name: string
  readonly partitions: number
  readonly replicationFactor: number
  readonly minInSync: number
}

export class TopicOperations {
  readonly #at: Connection
  #operations = 0
  /** Begun and not ended. */
  pending = 0

  constructor(connection: Connection) {
    this.#at = connection
  }

  /** False: `image` shows too few live nodes for it. */
  create(topic: NewTopic, image: MetadataImage, done: (outcome: Outcome) => void): boolean {
    const live = image.liveBrokers()
    if (live.length < topic.replicationFactor) return false
    const topicId = uuidFromBytes(this.#at.random.bytes(16), 0)
    const start = this.#at.random.below(live.length)
    const partitions = place(live, topic.partitions, topic.replicationFactor, start).map((replicas) => ({
      replicas,
      isr: replicas,
      leader: replicas[0]!
    }))
    const configs: ReadonlyArray<readonly [string, string]> = [[MIN_IN_SYNC, String(topic.minInSync)]]
    const command: Command = { _tag: "CreateTopic", name: topic.name, topicId, internal: false, partitions, configs }
    this.#write("create", topic.name, `${topicId} ${topic.minInSync}`, command, done)
    return true
  }

  delete(name: string, topicId: string, done: (outcome: Outcome) => void): void {
    this.#write("delete", name, topicId, { _tag: "DeleteTopic", topicId }, done)
  }

  setMinInSync(name: string, topicId: string, minInSync: number): void {
    const changes = [{ name: MIN_IN_SYNC, op: ConfigOp.SET, value: String(minInSync) }]
    const command: Command = { _tag: "AlterConfigs", resourceType: ConfigResource.TOPIC, resource: topicId, changes }
    this.#write("set", name, `${topicId} ${minInSync}`, command, () => {})
  }

  allocateProducerIds(count: number): void {
    const command: Command = { _tag: "AllocateProducerIds", nodeId: this.#at.anyNode(), count }
    this.#write("allocate", PRODUCER_IDS, String(count), command, () => {})
  }

  read(name: string): void {
    const operation = this.#call("read", name, null)
    this.#at.ask(this.#at.anyNode(), { _tag: "ReadTopic", name }, (answer) => {
      if (answer === undefined || answer.error !== "NONE") return this.#return(operation, "read", "unknown", null)
      const { topicId, minInSync } = answer
      this.#return(operation, "read", "ok", topicId === null ? null : `${topicId} ${minInSync ?? "-"}`)
    })
  }

  #write(kind: string, key: string, value: string, command: Command, done: (outcome: Outcome) => void): void {
    const operation = this.#call(kind, key, value)
    const identified = { ...command, commandId: `c${this.#at.client}.${operation}` }
    this.#propose(identified, this.#at.world.nowMs() + GIVE_UP_MS, (result) => {
      const refused = result?._tag === "Rejected"
      const outcome = result === undefined ? "unknown" : refused ? "refused" : "ok"
      this.#return(operation, kind, outcome, answerOf(result))
      done(outcome)
    })
  }

  #propose(command: Command, untilMs: number, done: (result: CommandResult | undefined) => void): void {
    const { world, random } = this.#at
    this.#at.ask(this.#at.anyNode(), { _tag: "Propose", command }, (answer) => {
      if (answer?.error === "NONE") return done(answer.result)
      if (world.nowMs() >= untilMs) return done(undefined)
      world.cover("client.propose again")
      world.after(5 + 60 * random.fraction(), "propose again", () => this.#propose(command, untilMs, done))
    })
  }

  #call(kind: string, key: string, value: string | null): number {
    const operation = this.#operations++
    this.pending++
    this.#at.world.observe({ _tag: "MetadataCall", client: this.#at.client, operation, kind, key, value })
    return operation
  }

  #return(operation: number, kind: string, outcome: Outcome, value: string | null): void {
    this.pending--
    this.#at.world.observe({ _tag: "MetadataReturn", client: this.#at.client, operation, outcome, value })
    this.#at.world.cover(`client.${kind} ${outcome}`)
  }
}

const answerOf = (result: CommandResult | undefined): string | null => {
  if (result?._tag === "Rejected") return errorName(result.errorCode as ErrorCode)
  return result?._tag === "ProducerIds" ? String(result.first) : null
}
