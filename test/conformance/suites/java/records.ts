/**
 * Records through Java producers and consumers: console, verifiable, performance, end-to-end and compatibility tools.
 */
import { deepEqual, equal, match } from "node:assert/strict"
import type { Cases } from "../Suite.ts"
import { consume } from "./groups.ts"
import type { JavaTools } from "./JavaTools.ts"

const TOPIC = "org.apache.kafka.tools.TopicCommand"
const CONSUMER = "org.apache.kafka.tools.consumer.ConsoleConsumer"

const lines = (count: number): ReadonlyArray<string> => Array.from({ length: count }, (_, i) => `value ${i}`)
const printed = (text: string): ReadonlyArray<string> => text.replace(/\n$/, "").split("\n")

export const recordCases = async (cases: Cases, tools: JavaTools): Promise<void> => {
  await consoleCases(cases, tools)
  await verifiableCases(cases, tools)
  await performanceCases(cases, tools)
  await cases.add("ClientCompatibilityTest finds everything that it looks for", async () => {
    const yes = (name: string) => [`--${name}`, "true"]
    await tools.admin(TOPIC, "--create", "--topic", "compatible", "--partitions", "1")
    const told = await tools.run("org.apache.kafka.tools.ClientCompatibilityTest", [
      ...["--bootstrap-server", tools.bootstrap, "--topic", "compatible", "--num-cluster-nodes", "1"],
      ...yes("offsets-for-times-supported"),
      ...yes("cluster-id-supported"),
      ...yes("create-topics-supported"),
      ...yes("describe-configs-supported"),
      ...yes("describe-acls-supported"),
      ...yes("idempotent-producer-supported"),
      ...["--expect-record-too-large-exception", "false"]
    ])
    match(told, /SUCCESS/i)
  })
}

const consoleCases = async (cases: Cases, tools: JavaTools): Promise<void> => {
  const reader = (name: string) => (tools.modern ? ["--reader-property", name] : ["--property", name])
  const shown = (name: string) => (tools.modern ? ["--formatter-property", name] : ["--property", name])
  await cases.add("ConsoleProducer and ConsoleConsumer carry keys, headers and empty values", async () => {
    await tools.admin(TOPIC, "--create", "--topic", "spoken", "--partitions", "1")
    const input = ["h1:one,h2:two\tkey\tvalue", "h1:three\tother\t"]
    await tools.produce("spoken", input, ...reader("parse.key=true"), ...reader("parse.headers=true"))
    const show = ["print.key", "print.headers", "print.offset", "print.partition"].flatMap((name) =>
      shown(`${name}=true`)
    )
    const heard = await consume(tools, "spoken", "listening", 2, ...show)
    deepEqual(printed(heard), [
      "Partition:0\tOffset:0\th1:one,h2:two\tkey\tvalue",
      "Partition:0\tOffset:1\th1:three\tother\t"
    ])
  })
  for (const codec of ["gzip", "snappy", "lz4", "zstd"]) {
    await cases.add(`ConsoleProducer and ConsoleConsumer carry records with ${codec}`, async () => {
      const topic = `spoken-${codec}`
      await tools.admin(TOPIC, "--create", "--topic", topic, "--partitions", "1")
      await tools.produce(topic, lines(200), "--compression-codec", codec)
      const partition = ["--partition", "0", "--offset", "100", "--max-messages", "100", "--timeout-ms", "30000"]
      deepEqual(printed(await tools.admin(CONSUMER, "--topic", topic, ...partition)), lines(200).slice(100))
    })
  }
  await cases.add("ConsoleConsumer goes on where its group left off", async () => {
    await tools.admin(TOPIC, "--create", "--topic", "continued", "--partitions", "1")
    await tools.produce("continued", lines(5))
    deepEqual(printed(await consume(tools, "continued", "patient", 5)), lines(5))
    await tools.produce("continued", ["later"])
    deepEqual(printed(await consume(tools, "continued", "patient", 1)), ["later"])
  })
  await cases.add("ConsoleConsumer decodes __consumer_offsets with its formatters", async () => {
    const read = async (formatter: string, expected: RegExp) => {
      const all = ["--topic", "__consumer_offsets", "--from-beginning", "--timeout-ms", "8000"]
      const arguments_ = ["--bootstrap-server", tools.bootstrap, ...all, "--formatter", formatter]
      const finished = await tools.attempt(CONSUMER, arguments_, { until: expected })
      match(finished.stdout, expected)
    }
    await read(
      "org.apache.kafka.tools.consumer.OffsetsMessageFormatter",
      /"group":"patient","topic":"continued","partition":0.*"offset":[56]/
    )
    await read(
      "org.apache.kafka.tools.consumer.GroupMetadataMessageFormatter",
      /"group":"patient".*"protocolType":"consumer"/
    )
  })
}

const verifiableCases = async (cases: Cases, tools: JavaTools): Promise<void> => {
  for (const acks of ["0", "1", "-1"]) {
    await cases.add(`VerifiableProducer has each record acknowledged with acks=${acks}`, async () => {
      const arguments_ = ["--topic", "verified", "--max-messages", "500", "--acks", acks, "--throughput", "-1"]
      const told = await tools.admin("org.apache.kafka.tools.VerifiableProducer", ...arguments_)
      match(told, /"name":"tool_data".*"sent":500.*"acked":500|"acked":500.*"sent":500/)
    })
  }
  await cases.add("VerifiableConsumer reads what VerifiableProducer wrote, in a group", async () => {
    const consumer = tools.start("org.apache.kafka.tools.VerifiableConsumer", [
      ...["--bootstrap-server", tools.bootstrap, "--topic", "verified", "--group-id", "verifying"],
      ...["--reset-policy", "earliest", "--max-messages", "1500"]
    ])
    await consumer.says(/"name":"shutdown_complete"/)
    const counts = [...(await consumer.end()).matchAll(/"name":"records_consumed","count":(\d+)/g)].map((found) =>
      Number(found[1])
    )
    equal(
      counts.reduce((sum, count) => sum + count, 0),
      1500
    )
  })
}

const performanceCases = async (cases: Cases, tools: JavaTools): Promise<void> => {
  await cases.add("ProducerPerformance sends, ConsumerPerformance receives as many", async () => {
    const sent = await tools.run("org.apache.kafka.tools.ProducerPerformance", [
      ...["--topic", "measured", "--num-records", "20000", "--record-size", "100", "--throughput", "-1"],
      ...["--producer-props", `bootstrap.servers=${tools.bootstrap}`, "acks=all"]
    ])
    match(sent, /20000 records sent/)
    const received = await tools.admin(
      "org.apache.kafka.tools.ConsumerPerformance",
      ...["--topic", "measured", tools.modern ? "--num-records" : "--messages", "20000", "--timeout", "60000"]
    )
    const figures = received.trim().split("\n").at(-1)?.split(", ") ?? []
    equal(Number(figures[4]) >= 20000, true, received)
  })
  await cases.add("EndToEndLatency gets each record back", async () => {
    const told = await tools.run(
      "org.apache.kafka.tools.EndToEndLatency",
      tools.modern
        ? [
            "--bootstrap-server",
            tools.bootstrap,
            "--topic",
            "there-and-back",
            "--num-records",
            "200",
            "--producer-acks",
            "all",
            "--record-size",
            "100"
          ]
        : [tools.bootstrap, "there-and-back", "200", "all", "100"]
    )
    match(told, /Percentiles: 50th = \d+/)
  })
}
