/**
 * Reads Kafka's message definitions, which lie beside this repository when a developer has them and are never part of
 * it: `../shared/kafka-messages`, or the folder named by KAFKA_MESSAGES.
 *
 * They are data to compare with. Nothing of the product reads them.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs"
import { join, resolve } from "node:path"

export interface KafkaField {
  readonly name: string
  readonly type: string
  readonly versions?: string
  readonly nullableVersions?: string
  readonly taggedVersions?: string
  readonly flexibleVersions?: string
  readonly tag?: number
  readonly default?: unknown
  readonly ignorable?: boolean | string
  readonly mapKey?: boolean | string
  readonly fields?: ReadonlyArray<KafkaField>
}

export interface KafkaMessage {
  readonly apiKey?: number
  readonly type: string
  readonly name: string
  readonly validVersions: string
  readonly flexibleVersions?: string
  readonly fields: ReadonlyArray<KafkaField>
  readonly commonStructs?: ReadonlyArray<{ readonly name: string; readonly fields: ReadonlyArray<KafkaField> }>
}

export interface KafkaApi {
  readonly key: number
  readonly name: string
  readonly flexibleVersions: string
  readonly latestVersionUnstable: boolean
  readonly versions: Readonly<Record<string, string>>
}

export const definitionsFolder =
  process.env.KAFKA_MESSAGES ?? resolve(import.meta.dirname, "../../../shared/kafka-messages")

export const haveDefinitions = existsSync(definitionsFolder)

/** A comment, or a string that may look like one inside. */
const commentOrString = /"(?:[^"\\]|\\.)*"|\/\*[\s\S]*?\*\/|\/\/.*/g

const parse = (file: string): unknown =>
  JSON.parse(
    readFileSync(join(definitionsFolder, file), "utf8").replace(commentOrString, (match) =>
      match.startsWith("/") ? "" : match
    )
  )

const folders = ["", "internal/group-coordinator", "internal/transaction-coordinator"]
const others = [
  "internal/metadata",
  "internal/raft",
  "internal/share-coordinator",
  "internal/storage",
  "internal/streams"
]

const readMessages = (names: ReadonlyArray<string>): Array<KafkaMessage> =>
  names.flatMap((folder) =>
    readdirSync(join(definitionsFolder, folder))
      .filter((file) => file.endsWith(".json") && file !== "api-index.json")
      .map((file) => parse(join(folder, file)) as KafkaMessage)
  )

/** By name, of requests, responses and the data that our records speak. */
export const kafkaMessages = (): ReadonlyMap<string, KafkaMessage> =>
  new Map(readMessages(folders).map((message) => [message.name, message]))

/** Those that we do not speak too, and the generator's own test messages. */
export const everyKafkaMessage = (): Array<KafkaMessage> => readMessages([...folders, ...others, "test-only"])

export const kafkaApis = (): ReadonlyArray<KafkaApi> =>
  (parse("api-index.json") as { apis: ReadonlyArray<KafkaApi> }).apis

export const structFields = (message: KafkaMessage, field: KafkaField): ReadonlyArray<KafkaField> => {
  const name = field.type.replace("[]", "")
  const fields = field.fields ?? message.commonStructs?.find((struct) => struct.name === name)?.fields
  if (fields === undefined) throw new Error(`${message.name}.${field.name} is of the unknown type ${field.type}`)
  return fields
}
