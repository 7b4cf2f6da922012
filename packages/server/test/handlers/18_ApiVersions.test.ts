import { ErrorCode } from "@chronik-effect/core/model/ErrorCode.ts"
import { MetadataApi } from "@chronik-effect/core/protocol/messages/03_Metadata.ts"
import { ApiVersionsApi } from "@chronik-effect/core/protocol/messages/18_ApiVersions.ts"
import { CreateTopicsApi } from "@chronik-effect/core/protocol/messages/19_CreateTopics.ts"
import { make } from "@chronik-effect/server/handlers/18_ApiVersions.ts"
import { describe, expect, it } from "@effect/vitest"
import { Effect } from "effect"
import { ask, onCluster, versionsOf } from "./ClusterHarness.ts"

const SERVED = [CreateTopicsApi, MetadataApi]
const CLIENT = { clientSoftwareName: "librdkafka", clientSoftwareVersion: "2.15.1" }

describe("ApiVersions", () => {
  it.effect("tells exactly what is served, sorted, in every version", () =>
    onCluster({}, () =>
      Effect.gen(function* () {
        const handler = yield* make(SERVED)
        for (const version of versionsOf(ApiVersionsApi)) {
          const answer = yield* ask(handler, version, CLIENT)
          expect(answer.errorCode).toBe(ErrorCode.NONE)
          expect(answer.apiKeys).toEqual([
            { apiKey: 3, minVersion: 0, maxVersion: MetadataApi.maxVersion },
            { apiKey: 18, minVersion: 0, maxVersion: ApiVersionsApi.maxVersion },
            { apiKey: 19, minVersion: CreateTopicsApi.minVersion, maxVersion: CreateTopicsApi.maxVersion }
          ])
        }
      })
    )
  )

  it.effect("answers a version that it does not know with error 35 and its own range only", () =>
    onCluster({}, () =>
      Effect.gen(function* () {
        const handler = yield* make(SERVED)
        const context = { apiVersion: 99, clientId: null, clientHost: "/h", connectionId: 1 }
        // The dispatcher gives an empty body, since that of an unknown version cannot be read.
        const answer = yield* handler.handle({} as never, context)
        expect(answer.errorCode).toBe(35)
        expect(answer.apiKeys).toEqual([{ apiKey: 18, minVersion: 0, maxVersion: ApiVersionsApi.maxVersion }])
      })
    )
  )

  it.effect("refuses illegal client names and versions from version 3, in the version that was asked (KIP-511)", () =>
    onCluster({}, () =>
      Effect.gen(function* () {
        const handler = yield* make(SERVED)
        for (const clientSoftwareName of ["", "-a", "a-", "a b", "ä", "a/b"]) {
          const answer = yield* ask(handler, 3, { ...CLIENT, clientSoftwareName })
          expect([answer.errorCode, answer.apiKeys.length], clientSoftwareName).toEqual([ErrorCode.INVALID_REQUEST, 0])
          expect((yield* ask(handler, 2, {})).errorCode).toBe(ErrorCode.NONE)
        }
        expect((yield* ask(handler, 3, { ...CLIENT, clientSoftwareVersion: "" })).errorCode).toBe(
          ErrorCode.INVALID_REQUEST
        )
        expect((yield* ask(handler, 4, { clientSoftwareName: "a", clientSoftwareVersion: "1.0-x" })).errorCode).toBe(0)
      })
    )
  )

  it.effect("leaves out features with minimum 0 in version 3, and unset ones from the finalized (KAFKA-17492)", () =>
    onCluster({}, ({ store }) =>
      Effect.gen(function* () {
        const handler = yield* make(SERVED, [
          { name: "zero", minVersion: 0, maxVersion: 2, finalized: 0 },
          { name: "one", minVersion: 1, maxVersion: 3, finalized: 3 }
        ])
        const names = (list: ReadonlyArray<{ name: string }>) => list.map(({ name }) => name)
        const old = yield* ask(handler, 3, CLIENT)
        expect(names(old.supportedFeatures)).toEqual(["one"])
        expect(old.finalizedFeatures).toEqual([{ name: "one", maxVersionLevel: 3, minVersionLevel: 3 }])
        const recent = yield* ask(handler, 4, CLIENT)
        expect(names(recent.supportedFeatures)).toEqual(["zero", "one"])
        yield* store.propose({ _tag: "SetFeature", name: "zero", level: 2 })
        const later = yield* ask(handler, 4, CLIENT)
        expect(names(later.finalizedFeatures)).toEqual(["zero", "one"])
        expect(later.finalizedFeaturesEpoch).toBeGreaterThan(recent.finalizedFeaturesEpoch)
      })
    )
  )

  it.effect("sends a client of another cluster or node back to its bootstrap servers (KIP-1242)", () =>
    onCluster({}, () =>
      Effect.gen(function* () {
        const handler = yield* make(SERVED)
        const code = (clusterId: string | null, nodeId: number) =>
          Effect.map(ask(handler, 5, { ...CLIENT, clusterId, nodeId }), (answer) => answer.errorCode)
        expect(yield* code("test-cluster", 1)).toBe(ErrorCode.NONE)
        expect(yield* code(null, -1)).toBe(ErrorCode.NONE)
        expect(yield* code("other", 1)).toBe(ErrorCode.REBOOTSTRAP_REQUIRED)
        expect(yield* code("test-cluster", 2)).toBe(ErrorCode.REBOOTSTRAP_REQUIRED)
      })
    )
  )
})
