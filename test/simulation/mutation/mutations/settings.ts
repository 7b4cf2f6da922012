/** Options that several mutations share: the worlds in which their bugs matter. */

export const THREE = ["voters=3", "observers=0", "replicationFactor=3", "metadataClients=0"]
/** Messages, disks and fail-overs are quick, clients busy, and only the faults that a mutation names act. */
export const QUICK = [
  "replicationFactor=3",
  "metadataClients=0",
  "delayMs=0.5",
  "jitterMs=1",
  "lossChance=0",
  "fsyncMs=0.5",
  "fsyncJitterMs=2",
  "fsyncTailChance=0",
  "tailChance=0",
  "nodeHeartbeatMs=30",
  "nodeSessionMs=200",
  "produceEveryMs=5",
  "faultEveryMs=0",
  "bias=none",
  "safetyMs=3000"
]
/** Leaders of partitions that reach one follower and die, so that logs diverge over several epochs. */
export const FIGURE_8 = [
  ...QUICK,
  "voters=3",
  "observers=2",
  "bias=figure8",
  "biasPartitionsOnly=true",
  "biasChance=0.5",
  "downMs=300"
]
export const NO_FAULTS = [
  "crashWeight=0",
  "crashAllWeight=0",
  "pauseWeight=0",
  "wipeWeight=0",
  "oneWayWeight=0",
  "isolateWeight=0",
  "partitionWeight=0",
  "bridgeWeight=0",
  "ringWeight=0",
  "slowLinkWeight=0",
  "resetWeight=0",
  "slowDiskWeight=0"
]
/** Nodes that fall and rise again, and links that work in one direction only. */
export const CRASHES = [
  ...QUICK,
  ...NO_FAULTS,
  "voters=3",
  "observers=2",
  "faultEveryMs=150",
  "faultMs=300",
  "downMs=50",
  "crashWeight=1",
  "oneWayWeight=1"
]
/** Leaders that the controller no longer hears, but followers do: they are replaced while they commit. */
export const MUTE = [
  ...QUICK,
  "voters=5",
  "observers=0",
  "bias=muteLeader",
  "biasPartitionsOnly=true",
  "biasChance=0.7",
  "produceEveryMs=3",
  "producers=3",
  "faultMs=500"
]
/** Controllers that die while promises are being given. */
export const CONTROLLER_DIES = [
  ...QUICK,
  "voters=3",
  "observers=2",
  "bias=killController",
  "biasPartitionsOnly=true",
  "biasChance=0.5",
  "downMs=300"
]

/** Sets of replicas that change all the time, with a leader cut off as they do. */
export const REASSIGNED = [
  ...QUICK,
  "voters=3",
  "observers=2",
  "bias=isolateReassigned",
  "biasChance=1",
  "reassignEveryMs=60",
  "faultMs=500"
]

/** Disks that are replaced by empty ones, as often as the quorums can spare them. */
export const WIPES = [
  ...QUICK,
  ...NO_FAULTS,
  "voters=3",
  "observers=2",
  "wipesMax=2",
  "wipeWeight=1",
  "faultEveryMs=300"
]

/** Replicas that are down so long that a partition has no majority, with one left that lags; the controller is mostly there. */
export const MAJORITY_LOST = [
  ...CRASHES,
  "voters=1",
  "observers=3",
  "minInSync=1",
  "isolateWeight=1",
  "downMs=1500",
  "safetyMs=4000"
]

/** Leaders that nobody hears for a while, but clients: long tails that are never committed. */
export const CUT_OFF = [
  ...QUICK,
  "voters=3",
  "observers=2",
  "bias=isolateLeader",
  "biasPartitionsOnly=true",
  "biasChance=0.7",
  "faultMs=500",
  "producers=3",
  "idempotentShare=0"
]
