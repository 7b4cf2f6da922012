/**
 * The planted bugs: one for each rule that the machines carry, and the famous mistakes of consensus. Each must be found within its
 * number of seeds; `Mutation` says what the fields mean. A few lie in the simulated shell, where the shell carries the rule.
 */
import type { Mutation } from "./Mutation.ts"
import { CONTROLLER_MUTATIONS } from "./mutations/controller.ts"
import { METADATA_MUTATIONS } from "./mutations/metadata.ts"
import { RAFT_MUTATIONS } from "./mutations/raft.ts"
import { REPLICATION_MUTATIONS } from "./mutations/replication.ts"

export const MUTATIONS: ReadonlyArray<Mutation> = [
  ...RAFT_MUTATIONS,
  ...REPLICATION_MUTATIONS,
  ...CONTROLLER_MUTATIONS,
  ...METADATA_MUTATIONS
]
