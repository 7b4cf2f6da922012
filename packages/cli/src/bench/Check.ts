/**
 * Reads everything back that a run has written, and enters it into the ledger: each record's checksum, and in what order
 * each partition holds it.
 */
import * as Admin from "@chronik-effect/server/client/kafka/Admin.ts"
import { ClientError, clientError } from "@chronik-effect/server/client/kafka/ClientError.ts"
import { fetchOnce, recordsOf, visitBatches } from "@chronik-effect/server/client/kafka/Fetch.ts"
import * as Effect from "effect/Effect"
import { inspect, type Seen } from "./Content.ts"
import type { Ground } from "./Ground.ts"
import type { Ledger } from "./Ledger.ts"

const FETCH_BYTES = 4 * 1024 * 1024
const READERS = 4
/** How long the ends may take to show what was sent without answers. */
const SETTLE_MS = 10_000
const SETTLE_PAUSE_MS = 50

/** Reads [start, end) of every partition. `progress` is told of each answer's records. */
export const readBack = (
  ground: Ground,
  ledger: Ledger,
  unanswered: boolean,
  progress: (records: number) => void
): Effect.Effect<void, ClientError> =>
  Effect.gen(function* () {
    const { client, topic, startOffsets } = ground
    const partitions = startOffsets.map((_, partition) => partition)
    const ends = Effect.forEach(partitions, (p) => Admin.listOffset(client, topic, p, Admin.LATEST), {
      concurrency: 16
    })
    let endOffsets = yield* ends
    const arrived = () => endOffsets.reduce((sum, end, p) => sum + end - startOffsets[p]!, 0)
    // What was answered must be there now; without answers (acks=0) the last records may still be on their way.
    for (
      let waited = 0;
      unanswered && arrived() < ledger.confirmedTotal && waited < SETTLE_MS;
      waited += SETTLE_PAUSE_MS
    ) {
      yield* Effect.sleep(SETTLE_PAUSE_MS)
      endOffsets = yield* ends
    }
    const read = (partition: number) =>
      readPartition(ground, ledger, partition, startOffsets[partition]!, endOffsets[partition]!, progress)
    yield* Effect.forEach(partitions, read, { concurrency: READERS, discard: true })
  })

const readPartition = (
  ground: Ground,
  ledger: Ledger,
  partition: number,
  start: number,
  end: number,
  progress: (records: number) => void
): Effect.Effect<void, ClientError> =>
  Effect.gen(function* () {
    const { client, topic, topicId } = ground
    const seen: Seen = { tag: 0, lane: 0, sequence: 0, intact: false }
    let offset = start
    let count = 0
    const take = (bytes: Uint8Array, pos: number): ClientError | undefined => {
      const reader = recordsOf(bytes, pos)
      if (reader instanceof ClientError) return reader
      while (reader.next()) {
        if (reader.offset < start || reader.offset >= end) continue
        count++
        const ours = inspect(reader.bytes, reader.valueStart, reader.valueStart + Math.max(reader.valueLength, 0), seen)
        if (ours) ledger.readBack(partition, seen.tag, seen.lane, seen.sequence, seen.intact)
        else ledger.alien()
      }
      return reader.malformed ? clientError("protocol", `${topic}-${partition}: ${reader.problem}.`) : undefined
    }
    while (offset < end) {
      const fetched = yield* client.atLeader(topic, partition, (connection) =>
        fetchOnce(connection, { topic, topicId, partition, offset, maxBytes: FETCH_BYTES, minBytes: 1, maxWaitMs: 500 })
      )
      const next = visitBatches(fetched.records, offset, take)
      if (typeof next !== "number") return yield* next
      if (next === offset && fetched.highWatermark >= end) {
        return yield* clientError(
          "protocol",
          `${topic}-${partition} holds nothing at offset ${offset}, though it ends at ${end}.`
        )
      }
      offset = next
      progress(count)
      count = 0
    }
  })
