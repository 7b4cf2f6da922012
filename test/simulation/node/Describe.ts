/** How messages read in the history: their tag and what decides. One short line each. */
import type { Message } from "../../../packages/core/src/raft/Message.ts"
import type { ReplicaMessage } from "../../../packages/core/src/replication/Frame.ts"
import type { Point } from "../../../packages/core/src/replication/Point.ts"
import type { SimBatch } from "../World.ts"
import type { ControlMessage } from "./ControllerDriver.ts"
import type { ForwardMessage } from "./MetadataDriver.ts"

const place = ({ epoch, offset }: Point): string => `${epoch}:${offset}`

export const describeMessage = (message: unknown): string => {
  const one = message as Message | ReplicaMessage<SimBatch> | ControlMessage | ForwardMessage
  switch (one._tag) {
    case "PreVote":
    case "Vote":
      return `${one._tag} t${one.term} log ${one.lastIndex}/${one.lastTerm}`
    case "PreVoteResponse":
      return `PreVote t${one.term} ${one.granted ? "granted" : "denied"}`
    case "VoteResponse":
      return `Vote t${one.term} ${one.granted ? "granted" : "denied"}`
    case "Append":
      return `Append t${one.term} ${one.previousIndex}+${one.entries.length} c${one.commit} r${one.round}`
    case "AppendResponse":
      return `Append t${one.term} ${one.mismatch === null ? `match ${one.matchIndex}` : `not ${one.mismatch.previousIndex}`} r${one.round}`
    case "SnapshotChunk":
      return `Snapshot ${one.snapshotIndex} at ${one.offset}/${one.totalBytes}`
    case "SnapshotResponse":
      return `Snapshot ${one.snapshotIndex} ${one.installed ? "installed" : `has ${one.receivedBytes}`}`
    case "Frame":
      return `Frame p${one.partition} e${one.epoch} ${place(one.previous)}→${place(one.end)} hw${one.highWatermark}`
    case "Acknowledgement":
      return `Ack p${one.partition} e${one.epoch} ${place(one.verified)}`
    case "Mismatch":
      return `Mismatch p${one.partition} e${one.epoch} at ${place(one.previous)}, has ${place(one.hint)}`
    case "Refusal":
      return `Refusal p${one.partition} e${one.epoch}, promised ${one.promised}`
    case "Promise":
      return `Promise ${one.request.partitions.map(({ partition, epoch }) => `p${partition} e${epoch}`).join(" ")}`
    case "Promised":
      return `Promised ${one.answers
        .map(({ partition, epoch, answer }) =>
          answer._tag === "Position"
            ? `p${partition} e${epoch} ${place(answer.position)}`
            : `p${partition} ${answer._tag}`
        )
        .join(" ")}`
    case "ForwardWrite":
      return `Forward ${one.command._tag}`
    case "ForwardAnswer":
      return `Forward ${one.error}`
    case "Order":
      return `Order ${one.order._tag}`
    default:
      return one._tag
  }
}
