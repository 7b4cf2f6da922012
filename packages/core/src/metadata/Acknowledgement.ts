/**
 * When a command may be answered (`metadata.acks`): after the controller's own fsync, or when a quorum holds it.
 *
 * Whatever the policy says, only commands that may be lost without harm are answered early (rule 27). A producer-id block
 * that vanished would be handed out twice; a vanished registration, fence, election or topic would break a promise that
 * others have acted on.
 */
import { unreachable } from "../base/Assert.ts"
import type { Command } from "./Command.ts"

export type MetadataAcks = "quorum" | "leader"

export const acksOf = (command: Command, policy: MetadataAcks): MetadataAcks => {
  switch (command._tag) {
    case "AlterConfigs":
    case "AlterClientQuotas":
      return policy
    case "RegisterNode":
    case "FenceNode":
    case "UnregisterNode":
    case "CreateTopic":
    case "DeleteTopic":
    case "CreatePartitions":
    case "PartitionOps":
    case "AllocateProducerIds":
    case "SetFeature":
      return "quorum"
    default:
      return unreachable(command)
  }
}
