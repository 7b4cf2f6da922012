/**
 * InitProducerId (key 22): a fresh producer id for an idempotent producer, unique across the cluster.
 *
 * The node takes ids from blocks that it allocates through the metadata log; a block that a crash leaves half used is
 * lost, never handed out twice. Transactional ids need the transaction coordinator, which is not served yet: such a
 * request is refused with INVALID_REQUEST, which ends the client's attempt with a clear error instead of a retry for ever.
 *
 * Versions: 2 flexible; 3 current id and epoch (KIP-360), which matter with a transactional id only.
 * @see KIP-98
 */
import { ErrorCode } from "@chronik-effect/core/model/ErrorCode.ts"
import {
  InitProducerIdApi,
  type InitProducerIdRequest,
  type InitProducerIdResponse
} from "@chronik-effect/core/protocol/messages/22_InitProducerId.ts"
import { Effect, Semaphore } from "effect"
import { NodeConfig } from "../config/NodeConfig.ts"
import { MetadataStore } from "../metadata/MetadataStore.ts"
import type { Handler } from "./Handler.ts"

/** As many ids as Kafka's controller hands to a broker at once. */
const BLOCK_IDS = 1000

export const make = Effect.gen(function* () {
  const store = yield* MetadataStore
  const { nodeId } = yield* NodeConfig
  const oneAtATime = yield* Semaphore.make(1)
  let next = 0
  let end = 0

  const nextId = Effect.gen(function* () {
    if (next === end) {
      const result = yield* store.propose({ _tag: "AllocateProducerIds", nodeId, count: BLOCK_IDS })
      if (result._tag !== "ProducerIds") {
        return yield* Effect.die(
          new Error(`the metadata log answered an allocation of producer ids with ${result._tag}`)
        )
      }
      next = result.first
      end = result.first + result.count
    }
    return next++
  }).pipe(oneAtATime.withPermits(1))

  const handler: Handler<InitProducerIdRequest, InitProducerIdResponse> = {
    api: InitProducerIdApi,
    handle: (request) => {
      if (request.transactionalId !== null) return Effect.succeed(refused(ErrorCode.INVALID_REQUEST))
      // One without the other says nothing.
      if ((request.producerId === -1) !== (request.producerEpoch === -1)) {
        return Effect.succeed(refused(ErrorCode.INVALID_REQUEST))
      }
      return nextId.pipe(
        Effect.map((producerId) => ({ throttleTimeMs: 0, errorCode: ErrorCode.NONE, producerId, producerEpoch: 0 })),
        Effect.catchTag("MetadataError", () => Effect.succeed(refused(ErrorCode.COORDINATOR_NOT_AVAILABLE)))
      )
    }
  }
  return handler
})

const refused = (errorCode: ErrorCode) => ({ throttleTimeMs: 0, errorCode, producerId: -1, producerEpoch: -1 })
