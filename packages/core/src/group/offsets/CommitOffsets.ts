/**
 * OffsetCommit: who may commit for a group, and the records of what is committed.
 *
 * A group without members takes commits from anybody who claims no generation ("simple" groups: tools, and consumers that
 * assign partitions by themselves). A group with members takes them from members of the current generation only, also
 * while they are called to rebalance, but not between joining and syncing, when nobody owns anything.
 */
import { ErrorCode } from "../../model/ErrorCode.ts"
import type { CommitCommand, OffsetToCommit } from "../Commands.ts"
import type { ClassicGroup } from "../classic/ClassicGroup.ts"
import { validateMember } from "../classic/Membership.ts"
import type { GroupConfig } from "../GroupConfig.ts"
import type { GroupRecord } from "../GroupRecord.ts"

export const validateCommit = (group: ClassicGroup | undefined, command: CommitCommand): ErrorCode => {
  const { generationId, memberId, groupInstanceId } = command
  if (group === undefined) return generationId < 0 ? ErrorCode.NONE : ErrorCode.GROUP_ID_NOT_FOUND
  if (generationId < 0 && group.state === "Empty") return ErrorCode.NONE
  if (generationId < 0 && memberId === "" && groupInstanceId === null) return ErrorCode.UNKNOWN_MEMBER_ID
  const error = validateMember(group, memberId, groupInstanceId)
  if (error !== ErrorCode.NONE) return error
  if (generationId !== group.generation) return ErrorCode.ILLEGAL_GENERATION
  return group.state === "CompletingRebalance" ? ErrorCode.REBALANCE_IN_PROGRESS : ErrorCode.NONE
}

/** The records of a valid commit, and the answer for each offset: one that is refused does not stop the others. */
export const planCommit = (
  config: GroupConfig,
  command: CommitCommand,
  now: number,
  check: (offset: OffsetToCommit) => ErrorCode = () => ErrorCode.NONE
): { readonly records: ReadonlyArray<GroupRecord>; readonly errorCodes: ReadonlyArray<ErrorCode> } => {
  const records: Array<GroupRecord> = []
  const expireTimestamp = command.retentionTimeMs < 0 ? -1 : now + command.retentionTimeMs
  const errorCodes = command.offsets.map((asked) => {
    const { topic, partition, topicId, offset, leaderEpoch, metadata } = asked
    const refused = check(asked)
    if (refused !== ErrorCode.NONE) return refused
    if (isLongerThan(metadata, config.offsetMetadataBytesMax)) return ErrorCode.OFFSET_METADATA_TOO_LARGE
    const value = { offset, leaderEpoch, metadata, commitTimestamp: now, expireTimestamp, topicId }
    records.push({ _tag: "Offset", groupId: command.groupId, topic, partition, value })
    return ErrorCode.NONE
  })
  return { records, errorCodes }
}

/** Kafka counts characters of Java strings, which are UTF-16 code units like ours; the option's name says bytes. */
const isLongerThan = (metadata: string, max: number): boolean => metadata.length > max
