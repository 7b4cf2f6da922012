/**
 * ConsumerGroupHeartbeat (key 68), consumer protocol (KIP-848): joins a group, stays in it, leaves it, and learns what to
 * consume. It never waits for other members; the answer comes when what it promises is committed.
 *
 * Versions: 1 a regular expression as the subscription, and the member makes its own id (KIP-1082).
 *
 * `group.coordinator.rebalance.protocols` without "consumer" turns the protocol off: UNSUPPORTED_VERSION, as in Kafka.
 */
import { consumerHeartbeatError } from "@chronik-effect/core/group/Commands.ts"
import { ErrorCode } from "@chronik-effect/core/model/ErrorCode.ts"
import {
  ConsumerGroupHeartbeatApi,
  type ConsumerGroupHeartbeatRequest,
  type ConsumerGroupHeartbeatResponse
} from "@chronik-effect/core/protocol/messages/68_ConsumerGroupHeartbeat.ts"
import { Effect } from "effect"
import { GroupCoordinator } from "../coordinator/GroupCoordinator.ts"
import { MetadataStore } from "../metadata/MetadataStore.ts"
import type { Handler } from "./Handler.ts"

const MEMBER_ID_MANDATORY_FROM = 1

export const make = Effect.gen(function* () {
  const groups = yield* GroupCoordinator
  const metadata = yield* MetadataStore
  const handler: Handler<ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse> = {
    api: ConsumerGroupHeartbeatApi,
    handle: (request, { apiVersion, clientId, clientHost }) => {
      const answer = servesConsumerGroups(metadata)
        ? groups.ask({
            _tag: "ConsumerHeartbeat",
            ...request,
            clientId: clientId ?? "",
            clientHost,
            requireMemberId: apiVersion >= MEMBER_ID_MANDATORY_FROM,
            uuid: groups.kafkaUuid()
          })
        : Effect.succeed(consumerHeartbeatError(ErrorCode.UNSUPPORTED_VERSION, "The consumer protocol is turned off."))
      return Effect.map(answer, ({ _tag, assignment, ...result }) => ({
        throttleTimeMs: 0,
        ...result,
        assignment: assignment === null ? null : { topicPartitions: assignment }
      }))
    }
  }
  return handler
})

export const servesConsumerGroups = (metadata: MetadataStore["Service"]): boolean =>
  metadata.brokerConfig().list("group.coordinator.rebalance.protocols").includes("consumer")
