/**
 * A move: a few requests that belong together, with the waits between them that make both brokers' answers certain.
 */
import type { Api } from "@chronik-effect/core/protocol/Api.ts"
import type { World } from "./World.ts"

export interface Move {
  readonly name: string
  /** It is made only when both brokers serve all of these. */
  readonly apis: ReadonlyArray<Api>
  readonly weight: number
  readonly make: (world: World) => Promise<void>
}

export const move = (
  name: string,
  apis: ReadonlyArray<Api>,
  weight: number,
  make: (world: World) => Promise<void>
): Move => ({ name, apis, weight, make })
