/**
 * Applying registrations and fences. What follows for partitions in the same command: a fenced node leaves the in-sync sets,
 * a learner follows its node to another disk. Elections come later, as one `PartitionOps` of the controller.
 */
import { ErrorCode } from "../model/ErrorCode.ts"
import type { FenceNode, RegisterNode } from "./Command.ts"
import { EMPTY_DELTA } from "./MetadataDelta.ts"
import type { MetadataImage } from "./MetadataImage.ts"
import { APPLIED, type Outcome, rejected } from "./Outcome.ts"
import { movedDirectories, replicasOn, withoutInSync } from "./ReplayPartitions.ts"

/** A registration also unfences: a node that registers serves. Its leaderships are elected anew by the controller (rule 19). */
export const registerNode = (image: MetadataImage, command: RegisterNode, endOffset: number): Outcome => {
  const { nodeId, incarnation, directoryId, endpoints, rack } = command
  const known = image.brokers.get(nodeId)
  if (known !== undefined && known.incarnation > incarnation) {
    // Rules 18 and 20.
    return rejected(
      ErrorCode.DUPLICATE_BROKER_REGISTRATION,
      `Node ${nodeId} has registered with incarnation ${known.incarnation}, which is newer than ${incarnation}: ` +
        "another process runs under this id, or an old copy of its disk was restored."
    )
  }
  const again = known !== undefined && known.incarnation === incarnation
  if (again && known.directoryId !== directoryId) {
    // Rule 20. An incarnation is one start of one directory, so these are two processes.
    return rejected(
      ErrorCode.DUPLICATE_BROKER_REGISTRATION,
      `Node ${nodeId} has registered incarnation ${incarnation} from another data directory: two processes run under this id.`
    )
  }
  // A registration that is repeated is still the same process: what it was elected for since stays its own.
  const registeredAt = again ? known.registeredAt : endOffset
  const brokers = new Map(image.brokers)
  brokers.set(nodeId, { nodeId, incarnation, directoryId, endpoints, rack, fenced: false, registeredAt })
  const moved =
    known?.directoryId === directoryId
      ? { fields: {}, partitionsChanged: [] }
      : movedDirectories(image, nodeId, directoryId)
  return {
    fields: { ...moved.fields, brokers },
    delta: { ...EMPTY_DELTA, brokersChanged: true, partitionsChanged: moved.partitionsChanged },
    result: APPLIED
  }
}

export const fenceNode = (image: MetadataImage, command: FenceNode): Outcome => {
  const known = image.brokers.get(command.nodeId)
  if (known === undefined || known.incarnation !== command.incarnation) {
    return rejected(
      ErrorCode.STALE_BROKER_EPOCH,
      `Node ${command.nodeId} is not registered with incarnation ${command.incarnation}.`
    )
  }
  if (known.fenced === command.fenced) return { fields: {}, delta: EMPTY_DELTA, result: APPLIED }
  const brokers = new Map(image.brokers)
  brokers.set(command.nodeId, { ...known, fenced: command.fenced })
  const moved = command.fenced ? withoutInSync(image, command.nodeId) : { fields: {}, partitionsChanged: [] }
  return {
    fields: { ...moved.fields, brokers },
    delta: { ...EMPTY_DELTA, brokersChanged: true, partitionsChanged: moved.partitionsChanged },
    result: APPLIED
  }
}

/**
 * Forgets a node, and with it the incarnation that keeps a restored old disk out (rule 18). So it must hold no replica: an
 * old copy of its disk, back under its id, would be taken for one.
 */
export const unregisterNode = (image: MetadataImage, nodeId: number): Outcome => {
  if (!image.brokers.has(nodeId)) {
    return rejected(ErrorCode.BROKER_ID_NOT_REGISTERED, `Node ${nodeId} is not registered.`)
  }
  const held = replicasOn(image, nodeId)
  if (held > 0) {
    return rejected(ErrorCode.INVALID_REQUEST, `Node ${nodeId} still holds ${held} replica(s): move them away first.`)
  }
  const brokers = new Map(image.brokers)
  brokers.delete(nodeId)
  return { fields: { brokers }, delta: { ...EMPTY_DELTA, brokersChanged: true }, result: APPLIED }
}
