/** Every message that the codec speaks, found through the tables and modules rather than by a list of its own. */
import { apis } from "@chronik-effect/core/protocol/ApiKeys.ts"
import { type Message, OPEN } from "@chronik-effect/core/protocol/Descriptor.ts"
import * as consumerGroup from "@chronik-effect/core/protocol/records/ConsumerGroupRecords.ts"
import * as consumerProtocol from "@chronik-effect/core/protocol/records/ConsumerProtocol.ts"
import * as groupMetadata from "@chronik-effect/core/protocol/records/GroupMetadata.ts"
import * as offsetCommit from "@chronik-effect/core/protocol/records/OffsetCommit.ts"
import * as transactionLog from "@chronik-effect/core/protocol/records/TransactionLog.ts"
import * as transactionMarker from "@chronik-effect/core/protocol/records/TransactionMarker.ts"

export const recordMessages: ReadonlyArray<Message<unknown>> = [
  consumerGroup,
  consumerProtocol,
  groupMetadata,
  offsetCommit,
  transactionLog,
  transactionMarker
].flatMap((module): Array<Message<unknown>> => Object.values(module))

export const apiMessages: ReadonlyArray<Message<unknown>> = [...apis.values()].flatMap((api) => [
  api.request,
  api.response
])

export const allMessages: ReadonlyArray<Message<unknown>> = [...apiMessages, ...recordMessages]

export const versionsOf = (message: Message<unknown>): Array<number> => {
  const last = message.versions.last === OPEN ? message.versions.first : message.versions.last
  return Array.from({ length: last - message.versions.first + 1 }, (_, i) => message.versions.first + i)
}
