/**
 * Makes the golden frames of packages/core/test/protocol/golden: real bytes of real clients and of a real Kafka.
 *
 * ```sh
 * # a Kafka that advertises the proxy (127.0.0.1:17192) and listens at 127.0.0.1:17092, then:
 * node test/conformance/recordGolden.ts 17092 17192
 * ```
 * kcat, kafkajs and @platformatic/kafka talk to it through a recording proxy, and so do the commands given as further
 * arguments, each one shell line. Then our own codec asks every API in every version that this Kafka offers, and its
 * raw answers are kept. Run it twice on a fresh Kafka, whose coordinators are not there yet for the first client.
 * A developer's tool: nothing runs it by itself.
 */
import { spawn } from "node:child_process"
import { once } from "node:events"
import { writeFileSync } from "node:fs"
import { connect } from "node:net"
import { setTimeout as after } from "node:timers/promises"
import type { Api } from "@chronik-effect/core/protocol/Api.ts"
import { apis } from "@chronik-effect/core/protocol/ApiKeys.ts"
import { decodeResponse, encodeRequestFrame } from "@chronik-effect/core/protocol/Frame.ts"
import { FetchApi } from "@chronik-effect/core/protocol/messages/01_Fetch.ts"
import { MetadataApi } from "@chronik-effect/core/protocol/messages/03_Metadata.ts"
import { ApiVersionsApi } from "@chronik-effect/core/protocol/messages/18_ApiVersions.ts"
import { buildBatch } from "@chronik-effect/core/record/BatchBuilder.ts"
import {
  Admin,
  Consumer as PlatformaticConsumer,
  Producer,
  stringDeserializers,
  stringSerializers
} from "@platformatic/kafka"
import { Kafka, logLevel } from "kafkajs"
import { pruned, questionOf } from "./oracle/Questions.ts"
import { frameSplitter, type GoldenFrame, RecordingProxy } from "./recordingProxy.ts"

const FRAME_BYTES_MAX = 900
const STEP_MS_MAX = 60_000

const [brokerPort, proxyPort, ...commands] = process.argv.slice(2)
const host = "127.0.0.1"
const bootstrap = `${host}:${proxyPort}`
const proxy = new RecordingProxy({ host, port: Number(brokerPort) })

const run = async (command: string, input = ""): Promise<void> => {
  const child = spawn("bash", ["-c", command], { stdio: ["pipe", "ignore", "ignore"] })
  child.stdin.end(input)
  await once(child, "exit")
}

const useKcat = async (): Promise<void> => {
  await run(`kcat -b ${bootstrap} -L`)
  await run(`kcat -b ${bootstrap} -P -t golden -z gzip -X enable.idempotence=true`, "one\ntwo\n")
  await run(`kcat -b ${bootstrap} -C -t golden -o beginning -e`)
  await run(`timeout 8 kcat -b ${bootstrap} -G golden-kcat -e golden`)
}

const useKafkajs = async (): Promise<void> => {
  const kafka = new Kafka({ brokers: [bootstrap], clientId: "kafkajs", logLevel: logLevel.NOTHING })
  const admin = kafka.admin()
  await admin.connect()
  await admin.createTopics({ topics: [{ topic: "golden", numPartitions: 2, replicationFactor: 1 }] })
  const producer = kafka.producer({ idempotent: true, transactionalId: "kafkajs-txn" })
  await producer.connect()
  const transaction = await producer.transaction()
  await transaction.send({ topic: "golden", messages: [{ key: "k", value: "v", headers: { h: "1" } }] })
  await transaction.sendOffsets({
    consumerGroupId: "golden-group",
    topics: [{ topic: "golden", partitions: [{ partition: 0, offset: "0" }] }]
  })
  await transaction.commit()
  const consumer = kafka.consumer({ groupId: "golden-group" })
  await consumer.connect()
  await consumer.subscribe({ topic: "golden", fromBeginning: true })
  await new Promise<void>((resolve) => {
    void consumer.run({ eachMessage: async () => resolve() })
  })
  await consumer.disconnect()
  await admin.fetchOffsets({ groupId: "golden-group", topics: ["golden"] })
  await admin.describeGroups(["golden-group"])
  await admin.describeConfigs({ includeSynonyms: true, resources: [{ type: 2, name: "golden" }] })
  await producer.disconnect()
  await admin.disconnect()
}

const usePlatformatic = async (): Promise<void> => {
  const base = { bootstrapBrokers: [bootstrap], clientId: "platformatic" }
  const producer = new Producer({ ...base, serializers: stringSerializers })
  await producer.send({ messages: [{ topic: "golden", key: "k", value: "v", headers: { h: "1" } }] })
  await producer.close()
  for (const groupProtocol of ["classic", "consumer"] as const) {
    const groupId = `golden-platformatic-${groupProtocol}`
    const consumer = new PlatformaticConsumer({ ...base, groupId, groupProtocol, deserializers: stringDeserializers })
    const stream = await consumer.consume({ autocommit: true, topics: ["golden"], mode: "earliest" })
    await once(stream, "data")
    await consumer.close(true)
  }
  const admin = new Admin(base)
  await admin.listGroups()
  await admin.describeGroups({ groups: ["golden-platformatic-classic"] })
  await admin.close()
}

/** One request on a connection of its own; undefined when Kafka closes it instead of answering. */
const ask = async (api: Api, version: number, value: unknown): Promise<Buffer | undefined> => {
  const socket = connect({ host, port: Number(proxyPort) })
  const answered = new Promise<Buffer | undefined>((resolve) => {
    socket.on("data", frameSplitter(resolve))
    socket.on("close", () => resolve(undefined))
  })
  for (const part of encodeRequestFrame(api, version, 7, "oracle", value as object)) socket.write(part)
  const answer = await Promise.race([answered, after(4000, undefined)])
  socket.destroy()
  return answer
}

const askEverything = async (): Promise<void> => {
  const offered = decodeResponse(
    ApiVersionsApi,
    3,
    ...whole(await ask(ApiVersionsApi, 3, { clientSoftwareName: "a", clientSoftwareVersion: "1" }))
  )
  const metadata = decodeResponse(
    MetadataApi,
    12,
    ...whole(await ask(MetadataApi, 12, { topics: [{ name: "golden" }] }))
  )
  const record = { key: null, value: new Uint8Array([111, 110, 101]), timestamp: Date.now() }
  const batch = buildBatch([record])
  const { topicId } = metadata.value.topics[0]!
  const about = { topic: "golden", topicId, groupId: "golden-group" }
  for (const { apiKey, maxVersion } of offered.value.apiKeys) {
    const api = apis.get(apiKey)
    for (let version = api?.request.versions.first ?? 1; api !== undefined && version <= maxVersion; version++) {
      if (!api.serves(version)) continue
      const answer = await ask(api, version, pruned(api.request, version, questionOf(api.name, about, batch)))
      if (answer === undefined) console.log(`no answer: ${api.name} ${version}`)
    }
  }
  const pages = [{ topicId, topic: "golden", partitions: [{ partition: 0, fetchOffset: 999, partitionMaxBytes: 300 }] }]
  for (const version of [4, 12, 17])
    await ask(FetchApi, version, pruned(FetchApi.request, version, { topics: pages, sessionEpoch: -1 }))
}

const whole = (bytes: Buffer | undefined): [Uint8Array, number, number] => {
  if (bytes === undefined) throw new Error("Kafka gave no answer to the first questions")
  return [bytes, 0, bytes.length]
}

/** For each API, version and direction the largest frame that is small enough for a fixture. */
const selected = (frames: ReadonlyArray<GoldenFrame>): Array<GoldenFrame> => {
  const best = new Map<string, GoldenFrame>()
  for (const frame of frames) {
    const size = Buffer.byteLength(frame.base64, "base64")
    const key = `${frame.client} ${frame.key} ${frame.version} ${frame.kind}`
    const known = best.get(key)
    if (
      size <= FRAME_BYTES_MAX &&
      apis.has(frame.key) &&
      (known === undefined || frame.base64.length > known.base64.length)
    )
      best.set(key, frame)
  }
  return [...best.values()].sort((a, b) => a.key - b.key || a.version - b.version || (a.kind < b.kind ? -1 : 1))
}

await proxy.listen(Number(proxyPort))
const steps: ReadonlyArray<readonly [string, () => Promise<void>]> = [
  ["kafkajs", useKafkajs],
  ["kcat", useKcat],
  ["platformatic", usePlatformatic],
  [
    "java",
    async () => {
      for (const command of commands) await run(command)
    }
  ],
  ["oracle", askEverything]
]
for (const [client, use] of steps) {
  proxy.client = client
  const outcome = await Promise.race([use().then(() => "done", String), after(STEP_MS_MAX, "too slow")])
  if (outcome !== "done") console.log(`${client} did not finish (${outcome}): keeping what it said so far`)
  // What our own codec sent is no evidence; that Kafka answered it is.
  const kept = proxy.frames.filter(
    (frame) => frame.client === client && (client !== "oracle" || frame.kind === "response")
  )
  const frames = selected(kept)
  const lines = frames.map((frame) => `  ${JSON.stringify(frame)}`)
  writeFileSync(
    new URL(`../../packages/core/test/protocol/golden/${client}.json`, import.meta.url),
    `[\n${lines.join(",\n")}\n]\n`
  )
  console.log(`${client}: ${frames.length} frames`)
}
proxy.close()
process.exit(0)
