/**
 * Commands as bytes: msgpack, one positional array `[tag, version, commandId, …fields]`.
 *
 * Positions are never reused or reordered; a field is added at the end under a greater version, and decoding an older version
 * fills it with what it meant then. msgpackr's records extension is off, so that any msgpack library can read the log. The
 * bytes of each command are pinned by goldens in the tests.
 */
import { Packr } from "msgpackr/pack"
import { unreachable } from "../base/Assert.ts"
import type { QuotaEntity, QuotaEntityType } from "./ClientQuotas.ts"
import type {
  AlterConfigs,
  Command,
  ConfigChange,
  ConfigOp,
  ElectionOp,
  NewPartition,
  PartitionOp,
  QuotaChange
} from "./Command.ts"
import { ConfigResource } from "./Command.ts"
import type { EndpointImage } from "./MetadataImage.ts"

/** A log entry or snapshot that this version cannot read: damaged, or written by a newer chronik-effect. */
export class MetadataFormatError extends Error {
  override readonly name = "MetadataFormatError"
}

const packr = new Packr({ useRecords: false, encodeUndefinedAsNil: true })

/** A value of arrays, numbers, strings, booleans and null as msgpack. The bytes are the caller's own. */
export const pack = (value: unknown): Uint8Array => Uint8Array.from(packr.pack(value))

/** The value of one msgpack message that fills `bytes`. */
export const unpack = (bytes: Uint8Array): unknown => {
  try {
    // A view of its own: msgpackr leaves a property on the array that it is given.
    return packr.unpack(bytes.subarray(0))
  } catch (cause) {
    throw new MetadataFormatError(`Metadata bytes are not valid msgpack (${String(cause)}): the log is damaged.`, {
      cause
    })
  }
}

const TAG = {
  RegisterNode: 1,
  FenceNode: 2,
  UnregisterNode: 3,
  CreateTopic: 4,
  DeleteTopic: 5,
  CreatePartitions: 6,
  PartitionOps: 7,
  AlterConfigs: 8,
  AllocateProducerIds: 9,
  SetFeature: 10,
  AlterClientQuotas: 11
} as const satisfies Record<Command["_tag"], number>

/** Versions that are read, by tag; 1 alone where nothing is said. */
const READ: Readonly<Record<number, readonly [first: number, last: number]>> = {
  // Version 1 of PartitionOps named no directory, and none can be made up for it.
  [TAG.PartitionOps]: [2, 2],
  // Version 2 is about groups or client metrics, which a reader of version 1 would take for topics.
  [TAG.AlterConfigs]: [1, 2]
}
const readVersions = (tag: number): readonly [first: number, last: number] => READ[tag] ?? [1, 1]

export const encodeCommand = (command: Command): Uint8Array =>
  pack([TAG[command._tag], writtenVersion(command), command.commandId ?? null, ...fieldsOf(command)])

const writtenVersion = (command: Command): number =>
  command._tag === "AlterConfigs" ? configsVersion(command) : readVersions(TAG[command._tag])[1]

const configsVersion = ({ resourceType }: AlterConfigs): number =>
  resourceType === ConfigResource.TOPIC || resourceType === ConfigResource.BROKER ? 1 : 2

const fieldsOf = (command: Command): ReadonlyArray<unknown> => {
  switch (command._tag) {
    case "RegisterNode":
      return [
        command.nodeId,
        command.incarnation,
        command.directoryId,
        command.endpoints.map(packEndpoint),
        command.rack
      ]
    case "FenceNode":
      return [command.nodeId, command.incarnation, command.fenced]
    case "UnregisterNode":
      return [command.nodeId]
    case "CreateTopic":
      return [
        command.name,
        command.topicId,
        command.internal,
        command.partitions.map(packPartition),
        command.configs.map(([name, value]) => [name, value])
      ]
    case "DeleteTopic":
      return [command.topicId]
    case "CreatePartitions":
      return [command.topicId, command.from, command.partitions.map(packPartition)]
    case "PartitionOps":
      return [command.ops.map(packOp)]
    case "AlterConfigs":
      return [command.resourceType, command.resource, command.changes.map(({ name, op, value }) => [name, op, value])]
    case "AlterClientQuotas":
      return [command.entity, command.changes.map(({ key, value }) => [key, value])]
    case "AllocateProducerIds":
      return [command.nodeId, command.count]
    case "SetFeature":
      return [command.name, command.level]
    default:
      return unreachable(command)
  }
}

export const packEndpoint = (endpoint: EndpointImage): ReadonlyArray<unknown> => [
  endpoint.listener,
  endpoint.host,
  endpoint.port,
  endpoint.securityProtocol
]

const packPartition = (partition: NewPartition): ReadonlyArray<unknown> => [
  partition.replicas,
  partition.isr,
  partition.leader
]

const packOp = (op: PartitionOp): ReadonlyArray<unknown> => [
  op.topicId,
  op.partition,
  op.expectedEpoch,
  op.expectedConfigVersion,
  op.election === null ? null : packElection(op.election),
  op.isr,
  op.replicas,
  op.adding,
  op.removing,
  op.target ?? null,
  op.countedDirectory ?? null
]

const packElection = (election: ElectionOp): ReadonlyArray<unknown> => [
  election.leader,
  election.leaderEpoch,
  election.unclean,
  election.directoryId
]

/**
 * The command of one log entry.
 *
 * **Errors** `MetadataFormatError` for damaged bytes and for tags or versions of a newer chronik-effect.
 */
export const decodeCommand = (bytes: Uint8Array): Command => {
  const row = new Row(unpack(bytes), "a metadata command")
  const tag = row.number()
  const version = row.number()
  const [first, last] = readVersions(tag)
  if (version > last) throw tooNew(`version ${version} of the metadata command ${tag}`)
  if (version < first) throw tooOld(`version ${version} of the metadata command ${tag}`)
  const commandId = row.nullable(() => row.string())
  const command = commandOf(tag, row)
  return commandId === null ? command : { ...command, commandId }
}

const tooNew = (what: string): MetadataFormatError =>
  new MetadataFormatError(
    `The metadata log holds ${what}, which this chronik-effect does not know: start the newer one.`
  )

const tooOld = (what: string): MetadataFormatError =>
  new MetadataFormatError(`The metadata log holds ${what}, which was never part of a release and is no longer read.`)

const commandOf = (tag: number, row: Row): Command => {
  switch (tag) {
    case TAG.RegisterNode:
      return {
        _tag: "RegisterNode",
        nodeId: row.number(),
        incarnation: row.number(),
        directoryId: row.string(),
        endpoints: row.array(endpointOf),
        rack: row.nullable(() => row.string())
      }
    case TAG.FenceNode:
      return { _tag: "FenceNode", nodeId: row.number(), incarnation: row.number(), fenced: row.boolean() }
    case TAG.UnregisterNode:
      return { _tag: "UnregisterNode", nodeId: row.number() }
    case TAG.CreateTopic:
      return {
        _tag: "CreateTopic",
        name: row.string(),
        topicId: row.string(),
        internal: row.boolean(),
        partitions: row.array(partitionOf),
        configs: row.array((pair) => [pair.string(), pair.string()])
      }
    case TAG.DeleteTopic:
      return { _tag: "DeleteTopic", topicId: row.string() }
    case TAG.CreatePartitions:
      return { _tag: "CreatePartitions", topicId: row.string(), from: row.number(), partitions: row.array(partitionOf) }
    case TAG.PartitionOps:
      return { _tag: "PartitionOps", ops: row.array(opOf) }
    case TAG.AlterConfigs:
      return {
        _tag: "AlterConfigs",
        resourceType: row.number() as ConfigResource,
        resource: row.string(),
        changes: row.array(changeOf)
      }
    case TAG.AlterClientQuotas:
      return { _tag: "AlterClientQuotas", entity: row.array(entityPartOf), changes: row.array(quotaChangeOf) }
    case TAG.AllocateProducerIds:
      return { _tag: "AllocateProducerIds", nodeId: row.number(), count: row.number() }
    case TAG.SetFeature:
      return { _tag: "SetFeature", name: row.string(), level: row.number() }
    default:
      throw tooNew(`the command ${tag}`)
  }
}

export const endpointOf = (row: Row): EndpointImage => ({
  listener: row.string(),
  host: row.string(),
  port: row.number(),
  securityProtocol: row.string()
})

const partitionOf = (row: Row): NewPartition => ({ replicas: row.numbers(), isr: row.numbers(), leader: row.number() })

const opOf = (row: Row): PartitionOp => ({
  topicId: row.string(),
  partition: row.number(),
  expectedEpoch: row.number(),
  expectedConfigVersion: row.number(),
  election: row.nullable(() =>
    row.struct((e) => ({
      leader: e.number(),
      leaderEpoch: e.number(),
      unclean: e.boolean(),
      directoryId: e.string()
    }))
  ),
  isr: row.nullable(() => row.numbers()),
  replicas: row.nullable(() => row.numbers()),
  adding: row.nullable(() => row.numbers()),
  removing: row.nullable(() => row.numbers()),
  target: row.nullable(() => row.numbers()),
  countedDirectory: row.nullable(() => row.string())
})

const changeOf = (row: Row): ConfigChange => ({
  name: row.string(),
  op: row.number() as ConfigOp,
  value: row.nullable(() => row.string())
})

export const entityPartOf = (row: Row): QuotaEntity[number] => [
  row.string() as QuotaEntityType,
  row.nullable(() => row.string())
]

const quotaChangeOf = (row: Row): QuotaChange => ({
  key: row.string(),
  value: row.nullable(() => row.number())
})

/** A cursor over one positional array which checks each field's type: bytes from disk are not trusted. */
export class Row {
  readonly #values: ReadonlyArray<unknown>
  readonly #what: string
  #next = 0

  constructor(value: unknown, what: string) {
    if (!Array.isArray(value)) throw new MetadataFormatError(`Expected ${what} as an array, found ${typeof value}.`)
    this.#values = value
    this.#what = what
  }

  number(): number {
    const value = this.#take()
    if (typeof value === "bigint") return Number(value)
    return typeof value === "number" ? value : this.#wrong("a number", value)
  }

  string(): string {
    const value = this.#take()
    return typeof value === "string" ? value : this.#wrong("a string", value)
  }

  boolean(): boolean {
    const value = this.#take()
    return typeof value === "boolean" ? value : this.#wrong("a boolean", value)
  }

  nullable<A>(read: () => A): A | null {
    if (this.#values[this.#next] !== null) return read()
    this.#next++
    return null
  }

  struct<A>(read: (row: Row) => A): A {
    return read(new Row(this.#take(), this.#what))
  }

  array<A>(read: (row: Row) => A): ReadonlyArray<A> {
    const value = this.#take()
    if (!Array.isArray(value)) return this.#wrong("an array", value)
    return value.map((element) => read(new Row(element, this.#what)))
  }

  strings(): ReadonlyArray<string> {
    const value = this.#take()
    const strings = Array.isArray(value) ? value : this.#wrong("an array", value)
    return strings.every((element) => typeof element === "string") ? strings : this.#wrong("strings", value)
  }

  numbers(): ReadonlyArray<number> {
    const value = this.#take()
    const numbers = Array.isArray(value) ? value : this.#wrong("an array", value)
    return numbers.every((element) => typeof element === "number") ? numbers : this.#wrong("numbers", value)
  }

  #take(): unknown {
    return this.#values[this.#next++]
  }

  #wrong(expected: string, found: unknown): never {
    throw new MetadataFormatError(
      `Field ${this.#next - 1} of ${this.#what} should be ${expected} but is ${typeof found}: the metadata log is damaged.`
    )
  }
}
