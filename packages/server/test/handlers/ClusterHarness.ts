/** Handlers of topics, configs and cluster over a metadata log in memory, asked through their codecs. Tests only. */
import type { Command } from "@chronik-effect/core/metadata/Command.ts"
import type { Api } from "@chronik-effect/core/protocol/Api.ts"
import { type Codec, codecOf, type Partially } from "@chronik-effect/core/protocol/Message.ts"
import { Reader } from "@chronik-effect/core/protocol/Reader.ts"
import { Writer } from "@chronik-effect/core/protocol/Writer.ts"
import { Deadlines } from "@chronik-effect/server/actor/Deadlines.ts"
import { LogLevels, make as makeLogLevels } from "@chronik-effect/server/config/LogLevels.ts"
import type { NodeConfig, NodeConfigValues } from "@chronik-effect/server/config/NodeConfig.ts"
import type { Handler } from "@chronik-effect/server/handlers/Handler.ts"
import { MetadataStore } from "@chronik-effect/server/metadata/MetadataStore.ts"
import { ClientQuotas } from "@chronik-effect/server/quota/ClientQuotas.ts"
import { Partitions } from "@chronik-effect/server/replication/Partitions.ts"
import { Effect, Layer, type Scope } from "effect"
import { LogByHand, layerByHand, registration } from "../metadata/MetadataHarness.ts"

/** What the partitions of a topic do: serve at once unless the test says otherwise. */
export class Serving {
  waits = 0
  until: (topicId: string) => Effect.Effect<void> = () => Effect.void
  readonly layer = Layer.succeed(
    Partitions,
    Partitions.of({
      find: () => undefined,
      findById: () => undefined,
      knows: () => false,
      knowsId: () => false,
      awaitServing: (topicId) =>
        Effect.suspend(() => {
          this.waits++
          return this.until(topicId)
        }),
      all: () => [],
      replicasCreated: () => 0
    })
  )
}

export interface World {
  readonly store: MetadataStore["Service"]
  readonly log: LogByHand
  readonly serving: Serving
}

/** Runs `body` on a cluster of these commands; node 1 is this one. */
export const onCluster = <A, E>(
  options: { readonly config?: Partial<NodeConfigValues>; readonly commands?: ReadonlyArray<Command> },
  body: (
    world: World
  ) => Effect.Effect<A, E, MetadataStore | NodeConfig | Partitions | LogLevels | ClientQuotas | Scope.Scope>
): Effect.Effect<A, unknown> => {
  const log = new LogByHand()
  const serving = new Serving()
  const logLevels = Layer.succeed(LogLevels, makeLogLevels("info"))
  const cluster = ClientQuotas.layer.pipe(
    Layer.provideMerge(layerByHand(log, options.config)),
    Layer.provideMerge(Deadlines.layer)
  )
  return Effect.gen(function* () {
    const store = yield* MetadataStore
    for (const command of options.commands ?? [registration(1)]) yield* store.propose(command)
    return yield* body({ store, log, serving })
  }).pipe(Effect.provide(Layer.mergeAll(cluster, serving.layer, logLevels)), Effect.scoped)
}

const through = <A>(codec: Codec<A>, value: Partially<A>): A => {
  const writer = new Writer()
  codec.encode(writer, value as never)
  const bytes = Buffer.concat(writer.finish())
  const reader = new Reader(bytes, 0, bytes.length)
  return codec.decode(reader)
}

/** Sends the request and reads the answer through the bytes of the version. */
export const ask = <Req, Res>(
  handler: Handler<Req, Res>,
  version: number,
  request: NoInfer<Partially<Req>>
): Effect.Effect<Res> => {
  const api: Api<Req, Res> = handler.api
  const context = { apiVersion: version, clientId: "test", clientHost: "/127.0.0.1", connectionId: 1 }
  return handler
    .handle(through(codecOf(api.request, version), request), context)
    .pipe(Effect.map((response) => through(codecOf(api.response, version), response)))
}

export const versionsOf = (api: Api): ReadonlyArray<number> =>
  Array.from({ length: api.maxVersion - api.minVersion + 1 }, (_, i) => api.minVersion + i)
