import { Kafka, logLevel } from "kafkajs"
import { BrokerProcess, freePort, temporaryDirectory } from "../support/BrokerProcess.ts"
const iterations = Number(process.argv[2] ?? 5)
const mode = process.argv[3] ?? "stable"
const pause = (ms: number) => new Promise<void>((r) => setTimeout(r, ms))
for (let it = 0; it < iterations; it++) {
  const broker = new BrokerProcess(await freePort(), temporaryDirectory(), ["--log-level", "warn", "--default-partitions", "20"])
  await broker.start()
  const logs = new Map<string, string[]>()
  const seen = new Map<string, number>()
  const mk = (i: number) => {
    const name = `m${i}`
    const lines: string[] = []
    logs.set(name, lines)
    const kafka = new Kafka({ clientId: name, brokers: [broker.bootstrap], logLevel: logLevel.DEBUG,
      logCreator: () => ({ namespace, log: { message, timestamp, logger, stack, ...rest } }) => {
        const { size, data, payload, ...shown } = rest as any
        lines.push(`${new Date().toISOString().slice(14, 23)} ${namespace} ${message} ${JSON.stringify(shown).slice(0, 200)}`) },
      ...(mode.includes("small") ? { retry: { initialRetryTime: 20, maxRetryTime: 200, retries: 50 } } : {}) })
    const consumer = kafka.consumer({ groupId: "g" })
    return { name, consumer, run: (async () => { await consumer.connect(); await consumer.subscribe({ topics: ["t"], fromBeginning: true }); await consumer.run({ eachMessage: async () => { seen.set(name, (seen.get(name) ?? 0) + 1) } }) })() }
  }
  const pk = new Kafka({ clientId: "p", brokers: [broker.bootstrap], logLevel: logLevel.NOTHING })
  const producer = pk.producer(); await producer.connect()
  for (let i = 0; i < 5; i++) await producer.send({ topic: "t", messages: Array.from({ length: 100 }, (_, k) => ({ value: String(k), partition: k % 20 })) })
  const members = Array.from({ length: 20 }, (_, i) => mk(i))
  if (mode.includes("stable")) { await Promise.all(members.map((m) => m.run)); await pause(300) }
  else await pause(3000 + Math.random() * 600)
  await broker.end("SIGKILL")
  await broker.start()
  if (mode.includes("wait")) await pause(Math.random() * 5000)
  const t0 = performance.now()
  const times: number[] = []
  const left = new Set(members.map((m) => m.name))
  await Promise.race([Promise.all(members.map(async (m) => { m.run.catch(() => {}); await m.consumer.disconnect(); left.delete(m.name); times.push(performance.now() - t0) })), pause(100_000)])
  times.sort((a, b) => a - b)
  console.log(`${mode} #${it}: ready ${broker.readyMs.toFixed(0)} left ${left.size} p50 ${times[10]?.toFixed(0)} max ${times.at(-1)?.toFixed(0)}`)
  if ((times.at(-1) ?? 1e9) > 8000 || left.size > 0) {
    const fs = await import("node:fs")
    fs.writeFileSync(`/tmp/gr/dis-${mode}-${it}-${process.pid}.log`, [...logs].map(([n, l]) => `==== ${n}\n${l.join("\n")}`).join("\n") + "\n" + broker.output)
  }
  await producer.disconnect().catch(() => {})
  await broker.dispose()
}
process.exit(0)
