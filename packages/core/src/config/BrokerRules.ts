/**
 * Rules between a broker's keys, which no key's own definition can see. They hold at the start and for every change at run
 * time, so that what topics and groups inherit is never in itself contradictory.
 */
import type { BrokerConfig } from "./BrokerConfig.ts"
import { integerOf } from "./ConfigDefinition.ts"

/** `[smaller, greater]`: the first must be at most the second. */
const AT_MOST: ReadonlyArray<readonly [smaller: string, greater: string]> = [
  ...["heartbeat.interval.ms", "session.timeout.ms", "assignment.interval.ms"].flatMap((key) => [
    [`group.consumer.min.${key}`, `group.consumer.${key}`] as const,
    [`group.consumer.${key}`, `group.consumer.max.${key}`] as const
  ]),
  ["group.min.session.timeout.ms", "group.max.session.timeout.ms"],
  // Kafka takes these two, and from then on refuses every change of every topic that inherits both.
  ["log.cleaner.min.compaction.lag.ms", "log.cleaner.max.compaction.lag.ms"]
]

/** The first rule that these values break, as a sentence; undefined when all hold. Values must be legal one by one. */
export const brokerRulesProblem = (broker: BrokerConfig): string | undefined => {
  const value = (name: string): number => integerOf(broker.text(name) ?? "0")
  for (const [smaller, greater] of AT_MOST) {
    if (value(smaller) > value(greater)) {
      return `${greater} (${value(greater)}) must be greater than or equal to ${smaller} (${value(smaller)})`
    }
  }
  const [heartbeat, session] = ["group.consumer.heartbeat.interval.ms", "group.consumer.session.timeout.ms"]
  return value(heartbeat!) < value(session!)
    ? undefined
    : `${heartbeat} (${value(heartbeat!)}) must be less than ${session} (${value(session!)})`
}
