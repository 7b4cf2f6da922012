/** Where a simulated node answers clients: requests of `workload/ClientPort` to the drivers and back. */
import { type ErrorCode, errorName } from "../../../packages/core/src/model/ErrorCode.ts"
import type { ClientAnswer, ClientRequest, ErrorName } from "../workload/ClientPort.ts"
import type { Process } from "./Process.ts"

const name = (errorCode: ErrorCode): ErrorName => errorName(errorCode) as ErrorName

export const answerClient = (
  process: Process,
  request: ClientRequest,
  answer: (answer: ClientAnswer) => void
): void => {
  const { metadata, replicas, control, raft } = process
  switch (request._tag) {
    case "Produce": {
      // Rule 25: acks 0 and 1 as well.
      if (control.lostController) {
        process.host.cover("produce refused without controller")
        return answer({ _tag: "Produce", error: "NOT_LEADER_OR_FOLLOWER", baseOffset: -1, epoch: -1 })
      }
      const { topicId, partition, acks, batch } = request
      return replicas.produce(topicId, partition, acks, batch, ({ errorCode, baseOffset, epoch }) => {
        if (acks !== 0) answer({ _tag: "Produce", error: name(errorCode), baseOffset, epoch })
      })
    }
    case "Fetch": {
      const { errorCode, batches, highWatermark } = replicas.fetch(
        request.topicId,
        request.partition,
        request.offset,
        request.bytesMax
      )
      return answer({ _tag: "Fetch", error: name(errorCode), batches, highWatermark })
    }
    case "ReadTopic":
      return metadata.linearizable(
        (image) => image.topic(request.name),
        (topic, ok) =>
          answer({
            _tag: "ReadTopic",
            error: ok ? "NONE" : "NOT_CONTROLLER",
            topicId: topic?.topicId ?? null,
            minInSync: topic?.configs.get("min.insync.replicas") ?? null
          })
      )
    case "Propose":
      return metadata.propose(request.command, (error, result) => answer({ _tag: "Propose", error, result }))
    case "Operator":
      return control.order(request.order, (error) => answer({ _tag: "Operator", error }))
    case "Where":
      return answer({
        _tag: "Where",
        image: metadata.image,
        configuration: raft.raft.configuration,
        raftLeader: raft.raft.leader?.node
      })
  }
}
