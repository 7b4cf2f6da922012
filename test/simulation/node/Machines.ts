/** The options of a run as the machines of a node take them. */
import {
  type ControllerOptions,
  defaultControllerOptions
} from "../../../packages/core/src/controller/ControllerOptions.ts"
import type { Member } from "../../../packages/core/src/raft/Entry.ts"
import { defaultRaftOptions, type RaftOptions } from "../../../packages/core/src/raft/RaftOptions.ts"
import { defaultReplicaOptions, type ReplicaOptions } from "../../../packages/core/src/replication/Assignment.ts"
import type { Options } from "../kernel/Options.ts"
import type { NodeSettings } from "./Host.ts"

export const nodeSettings = (options: Options): NodeSettings => ({
  heartbeatMs: options.nodeHeartbeatMs,
  sessionMs: options.nodeSessionMs,
  promiseWaitMs: options.promiseWaitMs,
  snapshotAfterBytes: options.snapshotAfterBytes,
  produceTimeoutMs: options.produceTimeoutMs * 2,
  tailBatches: options.tailBatches
})

const raftOptions = (options: Options, self: Member): RaftOptions => ({
  ...defaultRaftOptions(self),
  electionTimeoutMs: options.electionTimeoutMs,
  heartbeatMs: options.heartbeatMs,
  lease: options.lease,
  // Two clocks that each run wrong by `clockDrift`, the other way.
  clockDriftMax: Math.max(0.01, options.clockDrift * 2.5),
  appendBytesMax: options.appendBytesMax,
  inflightBytesMax: options.raftInflightBytesMax,
  cacheBytesMax: options.cacheBytesMax,
  snapshotChunkBytes: options.snapshotChunkBytes,
  pendingReadsMax: 100,
  pendingProposalsMax: 200
})

const replicaOptions = (options: Options): ReplicaOptions => ({
  ...defaultReplicaOptions,
  lagTimeMaxMs: options.lagTimeMaxMs,
  metadataWaitMs: options.metadataWaitMs,
  handOverMs: options.handOverMs,
  inflightBytesMax: options.inflightBytesMax,
  inflightFramesMax: options.inflightFramesMax,
  caughtUpOffsets: options.caughtUpOffsets,
  retryMs: options.retryMs,
  highWatermarkNoteOffsets: options.highWatermarkNoteOffsets
})

const controllerOptions = (options: Options): ControllerOptions => ({
  ...defaultControllerOptions,
  sessionMs: options.nodeSessionMs,
  heartbeatMs: options.nodeHeartbeatMs,
  disconnectedMs: Math.round(options.nodeSessionMs / 3),
  uncleanElection: () => options.uncleanElections,
  uncleanWaitMs: options.nodeSessionMs * 2,
  electionTimeoutMs: Math.max(20, options.promiseWaitMs),
  balanceIntervalMs: 500,
  handOverMs: options.handOverMs * 2
})

export const machineOptions = (
  options: Options,
  self: Member
): { readonly raft: RaftOptions; readonly replicas: ReplicaOptions; readonly controller: ControllerOptions } => ({
  raft: raftOptions(options, self),
  replicas: replicaOptions(options),
  controller: controllerOptions(options)
})
