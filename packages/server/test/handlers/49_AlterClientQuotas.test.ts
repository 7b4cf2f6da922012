import { quotaOf } from "@chronik-effect/core/metadata/ClientQuotas.ts"
import { ErrorCode } from "@chronik-effect/core/model/ErrorCode.ts"
import { AlterClientQuotasApi } from "@chronik-effect/core/protocol/messages/49_AlterClientQuotas.ts"
import { make as makeDescribe } from "@chronik-effect/server/handlers/48_DescribeClientQuotas.ts"
import { make } from "@chronik-effect/server/handlers/49_AlterClientQuotas.ts"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Fiber, HashMap } from "effect"
import { TestClock } from "effect/testing"
import { ask, onCluster, versionsOf } from "./ClusterHarness.ts"

type Part = readonly [type: string, name: string | null]
type Change = readonly [key: string, value: number | "remove"]

const entry = (entity: ReadonlyArray<Part>, ops: ReadonlyArray<Change>) => ({
  entity: entity.map(([entityType, entityName]) => ({ entityType, entityName })),
  ops: ops.map(([key, value]) => ({ key, value: value === "remove" ? 0 : value, remove: value === "remove" }))
})
const codes = (answer: { readonly entries: ReadonlyArray<{ readonly errorCode: number }> }) =>
  answer.entries.map(({ errorCode }) => errorCode)
const { INVALID_REQUEST, NONE, REQUEST_TIMED_OUT } = ErrorCode
const RATE = "producer_byte_rate"

describe("AlterClientQuotas", () => {
  it.effect("sets, changes and removes in every version; what is shown is what is kept", () =>
    onCluster({}, ({ store }) =>
      Effect.gen(function* () {
        const alter = yield* make
        const show = yield* makeDescribe
        for (const version of versionsOf(AlterClientQuotasApi)) {
          const answer = yield* ask(alter, version, {
            entries: [
              entry(
                [
                  ["user", "u"],
                  ["client-id", null]
                ],
                [
                  [RATE, 1000],
                  ["request_percentage", 12.5]
                ]
              ),
              entry([["ip", "10.0.0.1"]], [["connection_creation_rate", 7]])
            ]
          })
          expect(answer.entries).toEqual([
            {
              errorCode: NONE,
              errorMessage: null,
              entity: [
                { entityType: "client-id", entityName: null },
                { entityType: "user", entityName: "u" }
              ]
            },
            { errorCode: NONE, errorMessage: null, entity: [{ entityType: "ip", entityName: "10.0.0.1" }] }
          ])
          const shown = yield* ask(show, version, { components: [], strict: false })
          expect(shown.entries).toEqual([
            {
              entity: [
                { entityType: "client-id", entityName: null },
                { entityType: "user", entityName: "u" }
              ],
              values: [
                { key: RATE, value: 1000 },
                { key: "request_percentage", value: 12.5 }
              ]
            },
            {
              entity: [{ entityType: "ip", entityName: "10.0.0.1" }],
              values: [{ key: "connection_creation_rate", value: 7 }]
            }
          ])
          expect(quotaOf(store.image(), { user: "u", clientId: "c", ip: "" }, RATE)?.value).toBe(1000)
          yield* ask(alter, version, {
            entries: [
              entry(
                [
                  ["client-id", null],
                  ["user", "u"]
                ],
                [
                  [RATE, "remove"],
                  ["request_percentage", "remove"]
                ]
              ),
              entry(
                [["ip", "10.0.0.1"]],
                [
                  ["connection_creation_rate", "remove"],
                  ["never there", "remove"]
                ]
              )
            ]
          })
          expect(HashMap.size(store.image().clientQuotas)).toBe(0)
        }
      })
    )
  )

  it.effect("refuses entities, keys and values that cannot be", () =>
    onCluster({}, ({ store }) =>
      Effect.gen(function* () {
        const alter = yield* make
        const refused: ReadonlyArray<readonly [ReadonlyArray<Part>, ReadonlyArray<Change>]> = [
          [[], [[RATE, 1]]],
          [[["user", ""]], [[RATE, 1]]],
          [[["tenant", "t"]], [[RATE, 1]]],
          [
            [
              ["user", "u"],
              ["tenant", "t"]
            ],
            [[RATE, 1]]
          ],
          [
            [
              ["user", "u"],
              ["ip", "10.0.0.1"]
            ],
            [["connection_creation_rate", 1]]
          ],
          [[["ip", "no address"]], [["connection_creation_rate", 1]]],
          [[["ip", ""]], [["connection_creation_rate", 1]]],
          [[["ip", "1.2.3.256"]], [["connection_creation_rate", 1]]],
          [[["ip", "1::2::3"]], [["connection_creation_rate", 1]]],
          [[["ip", "10.0.0.1"]], [[RATE, 1]]],
          [[["user", "u"]], [["connection_creation_rate", 1]]],
          [[["user", "u"]], [["nonsense", 1]]],
          [[["user", "u"]], [["toString", 1]]],
          [[["user", "u"]], [[RATE, 0]]],
          [[["user", "u"]], [[RATE, -1]]],
          [[["user", "u"]], [[RATE, 1.5]]],
          [[["user", "u"]], [[RATE, 1e19]]],
          [[["user", "u"]], [[RATE, Number.NaN]]],
          [[["user", "u"]], [["request_percentage", Number.POSITIVE_INFINITY]]],
          [[["ip", "::1"]], [["connection_creation_rate", 2 ** 31]]],
          [
            [["user", "u"]],
            [
              [RATE, 5],
              ["nonsense", 1]
            ]
          ],
          [
            [["user", "u"]],
            [
              [RATE, 5],
              [RATE, 6]
            ]
          ]
        ]
        for (const [entity, ops] of refused) {
          const answer = yield* ask(alter, 1, { entries: [entry(entity, ops)] })
          expect([entity, codes(answer)]).toEqual([entity, [INVALID_REQUEST]])
          expect(answer.entries[0]!.errorMessage).toMatch(/\.$/)
        }
        expect(HashMap.size(store.image().clientQuotas)).toBe(0)
      })
    )
  )

  it.effect("takes addresses of both kinds, fractions of doubles, and the last of a type named twice", () =>
    onCluster({}, () =>
      Effect.gen(function* () {
        const alter = yield* make
        const rate: ReadonlyArray<Change> = [["connection_creation_rate", 1]]
        const answer = yield* ask(alter, 1, {
          entries: [
            ...["127.0.0.1", "::", "::1", "fe80::1:2", "1:2:3:4:5:6:7:8", "::ffff:10.0.0.1"].map((ip) =>
              entry([["ip", ip]], rate)
            ),
            entry(
              [["user", "a"]],
              [
                ["controller_mutation_rate", 0.001],
                [RATE, 1.0000001]
              ]
            ),
            entry(
              [
                ["user", "b"],
                ["user", "c"]
              ],
              [[RATE, 1]]
            ),
            entry([["user", "nothing"]], [])
          ]
        })
        expect(codes(answer)).toEqual(Array.from({ length: 9 }, () => NONE))
        expect(answer.entries[7]!.entity).toEqual([{ entityType: "user", entityName: "c" }])
      })
    )
  )

  it.effect("of an entity named twice the first entry applies, and its answer says so; others are not disturbed", () =>
    onCluster({}, ({ store }) =>
      Effect.gen(function* () {
        const answer = yield* ask(yield* make, 1, {
          entries: [
            entry([["user", "twice"]], [[RATE, 60]]),
            entry([["user", "twice"]], [[RATE, 61]]),
            entry([["user", "once"]], [[RATE, 62]])
          ]
        })
        expect(codes(answer)).toEqual([INVALID_REQUEST, NONE])
        const rate = (user: string) => quotaOf(store.image(), { user, clientId: "", ip: "" }, RATE)?.value
        expect([rate("twice"), rate("once")]).toEqual([60, 62])
      })
    )
  )

  it.effect("validateOnly changes nothing; a log that does not commit is a timeout", () =>
    onCluster({}, ({ store, log }) =>
      Effect.gen(function* () {
        const alter = yield* make
        const entries = [entry([["user", "u"]], [[RATE, 1]])]
        expect(codes(yield* ask(alter, 1, { entries, validateOnly: true }))).toEqual([NONE])
        expect(HashMap.size(store.image().clientQuotas)).toBe(0)
        expect((yield* ask(alter, 1, { entries: [] })).entries).toEqual([])
        log.auto = false
        const asking = yield* Effect.forkChild(ask(alter, 1, { entries }))
        yield* TestClock.adjust("3 seconds")
        expect(codes(yield* Fiber.join(asking))).toEqual([REQUEST_TIMED_OUT])
      })
    )
  )
})
