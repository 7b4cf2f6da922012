/**
 * Disks that are full, that lie, and directories that are not ours: real processes on real files.
 *
 * A full disk is a small tmpfs; where it cannot be mounted (not root, no such file system) those tests are skipped and say so.
 */
import { execFileSync, spawn } from "node:child_process"
import { once } from "node:events"
import {
  closeSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
  writeSync
} from "node:fs"
import { createServer } from "node:net"
import { join, resolve } from "node:path"
import { ErrorCode } from "@chronik-effect/core/model/ErrorCode.ts"
import { FetchApi } from "@chronik-effect/core/protocol/messages/01_Fetch.ts"
import { MetadataApi } from "@chronik-effect/core/protocol/messages/03_Metadata.ts"
import { ApiVersionsApi } from "@chronik-effect/core/protocol/messages/18_ApiVersions.ts"
import * as RecordBatch from "@chronik-effect/core/record/RecordBatch.ts"
import { readAllRecords } from "@chronik-effect/core/record/Records.ts"
import { decompress } from "@chronik-effect/server/io/Compression.ts"
import { afterEach, describe, expect, test, vi } from "vitest"
import { BrokerProcess, freePort, temporaryDirectory } from "../support/BrokerProcess.ts"
import { Peer } from "./Peer.ts"
import {
  batchesIn,
  batchOf,
  createTopic,
  fetchOne,
  fetchRequest,
  latestOffset,
  produce,
  type Topic
} from "./Requests.ts"

const MIB = 1 << 20
const ENTRY = resolve(import.meta.dirname, "../../packages/cli/bin/chronik-effect.js")
const QUIET = ["--log-level", "warn"]

const cleanups: Array<() => unknown> = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

const directory = (): string => {
  const path = temporaryDirectory()
  cleanups.push(() => rmSync(path, { recursive: true, force: true }))
  return path
}

const brokerOn = async (dataDir: string, args: ReadonlyArray<string> = []): Promise<BrokerProcess> => {
  const broker = new BrokerProcess(await freePort(), dataDir, [...QUIET, ...args])
  cleanups.push(() => broker.end())
  return broker
}

const peerOf = async (broker: BrokerProcess): Promise<Peer> => {
  const peer = await Peer.connect(broker.port)
  cleanups.push(() => peer[Symbol.dispose]())
  return peer
}

/** Values that cannot be mistaken for one another, nor for a shifted copy. */
const textOf = (index: number, bytes: number): string => {
  const word = `${String(index).padStart(8, "0")}-`
  return word.repeat(Math.ceil(bytes / word.length)).slice(0, bytes)
}

const valuesOf = (batch: Uint8Array): ReadonlyArray<string> => {
  const records = readAllRecords(batch, 0, decompress, 16 * MIB)
  if (!Array.isArray(records)) throw new Error("a stored batch cannot be read")
  return records.map((record) => Buffer.from(record.value ?? []).toString())
}

/** Everything that a topic holds, one value an offset; fails at the first error code. */
const readAll = async (peer: Peer, topic: Topic): Promise<ReadonlyArray<string>> => {
  const values: Array<string> = []
  const end = await latestOffset(peer, topic)
  while (values.length < end) {
    const answer = await fetchOne(peer, topic, { offset: values.length, maxBytes: 8 * MIB })
    expect(answer.errorCode).toBe(ErrorCode.NONE)
    for (const batch of batchesIn(answer)) {
      expect(RecordBatch.baseOffset(batch, 0)).toBe(values.length)
      values.push(...valuesOf(batch))
    }
  }
  return values
}

const expectServing = async (peer: Peer, topic: Topic): Promise<void> => {
  const started = performance.now()
  expect((await peer.call(ApiVersionsApi, 0, {})).errorCode).toBe(0)
  expect((await peer.call(MetadataApi, 12, { topics: [{ name: topic.name }] })).topics[0]!.errorCode).toBe(0)
  expect((await fetchOne(peer, topic)).errorCode).toBe(0)
  expect(performance.now() - started).toBeLessThan(2000)
}

/** The command line, run to its end: what it said and how it ended. */
const serve = async (
  dataDir: string,
  port: number
): Promise<{ readonly code: number | null; readonly output: string }> => {
  const child = spawn(process.execPath, [ENTRY, "serve", "--data-dir", dataDir, "--kafka-port", String(port)])
  let output = ""
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (text: Buffer) => (output += text))
  cleanups.push(() => child.kill("SIGKILL"))
  // A start that should be refused and is not says so by its banner.
  child.stdout.on("data", () => output.includes(" ready in ") && child.kill("SIGKILL"))
  const [code] = (await once(child, "exit")) as [number | null]
  return { code, output }
}

const tmpfs = (mebibytes: number): string | undefined => {
  const path = directory()
  try {
    execFileSync("mount", ["-t", "tmpfs", "-o", `size=${mebibytes}m`, "tmpfs", path], { stdio: "ignore" })
  } catch {
    return undefined
  }
  cleanups.push(() => execFileSync("umount", ["-l", path]))
  return path
}

const fill = (path: string, mebibytes: number): void => {
  const file = openSync(path, "w")
  const chunk = Buffer.alloc(MIB, 0xaa)
  for (let i = 0; i < mebibytes; i++) writeSync(file, chunk)
  closeSync(file)
}

const fillToTheBrim = (path: string): void => {
  const file = openSync(path, "w")
  try {
    while (true) writeSync(file, Buffer.alloc(4096))
  } catch (error) {
    expect((error as NodeJS.ErrnoException).code).toBe("ENOSPC")
  } finally {
    closeSync(file)
  }
}

/** Hundreds of megabytes go in and out: on a busy machine that takes its time. */
const FULL_DISK_MS_MAX = 120_000

describe("a full disk", () => {
  test(
    "refuses produces, serves all else, loses nothing, and goes on when there is room",
    async ({ skip }) => {
      const disk = tmpfs(400)
      if (disk === undefined) return skip("a tmpfs cannot be mounted here")
      const dataDir = join(disk, "data")
      mkdirSync(dataDir)
      const broker = await brokerOn(dataDir)
      await broker.start()
      let peer = await peerOf(broker)
      const topic = await createTopic(peer, "full")
      const bytes = 900_000
      const acknowledged: Array<string> = []

      const produceOne = async (): Promise<number> => {
        const value = textOf(acknowledged.length, bytes)
        const answer = await produce(peer, topic, batchOf([value]), { timeoutMs: 20_000 })
        if (answer.errorCode === ErrorCode.NONE) {
          expect(answer.baseOffset).toBe(acknowledged.length)
          acknowledged.push(value)
        }
        return answer.errorCode
      }
      const produceUntilRefused = async (): Promise<number> => {
        for (let i = 0; i < 500; i++) {
          const code = await produceOne()
          if (code !== ErrorCode.NONE) return code
        }
        return ErrorCode.NONE
      }
      const expectKept = async () => expect(await readAll(peer, topic)).toEqual(acknowledged)

      fill(join(disk, "filler"), 150)
      expect(await produceUntilRefused()).toBe(ErrorCode.KAFKA_STORAGE_ERROR)
      expect(acknowledged.length).toBeGreaterThan(20)
      await expectServing(peer, topic)
      // The settler may have had a little room left, and have made some: it is refused again.
      expect(await produceUntilRefused()).toBe(ErrorCode.KAFKA_STORAGE_ERROR)

      // The control plane has room of its own.
      const other = await createTopic(peer, "made-on-a-full-disk")
      expect((await produce(peer, other, batchOf([textOf(0, bytes)]))).errorCode).toBe(ErrorCode.KAFKA_STORAGE_ERROR)

      await broker.end("SIGKILL")
      // Where not one byte is free a start is refused: it has to note its own number. With next to nothing it serves again.
      fillToTheBrim(join(disk, "crumbs"))
      const refused = await serve(dataDir, broker.port)
      expect(refused.code).not.toBe(0)
      expect(refused.output).toMatch(/^error: There is no space left .*\n$/)
      rmSync(join(disk, "crumbs"))
      truncateSync(join(disk, "filler"), 148 * MIB)
      await broker.start()
      peer = await peerOf(broker)
      await expectServing(peer, topic)
      await expectKept()
      expect(await produceUntilRefused()).toBe(ErrorCode.KAFKA_STORAGE_ERROR)
      await expectServing(peer, topic)

      rmSync(join(disk, "filler"))
      await vi.waitFor(async () => expect(await produceOne()).toBe(ErrorCode.NONE), { timeout: 10_000, interval: 20 })
      for (let i = 0; i < 20; i++) expect(await produceOne()).toBe(ErrorCode.NONE)
      expect(await broker.end("SIGTERM")).toBe(0)
      await broker.start()
      peer = await peerOf(broker)
      await expectKept()
    },
    FULL_DISK_MS_MAX
  )

  test("that is full already at the first start is one clear sentence", async ({ skip }) => {
    const disk = tmpfs(8)
    if (disk === undefined) return skip("a tmpfs cannot be mounted here")
    fill(join(disk, "filler"), 7)
    const { code, output } = await serve(join(disk, "data"), await freePort())
    expect(code).not.toBe(0)
    expect(output).toMatch(/space/i)
  })
})

/** Walks the files of a directory tree. */
const filesIn = (path: string): ReadonlyArray<string> =>
  readdirSync(path, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))

const flipBit = (path: string, position: number): void => {
  const file = openSync(path, "r+")
  const byte = Buffer.alloc(1)
  readSync(file, byte, 0, 1, position)
  byte[0]! ^= 0x10
  writeSync(file, byte, 0, 1, position)
  closeSync(file)
}

describe("a flipped bit", () => {
  test("in a settled segment: an error for what it hit, never wrong data, and all else is served", async () => {
    const dataDir = directory()
    const broker = await brokerOn(dataDir)
    await broker.start()
    let peer = await peerOf(broker)
    const topic = await createTopic(peer, "settled")
    const other = await createTopic(peer, "other")
    await produce(peer, other, batchOf(["untouched"]))
    const bytes = 900_000
    // More than a WAL segment, so that the first ones are rewritten into files.
    for (let i = 0; i < 100; i++) {
      expect((await produce(peer, topic, batchOf([textOf(i, bytes)]), { acks: 1 })).errorCode).toBe(0)
    }
    const logs = () =>
      filesIn(join(dataDir, "topics")).filter((path) => path.includes("settled") && path.endsWith(".log"))
    await vi.waitFor(
      () =>
        expect(
          logs()
            .map((path) => statSync(path).size)
            .some((size) => size > 20 * bytes)
        ).toBe(true),
      {
        timeout: 10_000,
        interval: 20
      }
    )
    await broker.end("SIGTERM")

    const damaged = logs()[0]!
    const batchBytes = RecordBatch.sizeInBytes(readFileSync(damaged).subarray(0, 61), 0)
    flipBit(damaged, 5 * batchBytes + 1000)
    await broker.start()
    peer = await peerOf(broker)
    const right = (answer: { readonly records: Uint8Array | null }) => {
      for (const batch of batchesIn(answer)) {
        expect(valuesOf(batch)).toEqual([textOf(RecordBatch.baseOffset(batch, 0), bytes)])
      }
    }
    const codes: Array<number> = []
    for (let offset = 0; offset < 100; offset++) {
      // One batch at a time, so that what is refused is exactly what was hit.
      const answer = await fetchOne(peer, topic, { offset, maxBytes: 1 })
      right(answer)
      codes.push(answer.errorCode)
    }
    expect(codes[5]).not.toBe(ErrorCode.NONE)
    expect(codes.filter((code) => code !== ErrorCode.NONE)).toHaveLength(1)
    // A read across it may end before it or fail, but holds nothing false.
    right(await fetchOne(peer, topic, { offset: 0, maxBytes: 12 * MIB }))
    expect(await readAll(peer, other)).toEqual(["untouched"])
    expect((await produce(peer, topic, batchOf(["on"]))).errorCode).toBe(0)
  })

  test("in the header of a settled batch: never wrong data either", async () => {
    const dataDir = directory()
    const broker = await brokerOn(dataDir)
    await broker.start()
    let peer = await peerOf(broker)
    const topic = await createTopic(peer, "settled")
    for (let i = 0; i < 100; i++) await produce(peer, topic, batchOf([textOf(i, 900_000)]), { acks: 1 })
    const logs = () => filesIn(join(dataDir, "topics")).filter((path) => path.endsWith(".log"))
    await vi.waitFor(() => expect(logs().some((path) => statSync(path).size > 20 * MIB)).toBe(true), {
      timeout: 10_000,
      interval: 20
    })
    await broker.end("SIGTERM")
    const damaged = logs()[0]!
    const batchBytes = RecordBatch.sizeInBytes(readFileSync(damaged).subarray(0, 61), 0)
    // Length, base offset, magic, count: none of them is trusted by itself.
    flipBit(damaged, 3 * batchBytes + RecordBatch.BATCH_LENGTH_AT + 1)
    flipBit(damaged, 7 * batchBytes + RecordBatch.BASE_OFFSET_AT + 7)
    flipBit(damaged, 9 * batchBytes + RecordBatch.MAGIC_AT)
    flipBit(damaged, 11 * batchBytes + RecordBatch.RECORDS_COUNT_AT + 3)
    await broker.start()
    peer = await peerOf(broker)
    for (let offset = 0; offset < 100; offset++) {
      const answer = await fetchOne(peer, topic, { offset, maxBytes: 1 })
      if (answer.errorCode !== ErrorCode.NONE) continue
      for (const batch of batchesIn(answer)) {
        expect(RecordBatch.baseOffset(batch, 0)).toBe(offset)
        expect(valuesOf(batch)).toEqual([textOf(offset, 900_000)])
      }
    }
    expect(await latestOffset(peer, topic)).toBe(100)
  })
})

describe("the WAL", () => {
  /** A data directory after a kill, with 50 acknowledged records; the place of the n-th of them in its WAL. */
  const killed = async () => {
    const dataDir = directory()
    const broker = await brokerOn(dataDir)
    await broker.start()
    const peer = await peerOf(broker)
    const topic = await createTopic(peer, "wal")
    for (let i = 0; i < 50; i++) expect((await produce(peer, topic, batchOf([textOf(i, 3000)]))).errorCode).toBe(0)
    await broker.end("SIGKILL")
    const walPath = filesIn(join(dataDir, "wal")).find((path) => readFileSync(path).includes(textOf(25, 100)))!
    const placeOf = (index: number) => readFileSync(walPath).indexOf(textOf(index, 100))
    return { dataDir, broker, topic, walPath, placeOf }
  }

  test("a flipped bit in the middle refuses the start by name", async () => {
    const { dataDir, broker, walPath, placeOf } = await killed()
    flipBit(walPath, placeOf(25) + 50)
    const { code, output } = await serve(dataDir, broker.port)
    expect(code).not.toBe(0)
    expect(output).toContain(walPath.slice(walPath.lastIndexOf("/") + 1))
    expect(output).toMatch(/damaged|corrupt|checksum/i)
  })

  test("a torn tail is cut, and everything before it is there", async () => {
    const { broker, topic, walPath, placeOf } = await killed()
    const file = openSync(walPath, "r+")
    writeSync(file, Buffer.alloc(8000), 0, 8000, placeOf(49) + 200)
    closeSync(file)
    await broker.start()
    const peer = await peerOf(broker)
    const values = await readAll(peer, topic)
    expect(values).toEqual(Array.from({ length: 49 }, (_, i) => textOf(i, 3000)))
    expect((await produce(peer, topic, batchOf(["on"]))).baseOffset).toBe(49)
  })
})

describe("a data directory", () => {
  test("in use by another process is refused, and the process is named", async () => {
    const dataDir = directory()
    const broker = await brokerOn(dataDir)
    await broker.start()
    const { code, output } = await serve(dataDir, await freePort())
    expect(code).not.toBe(0)
    expect(output).toContain(String(broker.pid))
    const peer = await peerOf(broker)
    expect((await peer.call(ApiVersionsApi, 0, {})).errorCode).toBe(0)
  })

  test("of somebody else is refused and left as it is", async () => {
    const dataDir = directory()
    writeFileSync(join(dataDir, "thesis.txt"), "years of work")
    const { code, output } = await serve(dataDir, await freePort())
    expect(code).not.toBe(0)
    expect(output).toContain(dataDir)
    expect(readdirSync(dataDir)).toEqual(["thesis.txt"])
  })

  test.each([
    ["no JSON", "{"],
    ["empty", ""],
    ["another node's", undefined]
  ])("with a node.json that is %s is refused by name", async (what, text) => {
    const dataDir = directory()
    const broker = await brokerOn(dataDir)
    await broker.start()
    // The port is open before the directory is made: an answer says that all is there.
    await (await peerOf(broker)).call(ApiVersionsApi, 0, {})
    await broker.end("SIGTERM")
    const path = join(dataDir, "node.json")
    const before = readFileSync(path, "utf8")
    const damaged = text ?? before.replace(/("nodeId":\s*)1/, "$177")
    expect(damaged).not.toBe(before)
    writeFileSync(path, damaged)
    const { code, output } = await serve(dataDir, broker.port)
    expect(code, what).not.toBe(0)
    expect(output).toContain(what === "another node's" ? "77" : "node.json")
    expect(readFileSync(path, "utf8")).toBe(damaged)
  })
})

test("a port that is taken: one sentence, exit code ≠ 0", async () => {
  const holder = createServer().listen(0, "127.0.0.1")
  cleanups.push(() => holder.close())
  await once(holder, "listening")
  const { port } = holder.address() as { port: number }
  const { code, output } = await serve(directory(), port)
  expect(code).not.toBe(0)
  expect(output).toContain(String(port))
  expect(output).toMatch(/^error: [^\n]* in use [^\n]*\n$/)
})

test.each(["SIGINT", "SIGTERM"] as const)("%s ends within a second, whoever is connected and waits", async (signal) => {
  const broker = await brokerOn(directory())
  await broker.start()
  const peer = await peerOf(broker)
  const topic = await createTopic(peer, "stop")
  const others = await Promise.all(Array.from({ length: 50 }, () => peerOf(broker)))
  for (const other of others)
    other.ask(FetchApi, 12, fetchRequest([topic], { maxWaitMs: 600_000 }))
    // Half a frame, and nothing at all, from two more.
  ;(await peerOf(broker)).send(Buffer.from([0, 0, 1]))
  await peerOf(broker)
  await Promise.all(others.map((other) => other.flushed()))
  expect((await produce(peer, topic, batchOf(["last words"]))).errorCode).toBe(0)
  const started = performance.now()
  expect(await broker.end(signal)).toBe(0)
  expect(performance.now() - started).toBeLessThan(1000)
  expect(broker.output).not.toMatch(/defect|Error:/)
})
