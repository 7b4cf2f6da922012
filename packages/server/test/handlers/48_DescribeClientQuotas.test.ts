import type { QuotaEntity } from "@chronik-effect/core/metadata/ClientQuotas.ts"
import type { Command } from "@chronik-effect/core/metadata/Command.ts"
import { ErrorCode } from "@chronik-effect/core/model/ErrorCode.ts"
import { make } from "@chronik-effect/server/handlers/48_DescribeClientQuotas.ts"
import { describe, expect, it } from "@effect/vitest"
import { Effect } from "effect"
import { registration } from "../metadata/MetadataHarness.ts"
import { ask, onCluster } from "./ClusterHarness.ts"

const quota = (...entity: QuotaEntity): Command => ({
  _tag: "AlterClientQuotas",
  entity,
  changes: [{ key: entity[0]?.[0] === "ip" ? "connection_creation_rate" : "producer_byte_rate", value: 10 }]
})
const BASE = [
  registration(1),
  quota(["user", "u"]),
  quota(["user", null]),
  quota(["client-id", "c"]),
  quota(["client-id", null]),
  quota(["client-id", "c"], ["user", "u"]),
  quota(["client-id", null], ["user", "u"]),
  quota(["ip", "1.2.3.4"]),
  quota(["ip", null])
]
type Component = readonly [type: string, matchType: number, match?: string]
const components = (of: ReadonlyArray<Component>) =>
  of.map(([entityType, matchType, match]) => ({ entityType, matchType, match: match ?? null }))

describe("DescribeClientQuotas", () => {
  it.effect("exact, default and any names; strict and not", () =>
    onCluster({ commands: BASE }, () =>
      Effect.gen(function* () {
        const handler = yield* make
        const found = (strict: boolean, ...of: ReadonlyArray<Component>) =>
          Effect.map(ask(handler, 1, { components: components(of), strict }), ({ errorCode, entries }) => {
            expect(errorCode).toBe(0)
            return entries!.map(({ entity }) =>
              entity.map(({ entityType, entityName }) => `${entityType}=${entityName ?? "<default>"}`).join(" ")
            )
          })
        expect(yield* found(false)).toHaveLength(8)
        expect(yield* found(true)).toEqual([])
        expect(yield* found(false, ["user", 2])).toEqual([
          "client-id=c user=u",
          "client-id=<default> user=u",
          "user=u",
          "user=<default>"
        ])
        expect(yield* found(true, ["user", 2])).toEqual(["user=u", "user=<default>"])
        expect(yield* found(true, ["user", 0, "u"])).toEqual(["user=u"])
        expect(yield* found(false, ["user", 0, "v"])).toEqual([])
        expect(yield* found(false, ["user", 1])).toEqual(["user=<default>"])
        expect(yield* found(false, ["user", 0, "u"], ["client-id", 2])).toEqual([
          "client-id=c user=u",
          "client-id=<default> user=u"
        ])
        expect(yield* found(true, ["user", 0, "u"], ["client-id", 1])).toEqual(["client-id=<default> user=u"])
        expect(yield* found(true, ["client-id", 2])).toEqual(["client-id=c", "client-id=<default>"])
        expect(yield* found(false, ["ip", 2])).toEqual(["ip=1.2.3.4", "ip=<default>"])
      })
    )
  )

  it.effect("refuses filters that make no sense", () =>
    onCluster({ commands: BASE }, () =>
      Effect.gen(function* () {
        const handler = yield* make
        const refused: ReadonlyArray<ReadonlyArray<Component>> = [
          [["", 2]],
          [["user", 3]],
          [["user", -1]],
          [["user", 0]],
          [["user", 1, "u"]],
          [["user", 2, "u"]],
          [
            ["user", 2],
            ["user", 2]
          ],
          [
            ["ip", 2],
            ["user", 2]
          ]
        ]
        for (const of of refused) {
          for (const version of [0, 1]) {
            const answer = yield* ask(handler, version, { components: components(of), strict: false })
            expect([of, answer.errorCode, answer.entries]).toEqual([of, ErrorCode.INVALID_REQUEST, null])
          }
        }
        const unknown = yield* ask(handler, 1, { components: components([["tenant", 2]]), strict: false })
        expect(unknown).toMatchObject({ errorCode: ErrorCode.UNSUPPORTED_VERSION, entries: null })
      })
    )
  )
})
