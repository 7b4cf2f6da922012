/** What a client can make a consumer group hold, and what it is told beyond that. */
import { expect, test } from "vitest"
import { ZERO_UUID } from "../../../src/base/Uuid.ts"
import type { ConsumerHeartbeatCommand, GroupResult } from "../../../src/group/Commands.ts"
import {
  defaultConsumerEnvironment,
  IDENTITY_LENGTH_MAX,
  SUBSCRIBED_CHARACTERS_MAX,
  SUBSCRIBED_TOPICS_MAX,
  TOPIC_NAME_LENGTH_MAX
} from "../../../src/group/consumer/ConsumerEnvironment.ts"
import { defaultGroupConfig, GROUPS_MAX } from "../../../src/group/GroupConfig.ts"
import { GroupMachine } from "../../../src/group/GroupMachine.ts"
import { ErrorCode } from "../../../src/model/ErrorCode.ts"

const makeMachine = (): GroupMachine =>
  new GroupMachine(defaultGroupConfig, {
    ...defaultConsumerEnvironment,
    compileRegex: (pattern) => ({ matches: (name) => name === pattern })
  })

const ask = (machine: GroupMachine, changes: Partial<ConsumerHeartbeatCommand>, now = 1_000): GroupResult => {
  const decision = machine.decide(
    1,
    {
      _tag: "ConsumerHeartbeat",
      groupId: "g",
      memberId: "m",
      memberEpoch: 0,
      instanceId: null,
      rackId: null,
      rebalanceTimeoutMs: 30_000,
      subscribedTopicNames: ["t"],
      subscribedTopicRegex: null,
      serverAssignor: null,
      topicPartitions: [],
      clientId: "c",
      clientHost: "/127.0.0.1",
      requireMemberId: true,
      uuid: "u",
      ...changes
    },
    now
  )
  for (const record of decision.records) machine.replay(record, now)
  return decision.answers[0]!.response
}

const codeOf = (changes: Partial<ConsumerHeartbeatCommand>): ErrorCode => {
  const result = ask(makeMachine(), changes)
  return result._tag === "ConsumerHeartbeat" ? result.errorCode : ErrorCode.UNKNOWN_SERVER_ERROR
}

const names = (count: number, length: number): ReadonlyArray<string> =>
  Array.from({ length: count }, (_, i) => String(i).padEnd(length, "x"))

test("the names of a subscription: how many, how long, and how much together", () => {
  const fitting = Math.floor(SUBSCRIBED_CHARACTERS_MAX / TOPIC_NAME_LENGTH_MAX)
  expect(codeOf({ subscribedTopicNames: names(SUBSCRIBED_TOPICS_MAX, 5) })).toBe(ErrorCode.NONE)
  expect(codeOf({ subscribedTopicNames: names(SUBSCRIBED_TOPICS_MAX + 1, 5) })).toBe(ErrorCode.INVALID_REQUEST)
  expect(codeOf({ subscribedTopicNames: names(1, TOPIC_NAME_LENGTH_MAX) })).toBe(ErrorCode.NONE)
  expect(codeOf({ subscribedTopicNames: names(1, TOPIC_NAME_LENGTH_MAX + 1) })).toBe(ErrorCode.INVALID_REQUEST)
  expect(codeOf({ subscribedTopicNames: names(fitting, TOPIC_NAME_LENGTH_MAX) })).toBe(ErrorCode.NONE)
  expect(codeOf({ subscribedTopicNames: names(fitting + 1, TOPIC_NAME_LENGTH_MAX) })).toBe(ErrorCode.INVALID_REQUEST)
})

test("ids and regular expressions have a length", () => {
  const longest = "x".repeat(IDENTITY_LENGTH_MAX)
  for (const changes of [{ memberId: longest }, { instanceId: longest }, { rackId: longest }]) {
    expect(codeOf(changes)).toBe(ErrorCode.NONE)
  }
  for (const changes of [{ memberId: `${longest}x` }, { instanceId: `${longest}x` }, { rackId: `${longest}x` }]) {
    expect(codeOf(changes)).toBe(ErrorCode.INVALID_REQUEST)
  }
  expect(codeOf({ subscribedTopicRegex: longest })).toBe(ErrorCode.NONE)
  expect(codeOf({ subscribedTopicRegex: `${longest}x` })).toBe(ErrorCode.INVALID_REGULAR_EXPRESSION)
})

test("a coordinator holds so many groups", () => {
  const machine = makeMachine()
  const value = {
    offset: 1,
    leaderEpoch: -1,
    metadata: "",
    commitTimestamp: 0,
    expireTimestamp: -1,
    topicId: ZERO_UUID
  }
  for (let i = 0; i < GROUPS_MAX; i++)
    machine.load({ _tag: "Offset", groupId: `g${i}`, topic: "t", partition: 0, value })
  expect(machine.groups.size).toBe(GROUPS_MAX)
  expect(ask(machine, { groupId: "one-more" })).toMatchObject({ errorCode: ErrorCode.COORDINATOR_NOT_AVAILABLE })
  expect(ask(machine, { groupId: "g0" })).toMatchObject({ errorCode: ErrorCode.NONE })
  expect(machine.groups.size).toBe(GROUPS_MAX)
})

test("whatever comes and goes, nothing is left", () => {
  const machine = makeMachine()
  for (let i = 0; i < 1_000; i++) {
    const now = (i + 1) * 1_000
    ask(machine, { memberId: `m${i}`, instanceId: i % 2 === 0 ? null : `i${i}`, subscribedTopicRegex: `r${i}` }, now)
    const leaving = { memberId: `m${i - 2}`, memberEpoch: -1, instanceId: i % 2 === 0 ? null : `i${i - 2}` }
    if (i >= 2) ask(machine, leaving, now)
  }
  const group = machine.consumerGroup("g")!
  for (const held of [group.members, group.targets, group.currents, group.regexes, group.subscribedRegexes]) {
    expect(held.size).toBe(2)
  }
  expect(group.staticMembers.size).toBe(1)
  expect(group.subscribedNames.size).toBe(1)
})
