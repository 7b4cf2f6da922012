/** Bugs planted in partitions: the machine (`core/replication`) and what the simulated shell around it owes to the rules. */
import type { Mutation } from "../Mutation.ts"
import { CONTROLLER_DIES, CRASHES, FIGURE_8, MUTE, QUICK, REASSIGNED, THREE, WIPES } from "./settings.ts"

const REPLICATION = "packages/core/src/replication"
const NODE = "test/simulation/node"

export const REPLICATION_MUTATIONS: ReadonlyArray<Mutation> = [
  {
    name: "partition: acknowledge before durable",
    rule: "rule 1",
    what: "A follower answers what it has verified, durable or not.",
    file: `${REPLICATION}/Follower.ts`,
    find: "const verified = minPoint(this.#verified, writes.durablePosition)",
    replace: "const verified = this.#verified",
    seedsMax: 60,
    sets: [...THREE, "safetyMs=800"]
  },
  {
    name: "partition: the leader counts itself before its disk does",
    rule: "rule 1",
    what: "The leader's place in the quorum is its log end, durable or not.",
    file: `${REPLICATION}/Leader.ts`,
    find: "return durablePosition.epoch === this.epoch ? durablePosition.offset : NOT_HELD",
    replace: "return this.#seat.log.end.offset + 0 * durablePosition.offset",
    seedsMax: 100,
    sets: [...THREE, "safetyMs=800"]
  },
  {
    name: "partition: the log end is answered as the match",
    rule: "rule 1",
    what: "A follower answers the end of its log as a place of the leader's epoch, a divergent tail included.",
    file: `${REPLICATION}/Follower.ts`,
    find: "const verified = minPoint(this.#verified, writes.durablePosition)",
    replace: "const verified = { epoch: this.epoch, offset: writes.durablePosition.offset }",
    also: [
      {
        file: `${REPLICATION}/Leader.ts`,
        find: "verified.offset <= log.start.offset || log.contains(verified)",
        replace: "verified.offset >= -1"
      }
    ],
    seedsMax: 40,
    sets: FIGURE_8
  },
  {
    name: "partition: the marker is not required",
    rule: "rule 1",
    what: "A follower whose log reaches far enough is counted without the marker of the leader's epoch (figure 8).",
    file: `${REPLICATION}/Leader.ts`,
    find: "return match !== undefined && match.epoch === this.epoch ? match.offset : NOT_HELD",
    replace: "return match !== undefined ? match.offset : NOT_HELD",
    seedsMax: 80,
    sets: FIGURE_8
  },
  {
    name: "partition: a stale frame cuts the log",
    rule: "rule 2",
    what: "A frame that ends inside of the log cuts what lies behind it, though nothing contradicts.",
    file: `${REPLICATION}/Divergence.ts`,
    find: "if (until < heldUntil) return { agreed: { epoch, offset: until }, contradicted: marker !== undefined }",
    replace: "if (until < heldUntil) return { agreed: { epoch, offset: until }, contradicted: true }",
    also: [
      {
        file: `${REPLICATION}/Follower.ts`,
        find: "this.#verified === undefined || comparePoints(this.#verified, to) <= 0",
        replace: "to.offset >= 0"
      },
      {
        file: `${REPLICATION}/Follower.ts`,
        find: `assert(comparePoints(verified, this.#acknowledged) >= 0, "an answer must not take back an earlier one")`,
        replace: ""
      }
    ],
    seedsMax: 40,
    sets: [
      "voters=3",
      "replicationFactor=3",
      "duplicateChance=0.2",
      "reorderChance=0.5",
      "jitterMs=20",
      "inflightFramesMax=8",
      "safetyMs=1500"
    ]
  },
  {
    name: "partition: a follower commits up to its log end",
    rule: "rule 3",
    what: "A follower's high watermark is min(leader's, own log end), a divergent tail included.",
    file: `${REPLICATION}/Follower.ts`,
    find: "const offset = Math.min(frame.highWatermark, frame.end.offset)",
    replace: "const offset = Math.min(frame.highWatermark, this.#seat.log.end.offset)",
    also: [
      {
        // A probe that brings the marker cuts the tail before it is committed.
        file: `${REPLICATION}/Leader.ts`,
        find: "markers: log.markers.between(previous.epoch, limit)",
        replace: "markers: records ? log.markers.between(previous.epoch, limit) : []"
      }
    ],
    seedsMax: 200,
    sets: FIGURE_8
  },
  {
    name: "partition: cursors are offsets",
    rule: "rule 4",
    what: "A follower whose offset equals the leader's is sent nothing, not even the marker of the epoch.",
    file: `${REPLICATION}/FollowerProgress.ts`,
    find: "if (comparePoints(this.next, logEnd) < 0) return true",
    replace: "if (this.next.offset < logEnd.offset) return true",
    also: [
      {
        file: `${REPLICATION}/Leader.ts`,
        find: "markers: log.markers.between(previous.epoch, limit)",
        replace: "markers: records ? log.markers.between(previous.epoch, limit) : []"
      }
    ],
    seedsMax: 20,
    sets: [...CRASHES, "producers=1", "produceEveryMs=1000"]
  },
  {
    name: "partition: waiters outlive their epoch",
    rule: "rule 5",
    what: "A deposed leader's waiters are not failed, so they succeed by the offset alone when it follows another.",
    file: `${NODE}/HostedReplica.ts`,
    find: "const left = this.#waiters\n    this.#waiters = []",
    replace: "const left: Array<Waiter> = []",
    seedsMax: 60,
    sets: [...FIGURE_8, "idempotentShare=0"]
  },
  {
    name: "partition: min.insync above the majority is ignored",
    rule: "rule 6",
    what: "A majority commits, whatever min.insync.replicas says.",
    file: `${REPLICATION}/CommitQuorum.ts`,
    find: "held.byMajority === NOT_HELD ? NOT_HELD : Math.max(markerOffset, held.byQuorum)",
    replace: "held.byMajority === NOT_HELD ? NOT_HELD : Math.max(markerOffset, held.byMajority)",
    seedsMax: 60,
    sets: [...THREE, "minInSync=3", "safetyMs=800"]
  },
  {
    name: "partition: the marker needs min.insync",
    rule: "rule 6",
    what: "The log up to the leader's own marker is committed by Q replicas only, not by a majority.",
    file: `${REPLICATION}/CommitQuorum.ts`,
    find: "held.byMajority === NOT_HELD ? NOT_HELD : Math.max(markerOffset, held.byQuorum)",
    replace: "held.byQuorum + 0 * markerOffset",
    seedsMax: 60,
    sets: [...THREE, "minInSync=3", "bias=killNewLeader", "safetyMs=1500"]
  },
  {
    name: "partition: a quorum below the majority",
    rule: "rule 26",
    what: "min.insync.replicas alone says how many replicas commit.",
    file: `${REPLICATION}/CommitQuorum.ts`,
    find: "Math.max(majorityOf(counted), minInSync)",
    replace: "Math.min(counted, minInSync)",
    also: [
      {
        file: `${REPLICATION}/CommitQuorum.ts`,
        find: `assert(held.byQuorum <= held.byMajority, "what a quorum holds, a majority must hold")`,
        replace: ""
      }
    ],
    seedsMax: 60,
    sets: [...THREE, "minInSync=1", "safetyMs=800"]
  },
  {
    name: "partition: a follower below the log start is not reset",
    rule: "rule 7",
    what: "A follower that ends before the leader's log begins answers a mismatch for ever.",
    file: `${REPLICATION}/Follower.ts`,
    find: "if (!held && frame.previous.offset !== frame.logStartOffset) {",
    replace: "if (!held) {",
    seedsMax: 600,
    sets: [
      "voters=3",
      "replicationFactor=3",
      "deleteRecordsEveryMs=50",
      "crashWeight=1",
      "downMs=300",
      "faultEveryMs=100",
      "safetyMs=1500"
    ]
  },
  {
    name: "partition: a frame brings markers from beyond its end",
    rule: "rule 7",
    what: "A transfer is not cut to its end: it brings all the markers that were planned.",
    file: `${REPLICATION}/Leader.ts`,
    find: "const markers = plan.markers.filter((marker) => marker.offset <= endOffset)",
    replace: "const { markers } = plan",
    seedsMax: 150,
    sets: [
      "voters=3",
      "replicationFactor=3",
      "observers=1",
      "inflightBytesMax=200",
      "bias=killNewLeader",
      "reassignEveryMs=100",
      "safetyMs=1500"
    ]
  },
  {
    name: "partition: the hint of a mismatch is ignored",
    rule: "rule 8",
    what: "The leader asks for the same place again instead of retiring an epoch.",
    file: `${REPLICATION}/Leader.ts`,
    find: "follower.probeFrom(comparePoints(next, follower.next) < 0 ? next : log.start)",
    replace: "follower.probeFrom(comparePoints(next, next) < 0 ? next : follower.next)",
    seedsMax: 40,
    sets: FIGURE_8
  },
  {
    name: "partition: a promise does not bind the leader",
    rule: "rule 9",
    what: "The leader of an epoch promises the next one and goes on appending and committing.",
    file: `${REPLICATION}/Replica.ts`,
    find: "if (this.epoch < epoch) this.#leave()",
    replace: "if (this.epoch < epoch && this.#leader === undefined) this.#leave()",
    seedsMax: 150,
    sets: [...CONTROLLER_DIES, "handOverEveryMs=60", "handOverMs=50"]
  },
  {
    name: "partition: a promise does not bind followers",
    rule: "rule 9",
    what: "A follower that has promised a newer epoch still accepts frames of the old leader.",
    file: `${REPLICATION}/Replica.ts`,
    find: "if (this.epoch < epoch) this.#leave()",
    replace: "if (this.epoch < epoch && this.#leader !== undefined) this.#leave()",
    also: [
      {
        file: `${REPLICATION}/Replica.ts`,
        find: "const newest = Math.max(promised, epoch)",
        replace: "const newest = Math.min(Math.max(promised, epoch), epoch)"
      },
      {
        file: `${REPLICATION}/Follower.ts`,
        find: "frame.epoch === this.epoch && log.promised <= this.epoch",
        replace: "frame.epoch === this.epoch"
      }
    ],
    seedsMax: 800,
    sets: MUTE
  },
  {
    name: "partition: a promise is skipped",
    rule: "rule 9",
    what: "A replica answers its position and promises nothing.",
    file: `${REPLICATION}/Replica.ts`,
    find: "this.#log.promise(epoch, true)",
    replace: `if (epoch > 0) {
      this.#event({ _tag: "Promised", epoch, position: this.#log.end })
      return { _tag: "Pending" }
    }`,
    seedsMax: 40,
    sets: MUTE
  },
  {
    name: "partition: a promise is answered before it is durable",
    rule: "rule 10",
    what: "The position leaves at once, and a crash takes back the promise and a part of what it said.",
    file: `${REPLICATION}/Replica.ts`,
    find: "this.#log.promise(epoch, true)",
    replace: `this.#log.promise(epoch, false)
    this.#event({ _tag: "Promised", epoch, position: this.#log.end })`,
    seedsMax: 60,
    sets: [...MUTE, "fsyncMs=10", "fsyncJitterMs=15", "downMs=5", "crashWeight=1", "faultEveryMs=60"]
  },
  {
    name: "partition: confirmed without the data",
    rule: "rule 17",
    what: "A version of the set is reported as confirmed as soon as the leader has applied it.",
    file: `${REPLICATION}/Leader.ts`,
    find: "if (this.#confirmed || !this.#epochCommitted || held.byMajority < this.#confirmTarget) return",
    replace: "if (this.#confirmed || held.byMajority < NOT_HELD) return",
    seedsMax: 20,
    sets: REASSIGNED
  },
  {
    name: "partition: a learner is counted in the quorum",
    rule: "rule 17",
    what: "What learners hold counts towards the high watermark.",
    file: `${REPLICATION}/Leader.ts`,
    find: "return heldBy(offsets, this.#assignment.minInSync)",
    replace: `for (const learner of this.#followers.filter((one) => !one.counted)) {
      offsets[offsets.indexOf(Math.min(...offsets))] = this.#offsetOf(learner)
    }
    return heldBy(offsets, this.#assignment.minInSync)`,
    seedsMax: 60,
    sets: [...REASSIGNED, "bias=none", "faultEveryMs=200", "crashWeight=1"]
  },
  {
    name: "partition: the answers of another disk count",
    rule: "rule 18",
    what: "Replicas are compared by node, and a node places a replica whatever disk it was counted on.",
    file: `${REPLICATION}/Seat.ts`,
    find: "a.node === b.node && a.directoryId === b.directoryId",
    replace: "a.node === b.node",
    also: [
      {
        file: `${NODE}/ReplicaDriver.ts`,
        find: "(node, i) => node === this.#host.node && partition.directories[i] === this.#host.directoryId",
        replace: "(node) => node === this.#host.node"
      }
    ],
    seedsMax: 60,
    sets: WIPES
  },
  {
    name: "partition: a restarted process leads its old epoch",
    rule: "rule 19",
    what: "A node leads whatever the image names it for, also what an earlier incarnation was elected for.",
    file: `${REPLICATION}/Replica.ts`,
    find: "return votes && assignment.mayLead ? ",
    replace: "return votes ? ",
    seedsMax: 20,
    sets: [...QUICK, "voters=3", "observers=2", "bias=restartNewLeader", "biasPartitionsOnly=true", "biasChance=0.5"]
  },
  {
    name: "partition: producers' state is not rewound",
    rule: "rule 22",
    what: "A truncation leaves the sequences of what it cut: a retry is taken for a duplicate of a batch that is gone.",
    file: `${NODE}/PartitionLog.ts`,
    find: "if (!this.#producers.truncateTo(offset)) this.#producers = this.#replayed(Number.POSITIVE_INFINITY)",
    replace: "",
    seedsMax: 200,
    sets: [...FIGURE_8, "idempotentShare=1"]
  },
  {
    name: "partition: a duplicate is answered at once",
    rule: "rule 22",
    what: "A retry of a batch that is held but not committed is told that all is well.",
    file: `${NODE}/ReplicaDriver.ts`,
    find: "return hosted.wait(epoch, duplicate.endOffset, expiresMs, settled(duplicate.baseOffset))",
    replace: "return settled(duplicate.baseOffset)(ErrorCode.NONE)",
    seedsMax: 30,
    sets: [
      "voters=3",
      "replicationFactor=3",
      "bias=isolateLeader",
      "idempotentShare=1",
      "produceTimeoutMs=100",
      "safetyMs=1500"
    ]
  },
  {
    name: "partition: a removal replayed after a restart drops a later log",
    rule: "rule 17",
    what: "A restarted node that replays the metadata drops the log that was made after the removal it reads.",
    file: `${NODE}/ReplicaDriver.ts`,
    find: "// Replayed after a restart: this removal was undone before the log that is here began.\n    if (this.#sinceOf(key) > this.#image.offset) return",
    replace: "",
    also: [
      {
        file: `${NODE}/ReplicaDriver.ts`,
        find: "// A log that began or ended later than this (replayed) entry knows of: not this entry's to touch.\n      if (this.#sinceOf(key) > this.#image.offset) return",
        replace: ""
      }
    ],
    seedsMax: 150,
    sets: [...REASSIGNED, "bias=none", "faultEveryMs=150", "crashWeight=1", "downMs=50", "snapshotAfterBytes=1000000"]
  }
]
