/**
 * Every API that both serve, once in every version, with one plausible request.
 */
import { apis } from "@chronik-effect/core/protocol/ApiKeys.ts"
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
      const about = { topic: topic.name, groupId: `${world.prefix}sweep-${key}-${version}`, topicId: topic.id }
      await world.run.ask(api, questionOf(api.name, about, batch) as object, { version })
    }
  }
  await world.deleteTopic(topic)
}
