/** Laws of the server-side assignors, for any members, subscriptions and last targets. */
import fc from "fast-check"
import { describe, expect, test } from "vitest"
import type { Assignment, Assignor, AssignorInput, AssignorMember } from "../../../src/group/assignor/Assignor.ts"
import { rangeAssignor } from "../../../src/group/assignor/RangeAssignor.ts"
import { uniformAssignor } from "../../../src/group/assignor/UniformAssignor.ts"
import type { Partitions } from "../../../src/group/consumer/ConsumerRecord.ts"

interface Shape {
  /** Partitions of each topic. */
  readonly topics: ReadonlyArray<number>
  /** Of each member, which topics it subscribes to. */
  readonly members: ReadonlyArray<ReadonlyArray<boolean>>
}

const topicId = (index: number): string => `topic-${index}`

const inputOf = (shape: Shape, last: Assignment = new Map(), instances = false): AssignorInput => {
  const subscribed = new Set<string>()
  const members = shape.members.map((wants, i): AssignorMember => {
    const topicIds = new Set(wants.flatMap((wanted, t) => (wanted && t < shape.topics.length ? [topicId(t)] : [])))
    for (const id of topicIds) subscribed.add(id)
    const memberId = `member-${i}`
    return { memberId, instanceId: instances ? `instance-${i}` : null, topicIds, last: last.get(memberId) ?? new Map() }
  })
  const topics = new Map(
    shape.topics.flatMap((partitions, t) =>
      subscribed.has(topicId(t)) ? [[topicId(t), { topicId: topicId(t), name: topicId(t), partitions }] as const] : []
    )
  )
  return { members, topics }
}

const shape: fc.Arbitrary<Shape> = fc.integer({ min: 1, max: 6 }).chain((count) =>
  fc.record({
    topics: fc.array(fc.integer({ min: 1, max: 12 }), { minLength: count, maxLength: count }),
    members: fc.array(fc.array(fc.boolean(), { minLength: count, maxLength: count }), { minLength: 1, maxLength: 9 })
  })
)

const homogeneous: fc.Arbitrary<Shape> = fc.record({
  topics: fc.array(fc.integer({ min: 1, max: 12 }), { minLength: 1, maxLength: 5 }),
  members: fc
    .integer({ min: 1, max: 9 })
    .map((count) => Array.from({ length: count }, () => [true, true, true, true, true]))
})

const keysOf = (partitions: Partitions): ReadonlyArray<string> =>
  [...partitions].flatMap(([id, numbers]) => numbers.map((number) => `${id}/${number}`))

const sizeOf = (partitions: Partitions): number => [...partitions.values()].reduce((sum, list) => sum + list.length, 0)

/** Everything that anybody subscribes to is given to exactly one of its subscribers, and to nobody else. */
const expectComplete = ({ members, topics }: AssignorInput, assignment: Assignment): void => {
  expect([...assignment.keys()].sort()).toEqual(members.map(({ memberId }) => memberId).sort())
  const given = new Map<string, string>()
  for (const { memberId, topicIds } of members) {
    for (const [id, numbers] of assignment.get(memberId)!) {
      expect(topicIds.has(id), `${memberId} subscribes to ${id}`).toBe(true)
      expect(
        [...numbers].sort((a, b) => a - b),
        "ascending"
      ).toEqual(numbers)
      for (const number of numbers) {
        expect(given.get(`${id}/${number}`), `${id}/${number} is given once`).toBeUndefined()
        given.set(`${id}/${number}`, memberId)
      }
    }
  }
  const all = [...topics.values()].reduce((sum, { partitions }) => sum + partitions, 0)
  expect(given.size).toBe(all)
}

const show = (assignment: Assignment): ReadonlyArray<string> =>
  Array.from(assignment, ([memberId, partitions]) => `${memberId} ${keysOf(partitions).toSorted().join(" ")}`).sort()

const shuffled = (input: AssignorInput): AssignorInput => ({
  members: [...input.members].reverse(),
  topics: new Map([...input.topics].reverse())
})

const kept = (before: Assignment, after: Assignment): number => {
  let count = 0
  for (const [memberId, partitions] of before) {
    const now = new Set(keysOf(after.get(memberId) ?? new Map()))
    for (const key of keysOf(partitions)) if (now.has(key)) count++
  }
  return count
}

for (const [name, assignor] of [
  ["uniform", uniformAssignor],
  ["range", rangeAssignor]
] as ReadonlyArray<readonly [string, Assignor]>) {
  describe(name, () => {
    test("gives every subscribed partition to exactly one subscriber", () => {
      fc.assert(
        fc.property(shape, shape, (before, after) => {
          const first = assignor(inputOf(before))
          expectComplete(inputOf(before), first)
          // Whatever the last target was of: topics may have gone, shrunk subscriptions, other members.
          expectComplete(inputOf(after, first), assignor(inputOf(after, first)))
        })
      )
    })

    test("does not depend on the order of members and topics", () => {
      fc.assert(
        fc.property(shape, shape, (before, after) => {
          const first = assignor(inputOf(before))
          const input = inputOf(after, first)
          expect(show(assignor(shuffled(input)))).toEqual(show(assignor(input)))
        })
      )
    })

    test("a static member that comes back under another id has what it had", () => {
      fc.assert(
        fc.property(shape, fc.nat(8), (of, index) => {
          const input = inputOf(of, new Map(), true)
          const before = assignor(input)
          const old = input.members[index % input.members.length]!
          const members = input.members.map((member) => ({
            ...member,
            memberId: member === old ? "another" : member.memberId,
            last: before.get(member.memberId)!
          }))
          const after = assignor({ ...input, members })
          expect(keysOf(after.get("another")!).toSorted()).toEqual(keysOf(before.get(old.memberId)!).toSorted())
        })
      )
    })

    test("a thousand members and ten thousand partitions take a moment", () => {
      const large: Shape = {
        topics: Array.from({ length: 100 }, () => 100),
        members: Array.from({ length: 1_000 }, (_, i) =>
          Array.from({ length: 100 }, (_, t) => i % 2 === 0 || t % 2 === 0)
        )
      }
      const began = performance.now()
      const first = assignor(inputOf(large))
      const joined = { ...large, members: [...large.members, large.members[0]!] }
      const second = assignor(inputOf(joined, first))
      expect(performance.now() - began).toBeLessThan(10_000)
      expectComplete(inputOf(joined, first), second)
    })
  })
}

describe("uniform", () => {
  test("with equal subscriptions nobody has two partitions more than anybody else", () => {
    fc.assert(
      fc.property(homogeneous, fc.nat(8), (of, drop) => {
        const first = uniformAssignor(inputOf(of))
        const fewer = { ...of, members: of.members.slice(0, Math.max(1, of.members.length - drop)) }
        for (const assignment of [first, uniformAssignor(inputOf(fewer, first))]) {
          const sizes = Array.from(assignment.values(), sizeOf)
          expect(Math.max(...sizes) - Math.min(...sizes)).toBeLessThanOrEqual(1)
        }
      })
    )
  })

  test("with different ones nobody has two more than a subscriber of something that it owns", () => {
    fc.assert(
      fc.property(shape, shape, (before, after) => {
        const input = inputOf(after, uniformAssignor(inputOf(before)))
        const assignment = uniformAssignor(input)
        for (const partitions of assignment.values()) {
          for (const id of partitions.keys()) {
            for (const { memberId, topicIds } of input.members) {
              if (topicIds.has(id)) {
                expect(sizeOf(partitions) - sizeOf(assignment.get(memberId)!)).toBeLessThanOrEqual(1)
              }
            }
          }
        }
      })
    )
  })

  test("nothing changes without a reason, and no more than balance asks for when a member joins or leaves", () => {
    fc.assert(
      fc.property(homogeneous, (of) => {
        const first = uniformAssignor(inputOf(of))
        expect(show(uniformAssignor(inputOf(of, first)))).toEqual(show(first))
        const all = of.topics.reduce((sum, partitions) => sum + partitions, 0)
        const joined = { ...of, members: [...of.members, of.members[0]!] }
        const second = uniformAssignor(inputOf(joined, first))
        const newcomer = sizeOf(second.get(`member-${of.members.length}`)!)
        expect(kept(first, second), "only what the newcomer has was moved").toBe(all - newcomer)
        const third = uniformAssignor(inputOf(of, second))
        expect(kept(second, third), "only what it had is moved back").toBe(all - newcomer)
      })
    )
  })

  test("a partition that two last targets hold goes to one of them", () => {
    const last = new Map([["topic-0", [0, 1]]])
    const input = inputOf(
      { topics: [2], members: [[true], [true]] },
      new Map([
        ["member-0", last],
        ["member-1", last]
      ])
    )
    expectComplete(input, uniformAssignor(input))
  })
})

describe("range", () => {
  test("gives contiguous ranges, the first ones longer by one", () => {
    const input = inputOf({
      topics: [5, 2],
      members: [
        [true, true],
        [true, true],
        [true, false]
      ]
    })
    expect(show(rangeAssignor(input))).toEqual([
      "member-0 topic-0/0 topic-0/1 topic-1/0",
      "member-1 topic-0/2 topic-0/3 topic-1/1",
      "member-2 topic-0/4"
    ])
  })

  test("static members come first, by instance id, whatever their member ids", () => {
    const one = inputOf({ topics: [2], members: [[true], [true], [true]] })
    const instances = [null, "z", "b"]
    const members = one.members.map((member, i): AssignorMember => ({ ...member, instanceId: instances[i]! }))
    const given = show(rangeAssignor({ ...one, members }))
    expect(given).toEqual(expect.arrayContaining(["member-2 topic-0/0", "member-1 topic-0/1"]))
  })

  test("topics with equal partitions and subscribers are co-partitioned", () => {
    fc.assert(
      fc.property(homogeneous, fc.integer({ min: 1, max: 20 }), ({ members }, partitions) => {
        const input = inputOf({ topics: [partitions, partitions, partitions], members })
        for (const owned of rangeAssignor(input).values()) {
          expect(owned.get("topic-1")).toEqual(owned.get("topic-0"))
          expect(owned.get("topic-2")).toEqual(owned.get("topic-0"))
        }
      })
    )
  })
})
