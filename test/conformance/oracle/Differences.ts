/**
 * The differences from Apache Kafka that have a reason. `npm run oracle` fails on any other, and reports a rule that has
 * matched nothing; docs/oracle.md is made of this table.
 */
import type { Difference, Value } from "./Compare.ts"
import type { NotAsked, Rule } from "./Rule.ts"
import { administrationRules } from "./rules/Administration.ts"
import { configRules } from "./rules/Configs.ts"
import { groupRules } from "./rules/Groups.ts"
import { recordRules } from "./rules/Records.ts"

export type { NotAsked, Rule } from "./Rule.ts"

export const rules: ReadonlyArray<Rule> = [...administrationRules, ...recordRules, ...groupRules, ...configRules]

export const notAsked: ReadonlyArray<NotAsked> = [
  {
    what: "Produce with null records",
    reason: "Kafka 4.3.1 never answers it; ours says INVALID_RECORD."
  },
  {
    what: "AlterConfigs of the same broker or logger twice",
    reason: "Kafka 4.3.1 never answers it; ours refuses the second."
  },
  {
    what: "AlterConfigs of all brokers together, but to validate it",
    reason:
      "Kafka refuses it for its eligible leader replicas and ours does it; from there on their configs would differ."
  },
  {
    what: "cleanup.policy with an element twice, or with an empty one",
    reason:
      "Kafka drops the one and refuses the other, ours keeps and shows what was set. Both compact and delete alike."
  },
  {
    what: "setting configs of share and streams groups",
    reason: "Kafka takes them; ours, which has no such groups, refuses them as unknown."
  },
  {
    what: "a first commit to a group that is not there in which every offset is refused",
    reason: "Kafka keeps an empty group of it until its next look for expired offsets; ours makes none."
  },
  {
    what: "a group of which no member has got as far as a sync, after they have gone",
    reason: "Kafka keeps it as an empty group until its next look for expired offsets; ours has nothing of it to keep."
  },
  {
    what: "Fetch and Metadata by an id of zeros",
    reason:
      "Kafka fails the whole request with UNKNOWN_SERVER_ERROR, an exception; ours answers UNKNOWN_TOPIC_ID for that topic."
  },
  {
    what: "a tie in the choice of a group's protocol, and who leads when the leader of three or more leaves",
    reason: "Kafka takes whom its hash map happens to hold first; ours takes the first in the order of joining."
  }
]

export const ruleFor = (api: string, version: number, difference: Difference, request: Value): Rule | undefined =>
  rules.find(
    (rule) =>
      (rule.api === "*" || rule.api === api) &&
      (rule.versions === undefined || (version >= rule.versions[0] && version <= rule.versions[1])) &&
      (typeof rule.path === "string" ? rule.path === difference.path : rule.path.test(difference.path)) &&
      (rule.when === undefined || rule.when(difference, request))
  )
