/**
 * A whole node in this process whose listener can be looked into: what no client can see, the memory that requests hold.
 */
import { defaultNodeConfig } from "@chronik-effect/server/config/NodeConfig.ts"
import { GroupCoordinator } from "@chronik-effect/server/coordinator/GroupCoordinator.ts"
import { KafkaListener } from "@chronik-effect/server/network/KafkaListener.ts"
import { Partitions } from "@chronik-effect/server/replication/Partitions.ts"
import { layer } from "@chronik-effect/server/Standalone.ts"
import { Context, Effect, Exit, Layer, Scope } from "effect"
import { expect, vi } from "vitest"

export interface OpenNode extends AsyncDisposable {
  readonly port: number
  readonly listener: KafkaListener["Service"]
  readonly partitions: Partitions["Service"]
  readonly groups: GroupCoordinator["Service"]
  /** What the node has logged as an error: a defect of ours, whatever was sent. */
  readonly errors: ReadonlyArray<string>
}

export const openNode = async (broker: Readonly<Record<string, string>> = {}): Promise<OpenNode> => {
  const errors: Array<string> = []
  const spy = vi.spyOn(console, "error").mockImplementation((line) => void errors.push(String(line)))
  const scope = Scope.makeUnsafe()
  const node = layer({
    ...defaultNodeConfig,
    kafkaPort: 0,
    durability: "ephemeral",
    logFormat: "json",
    logLevel: "error",
    broker: new Map(Object.entries(broker))
  })
  const services = await Effect.runPromise(Layer.build(node).pipe(Scope.provide(scope)))
  const listener = Context.get(services, KafkaListener)
  return {
    port: listener.port,
    listener,
    partitions: Context.get(services, Partitions),
    groups: Context.get(services, GroupCoordinator),
    errors,
    [Symbol.asyncDispose]: async () => {
      await Effect.runPromise(Scope.close(scope, Exit.void))
      spy.mockRestore()
    }
  }
}

/** Nobody is connected but `open`, nothing is held, and nothing failed that a client could not be blamed for. */
export const expectNothingLeft = async ({ listener, groups, errors }: OpenNode, open: number): Promise<void> => {
  await vi.waitFor(() => expect(listener.stats.connectionsOpen).toBe(open), { timeout: 10_000, interval: 5 })
  await vi.waitFor(() => expect(listener.receivedBytesInUse()).toBe(0), { timeout: 10_000, interval: 5 })
  await vi.waitFor(() => expect(groups.waiting()).toBe(0), { timeout: 10_000, interval: 5 })
  expect(listener.hasReferences()).toBe(false)
  expect(listener.stats.outputBytes).toBe(0)
  expect(listener.stats.connectionsPaused).toBe(0)
  expect(listener.stats.closedFailed).toBe(0)
  expect(errors).toEqual([])
}
