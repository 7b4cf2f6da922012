/**
 * All values of a partition, read by our own client: complete, in order, the CRC of each batch checked. The index of a
 * value is its offset; an offset without a record stays empty.
 */
import { EARLIEST, LATEST, listOffset } from "@chronik-effect/server/client/kafka/Admin.ts"
import { readPartition as readRecords } from "@chronik-effect/server/client/kafka/Fetch.ts"
import { makeKafkaClient } from "@chronik-effect/server/client/kafka/KafkaClient.ts"
import { Effect } from "effect"

export const readPartition = (bootstrap: string, topic: string, partition: number): Promise<ReadonlyArray<string>> =>
  Effect.runPromise(
    Effect.scoped(
      Effect.gen(function* () {
        const client = yield* makeKafkaClient({ bootstrap, clientId: "read-back" })
        const start = yield* listOffset(client, topic, partition, EARLIEST)
        const end = yield* listOffset(client, topic, partition, LATEST)
        const values: Array<string> = []
        for (const record of yield* readRecords(client, topic, partition, start, end)) {
          values[record.offset] = record.value === null ? "" : Buffer.from(record.value).toString()
        }
        return values
      })
    )
  )
