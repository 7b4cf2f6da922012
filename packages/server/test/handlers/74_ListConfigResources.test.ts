import { ErrorCode } from "@chronik-effect/core/model/ErrorCode.ts"
import { make } from "@chronik-effect/server/handlers/74_ListConfigResources.ts"
import { describe, expect, it } from "@effect/vitest"
import { Effect } from "effect"
import { creation, registration } from "../metadata/MetadataHarness.ts"
import { ask, onCluster } from "./ClusterHarness.ts"

const altered = (resourceType: 16 | 32, resource: string, name: string, value: string) => ({
  _tag: "AlterConfigs" as const,
  resourceType,
  resource,
  changes: [{ name, op: 0 as const, value }]
})
const BASE = [
  registration(1),
  creation("u", 1),
  creation("t", 2),
  altered(16, "m", "interval.ms", "1000"),
  altered(32, "g", "consumer.session.timeout.ms", "50000")
]

describe("ListConfigResources", () => {
  it.effect("lists client metrics only in version 0, and by type from 1 on", () =>
    onCluster({ commands: BASE }, () =>
      Effect.gen(function* () {
        const handler = yield* make
        const names = (version: number, resourceTypes: ReadonlyArray<number>) =>
          Effect.map(ask(handler, version, version === 0 ? {} : { resourceTypes }), (answer) =>
            answer.configResources.map((r) => `${r.resourceType} ${r.resourceName}`)
          )
        expect(yield* names(0, [])).toEqual(["16 m"])
        expect(yield* names(1, [])).toEqual(["2 t", "2 u", "4 1", "8 1", "16 m", "32 g"])
        expect(yield* names(1, [32, 2, 2])).toEqual(["2 t", "2 u", "32 g"])
        expect(yield* names(1, [8])).toEqual(["8 1"])
      })
    )
  )

  it.effect("answers UNSUPPORTED_VERSION for a type that does not exist, and lists nothing", () =>
    onCluster({ commands: BASE }, () =>
      Effect.gen(function* () {
        const handler = yield* make
        for (const resourceTypes of [[1], [2, 64], [-1]]) {
          const answer = yield* ask(handler, 1, { resourceTypes })
          expect(answer).toMatchObject({ errorCode: ErrorCode.UNSUPPORTED_VERSION, configResources: [] })
        }
      })
    )
  )
})
