/**
 * Every API that both serve, once in every version, with one plausible request.
 */
import { apis } from "@chronik-effect/core/protocol/ApiKeys.ts"
import type { JoinGroupResponse } from "@chronik-effect/core/protocol/messages/11_JoinGroup.ts"
import { LeaveGroupApi } from "@chronik-effect/core/protocol/messages/13_LeaveGroup.ts"
import { DeleteGroupsApi } from "@chronik-effect/core/protocol/messages/42_DeleteGroups.ts"
import { buildBatch } from "@chronik-effect/core/record/BatchBuilder.ts"
import { questionOf } from "../Questions.ts"
import type { World } from "../World.ts"

export const sweep = async (world: World): Promise<void> => {
  const topic = await world.createTopic(2, {})
  const batch = buildBatch([{ key: null, value: Buffer.from("one"), timestamp: world.run.startedMs - 200_000_000 }])
  for (const [key, { min, max }] of world.run.offered) {
    const api = apis.get(key)!
    for (let version = min; version <= max; version++) {
      if (!api.serves(version)) continue
      // A member of one version must not have to wait for that of another.
      const about = { topic: topic.name, groupId: `${world.prefix}sweep-${key}-${version}`, topicId: topic.id }
      const { answer } = await world.run.ask(api, questionOf(api.name, about, batch) as object, { version })
      if (api.name === "JoinGroup") await leave(world, `${about.groupId}-other`, (answer as JoinGroupResponse).memberId)
    }
  }
  await world.deleteTopic(topic)
}

/** A member, or one that has only been told its id, is gone, and the group with it. */
const leave = async (world: World, groupId: string, memberId: string): Promise<void> => {
  await world.run.ask(LeaveGroupApi, { groupId, memberId, members: [{ memberId }] })
  await world.run.ask(DeleteGroupsApi, { groupsNames: [groupId] })
}
