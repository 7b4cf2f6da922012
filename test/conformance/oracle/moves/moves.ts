/** All moves of the script. */
import type { Move } from "../Move.ts"
import { adminMoves } from "./Admin.ts"
import { configMoves } from "./Configs.ts"
import { consumerGroupMoves } from "./ConsumerGroups.ts"
import { fetchMoves } from "./Fetch.ts"
import { groupMoves } from "./Groups.ts"
import { malformedMoves } from "./Malformed.ts"
import { migrationMoves } from "./Migration.ts"
import { produceMoves } from "./Produce.ts"
import { topicMoves } from "./Topics.ts"

export const moves: ReadonlyArray<Move> = [
  ...topicMoves,
  ...produceMoves,
  ...fetchMoves,
  ...groupMoves,
  ...consumerGroupMoves,
  ...migrationMoves,
  ...adminMoves,
  ...configMoves,
  ...malformedMoves
]
