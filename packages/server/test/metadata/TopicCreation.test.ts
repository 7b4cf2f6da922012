import { ErrorCode } from "@chronik-effect/core/model/ErrorCode.ts"
import * as CreateTopics from "@chronik-effect/server/handlers/19_CreateTopics.ts"
import * as DeleteTopics from "@chronik-effect/server/handlers/20_DeleteTopics.ts"
import * as AlterConfigs from "@chronik-effect/server/handlers/33_AlterConfigs.ts"
import * as CreatePartitions from "@chronik-effect/server/handlers/37_CreatePartitions.ts"
import * as IncrementalAlterConfigs from "@chronik-effect/server/handlers/44_IncrementalAlterConfigs.ts"
import { MetadataError } from "@chronik-effect/server/metadata/MetadataStore.ts"
import { refusalOf } from "@chronik-effect/server/metadata/TopicCreation.ts"
import { WalFailed } from "@chronik-effect/server/storage/Wal.ts"
import { describe, expect, it } from "@effect/vitest"
import { Effect } from "effect"
import { ask, onCluster } from "../handlers/ClusterHarness.ts"
import { creation, registration } from "./MetadataHarness.ts"

/** What each API that changes the metadata answers for one change. */
const change = Effect.gen(function* () {
  const create = yield* CreateTopics.make
  const remove = yield* DeleteTopics.make
  const replace = yield* AlterConfigs.make
  const extend = yield* CreatePartitions.make
  const alter = yield* IncrementalAlterConfigs.make
  const resource = { resourceType: 2, resourceName: "t" }
  const value = { name: "retention.ms", value: "5" }
  const topic = { name: "u", numPartitions: 1, replicationFactor: 1, assignments: [], configs: [] }
  return yield* Effect.all({
    create: Effect.map(ask(create, 7, { topics: [topic] }), (a) => a.topics[0]!.errorCode),
    remove: Effect.map(ask(remove, 6, { topics: [{ name: "t" }] }), (a) => a.responses[0]!.errorCode),
    extend: Effect.map(
      ask(extend, 3, { topics: [{ name: "t", count: 2, assignments: null }] }),
      (a) => a.results[0]!.errorCode
    ),
    replace: Effect.map(
      ask(replace, 2, { resources: [{ ...resource, configs: [value] }] }),
      (a) => a.responses[0]!.errorCode
    ),
    alter: Effect.map(
      ask(alter, 1, { resources: [{ ...resource, configs: [{ ...value, configOperation: 0 }] }] }),
      (a) => a.responses[0]!.errorCode
    )
  })
})

describe("a change that does not get into the metadata log", () => {
  it.effect("is answered with NOT_CONTROLLER by every API when the log takes no more", () =>
    onCluster({ commands: [registration(1), creation("t", 1)] }, ({ log, store }) =>
      Effect.gen(function* () {
        log.service.failed(new WalFailed({ reason: "the disk is gone" }))
        const code = ErrorCode.NOT_CONTROLLER
        expect(yield* change).toEqual({ create: code, remove: code, extend: code, replace: code, alter: code })
        expect(store.image().topicCount).toBe(1)
      })
    )
  )

  it.each([
    ["timeout", ErrorCode.REQUEST_TIMED_OUT],
    ["busy", ErrorCode.REQUEST_TIMED_OUT],
    ["too-large", ErrorCode.POLICY_VIOLATION],
    ["stopped", ErrorCode.NOT_CONTROLLER]
  ] as const)("is answered for its reason: %s", (reason, errorCode) => {
    expect(refusalOf(new MetadataError({ reason, message: "why" }))).toEqual({ errorCode, message: "why" })
  })
})
