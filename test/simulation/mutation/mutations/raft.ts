/** Bugs planted in the metadata log's consensus (`core/raft`). */
import type { Mutation } from "../Mutation.ts"
import { NO_FAULTS } from "./settings.ts"

const RAFT = "packages/core/src/raft"

/** Many clients read and write the metadata, in a quick world without other faults. */
const READERS = [
  "voters=3",
  "observers=0",
  "topics=1",
  "partitions=1",
  "producers=1",
  "produceEveryMs=40",
  "produceTimeoutMs=100",
  "consumers=0",
  "metadataClients=10",
  "metadataEveryMs=10",
  "membershipEveryMs=0",
  "reassignEveryMs=0",
  "delayMs=0.5",
  "jitterMs=1",
  "lossChance=0",
  "fsyncMs=0.5",
  "fsyncJitterMs=2",
  "fsyncTailChance=0",
  "tailChance=0",
  "snapshotAfterBytes=1000000",
  "cacheBytesMax=65536",
  "topicChangeEveryMs=0",
  "transferEveryMs=0",
  "electionTimeoutMs=150",
  "heartbeatMs=30",
  "bias=none",
  "faultEveryMs=0",
  "safetyMs=3000"
]
/** Two nodes that do not hear each other, but both hear the third; so little is written that the one cut off may be elected. */
const HALF_HEARD = [
  ...READERS,
  ...NO_FAULTS,
  "lease=true",
  "replicationFactor=1",
  "producers=0",
  "metadataClients=5",
  "metadataEveryMs=120",
  "electionTimeoutMs=60",
  "heartbeatMs=50",
  "nodeSessionMs=600",
  "handOverEveryMs=0",
  "bridgeWeight=1",
  "faultEveryMs=250",
  "faultMs=200",
  "safetyMs=8000"
]
/** New leaders of the metadata log are cut off, so that two believe to lead for a moment. */
const TWO_LEADERS = [...READERS, "bias=isolateLeader", "biasPartitionsOnly=false", "biasChance=0.5", "faultMs=1000"]

export const RAFT_MUTATIONS: ReadonlyArray<Mutation> = [
  {
    name: "raft: acknowledge before durable",
    rule: "rule 1",
    what: "A follower answers what it has verified, durable or not.",
    file: `${RAFT}/Following.ts`,
    find: "const matchIndex = Math.min(following.verifiedIndex, persistedIndex)",
    replace: "const matchIndex = following.verifiedIndex",
    seedsMax: 20,
    sets: ["voters=3", "safetyMs=800"]
  },
  {
    name: "raft: the leader counts its own log before it is durable",
    rule: "dissertation 10.2.1",
    what: "The leader's place in the quorum is the end of its log in memory.",
    file: `${RAFT}/Replication.ts`,
    find: "leadership.quorumMatch(p.membership.configuration, p.self, p.persistence.persistedIndex)",
    replace: "leadership.quorumMatch(p.membership.configuration, p.self, p.log.lastIndex)",
    seedsMax: 60,
    sets: ["voters=3", "safetyMs=800"]
  },
  {
    name: "raft: the local log end is answered as the match",
    rule: "rule 1",
    what: "A follower answers the durable end of its log, a tail included that nobody has checked.",
    file: `${RAFT}/Following.ts`,
    find: "const matchIndex = Math.min(following.verifiedIndex, persistedIndex)",
    replace: "const matchIndex = Math.min(p.log.lastIndex, persistedIndex)",
    also: [
      {
        file: `${RAFT}/Replication.ts`,
        find: "const moved = peer.matched(m.matchIndex)",
        replace: "const moved = peer.matched(Math.min(m.matchIndex, p.log.lastIndex))"
      },
      {
        file: `${RAFT}/Replication.ts`,
        find: `assert(m.matchIndex <= p.log.lastIndex, "a peer must not hold more of this leader's log than the leader")`,
        replace: ""
      }
    ],
    seedsMax: 60,
    sets: ["voters=3", "bias=figure8", "biasPartitionsOnly=false", "biasChance=1", "safetyMs=1500"]
  },
  {
    name: "raft: a vote is sent before it is durable",
    rule: "Raft 5.2",
    what: "A granted vote leaves the node at once; a crash may take it back.",
    file: `${RAFT}/Election.ts`,
    find: "if (p.persistence.hardStateDurable) p.send(response)",
    replace: "if (response.granted) p.send(response)",
    seedsMax: 40,
    sets: ["voters=3", "safetyMs=800"]
  },
  {
    name: "raft: a vote is forgotten",
    rule: "Raft 5.2",
    what: "The term becomes durable, the vote given in it does not.",
    file: `${RAFT}/Persistence.ts`,
    find: "const write: Write = { sequence, hardState, snapshot: this.#snapshot, entries }",
    replace:
      "const write: Write = { sequence, hardState: hardState && { ...hardState, vote: null }, snapshot: this.#snapshot, entries }",
    seedsMax: 10,
    sets: ["voters=3", "safetyMs=800"]
  },
  {
    name: "raft: a voter votes twice in a term",
    rule: "Raft 5.2",
    what: "Whoever asks gets the vote, also when another candidate of the term has it.",
    file: `${RAFT}/Election.ts`,
    find: "if (!free || !p.log.isUpToDate(m.lastIndex, m.lastTerm)) {",
    replace: "if (!p.log.isUpToDate(m.lastIndex, m.lastTerm)) {",
    seedsMax: 80,
    sets: ["voters=3", "safetyMs=800"]
  },
  {
    name: "raft: elect by length alone",
    rule: "Raft 5.4.1",
    what: "The longer log wins, whatever the term of its last entry is.",
    file: `${RAFT}/Log.ts`,
    find: "return lastTerm > this.#lastTerm || (lastTerm === this.#lastTerm && lastIndex >= this.#lastIndex)",
    replace: "return lastIndex >= this.#lastIndex",
    seedsMax: 100,
    sets: ["voters=3", "bias=figure8", "biasPartitionsOnly=false", "biasChance=1", "safetyMs=1500"]
  },
  {
    name: "raft: a vote for a log that is behind",
    rule: "Raft 5.4.1",
    what: "Voters do not ask whether the candidate's log is up to date.",
    file: `${RAFT}/Log.ts`,
    find: "return lastTerm > this.#lastTerm || (lastTerm === this.#lastTerm && lastIndex >= this.#lastIndex)",
    replace: "return true",
    seedsMax: 80,
    sets: ["voters=3", "bias=killNewLeader", "safetyMs=1500"]
  },
  {
    name: "raft: commit an old term by counting",
    rule: "Raft 5.4.2",
    what: "A majority that holds an entry of an earlier term commits it (figure 8).",
    file: `${RAFT}/Replication.ts`,
    find: "if (reached <= p.log.commitIndex || reached < leadership.firstIndex) return",
    replace: "if (reached <= p.log.commitIndex) return",
    also: [
      {
        file: `${RAFT}/Replication.ts`,
        find: `assert(p.log.termAt(reached) === p.term, "what lies behind a leader's first entry must be of its term")`,
        replace: ""
      }
    ],
    seedsMax: 300,
    sets: [
      "voters=5",
      "bias=figure8",
      "biasPartitionsOnly=false",
      "biasChance=1",
      "electionTimeoutMs=60",
      "appendBytesMax=100",
      "safetyMs=3000"
    ]
  },
  {
    name: "raft: a learner is counted in the quorum",
    rule: "dissertation 4.2.1",
    what: "Answers of learners count towards the commit.",
    file: `${RAFT}/Leadership.ts`,
    find: "values.push(sameMember(voter, self) ? persistedIndex : (this.peer(voter)?.match ?? 0))",
    replace:
      "values.push(sameMember(voter, self) ? persistedIndex : Math.max(...configuration.learners.map((one) => this.peer(one)?.match ?? 0), this.peer(voter)?.match ?? 0))",
    seedsMax: 20,
    sets: ["voters=3", "observers=2", "safetyMs=800"]
  },
  {
    name: "raft: a stale frame cuts the log",
    rule: "rule 2",
    what: "Entries that a frame repeats are cut and written again, and with them what lay behind.",
    file: `${RAFT}/Following.ts`,
    find: "if (held === entry.term) continue",
    replace: "if (held === entry.term && index <= p.log.commitIndex) continue",
    also: [
      {
        file: `${RAFT}/Participant.ts`,
        find: `assert(index > this.following.verifiedIndex, "a leader must not contradict what it sent in this term")`,
        replace: ""
      },
      {
        file: `${RAFT}/Following.ts`,
        find: `assert(matchIndex <= p.log.lastIndex, "a follower must not answer beyond its log")`,
        replace: ""
      }
    ],
    seedsMax: 60,
    sets: ["voters=3", "duplicateChance=0.2", "reorderChance=0.5", "jitterMs=20", "safetyMs=1500"]
  },
  {
    name: "raft: a follower commits beyond what the frame verified",
    rule: "rule 3",
    what: "The leader tells its commit index whatever the frame holds, and the follower takes it up to its own log end.",
    file: `${RAFT}/Following.ts`,
    find: "const commit = Math.min(m.commit, verifiedEnd)",
    replace: "const commit = Math.min(m.commit, p.log.lastIndex)",
    also: [
      {
        file: `${RAFT}/Replication.ts`,
        find: "const commit = Math.min(p.log.commitIndex, previousIndex + entries.length)",
        replace: "const commit = p.log.commitIndex"
      }
    ],
    seedsMax: 600,
    sets: [
      "voters=3",
      "bias=figure8",
      "biasPartitionsOnly=false",
      "biasChance=1",
      "appendBytesMax=100",
      "safetyMs=1500"
    ]
  },
  {
    name: "raft: durability of a cut entry counts for its successor",
    rule: "dissertation 10.2.1",
    what: "A write under way goes on to stand for entries that were cut and replaced meanwhile (ABA).",
    file: `${RAFT}/Persistence.ts`,
    find: "for (const write of this.#underWay) if (write.lastIndex > index) write.lastIndex = index",
    replace: "",
    seedsMax: 2000,
    sets: [
      "voters=3",
      "bias=figure8",
      "biasPartitionsOnly=false",
      "biasChance=1",
      "electionTimeoutMs=60",
      "fsyncMs=10",
      "fsyncJitterMs=15",
      "safetyMs=3000"
    ]
  },
  {
    name: "raft: a cut takes back no configuration",
    rule: "dissertation 4.1",
    what: "The configuration of an entry that was cut stays in force.",
    file: `${RAFT}/Participant.ts`,
    find: "this.membership.truncatedFrom(index)",
    replace: "",
    seedsMax: 400,
    sets: [
      "voters=3",
      "observers=1",
      "bias=figure8",
      "biasPartitionsOnly=false",
      "biasChance=0.5",
      "membershipEveryMs=60",
      "safetyMs=1500"
    ]
  },
  {
    name: "raft: membership changes before the term's first commit",
    rule: "dissertation 4.1",
    what: "A leader changes the configuration before an entry of its own term is committed, and while another change is open.",
    file: `${RAFT}/Proposing.ts`,
    find: "if (!p.leaderReady || p.membership.fromIndex > p.log.commitIndex) return",
    replace: "if (p.membership.fromIndex < 0) return",
    seedsMax: 600,
    sets: [
      "voters=4",
      "observers=1",
      "bias=figure8",
      "biasPartitionsOnly=false",
      "biasChance=0.5",
      "membershipEveryMs=20",
      "safetyMs=3000"
    ]
  },
  {
    name: "raft: a snapshot that is not needed is installed",
    rule: "Raft 7",
    what: "A late snapshot replaces a log that is already beyond it, and what follows is applied a second time.",
    file: `${RAFT}/Following.ts`,
    find: "if (m.snapshotIndex <= p.log.commitIndex || held === m.snapshotTerm) alreadyHeld(p, m)",
    replace: "if (held === -1) alreadyHeld(p, m)",
    also: [
      {
        file: `${RAFT}/Log.ts`,
        find: `assert(snapshot.index > this.#commitIndex, "a snapshot must not take back what is committed")`,
        replace: ""
      },
      {
        file: `${RAFT}/Raft.ts`,
        find: `assert(snapshot.index > p.handedIndex, "a snapshot must not take the state machine back")`,
        replace: ""
      }
    ],
    seedsMax: 150,
    sets: [
      "voters=3",
      "snapshotAfterBytes=300",
      "cacheBytesMax=100",
      "snapshotChunkBytes=300",
      "duplicateChance=0.2",
      "reorderChance=0.5",
      "safetyMs=1500"
    ]
  },
  {
    name: "raft: chunks of two snapshots are put together",
    rule: "Raft 7",
    what: "A chunk is taken for the snapshot that is coming in, whichever it belongs to.",
    file: `${RAFT}/Following.ts`,
    find: "if (current === undefined || !current.belongs(m)) following.assembly",
    replace: "if (current === undefined) following.assembly",
    also: [
      {
        file: `${RAFT}/SnapshotAssembly.ts`,
        find: `assert(this.belongs(chunk), "a chunk must belong to the snapshot that it is added to")`,
        replace: ""
      }
    ],
    seedsMax: 600,
    sets: [
      "voters=3",
      "observers=1",
      "snapshotAfterBytes=300",
      "cacheBytesMax=100",
      "snapshotChunkBytes=64",
      "crashWeight=1",
      "faultEveryMs=150",
      "safetyMs=1500"
    ]
  },
  {
    name: "raft: a read index without a round",
    rule: "dissertation 6.4",
    what: "A leader answers reads without asking a majority whether it still leads.",
    file: `${RAFT}/ReadIndexing.ts`,
    find: "leadership.reads.attach(leadership.round, p.log.commitIndex)",
    replace: "leadership.reads.attach(0, p.log.commitIndex)",
    seedsMax: 600,
    sets: [...TWO_LEADERS, "lease=false"]
  },
  {
    name: "raft: a rejection echoes the round of another term",
    rule: "dissertation 6.4",
    what: "The answer to a frame of an old term echoes its round, which counts as a proof if its sender leads again.",
    file: `${RAFT}/Following.ts`,
    find: "export function onAppend(p: Participant, m: Append): void {\n  if (m.term < p.term) {\n    refuseOldTerm(p, m.from)",
    replace:
      "export function onAppend(p: Participant, m: Append): void {\n  if (m.term < p.term) {\n    refuseOldTerm(p, m.from, m.round)",
    also: [
      {
        file: `${RAFT}/Following.ts`,
        find: "function refuseOldTerm(p: Participant, to: Member): void {",
        replace: "function refuseOldTerm(p: Participant, to: Member, round = 0): void {"
      },
      {
        file: `${RAFT}/Following.ts`,
        find: `p.send({ _tag: "AppendResponse", from, to, term, round: 0, matchIndex: 0, mismatch: null })`,
        replace: `p.send({ _tag: "AppendResponse", from, to, term, round, matchIndex: 0, mismatch: null })`
      }
    ],
    seedsMax: 800,
    sets: [
      "voters=3",
      "electionTimeoutMs=60",
      "bias=isolateLeader",
      "biasChance=1",
      "tailChance=0.03",
      "tailMs=200",
      "safetyMs=1500"
    ]
  },
  {
    name: "raft: a lease without check-quorum",
    rule: "rule 28",
    what: "A leader's lease lasts as long as it believes to lead.",
    file: `${RAFT}/ReadIndexing.ts`,
    find: "return nowMs < sentAtMs + p.options.electionTimeoutMs * (1 - p.options.clockDriftMax)",
    replace: "return true",
    seedsMax: 300,
    sets: [...TWO_LEADERS, "lease=true"]
  },
  {
    name: "raft: a lease counted from a round that nobody answered",
    rule: "rule 28",
    what: "The lease counts from the newest round that was sent, not from the newest that a majority answered.",
    file: `${RAFT}/ReadIndexing.ts`,
    find: "leadership.roundSentAtMs(leadership.confirmedRound(p.membership.configuration, p.self))",
    replace: "leadership.roundSentAtMs(leadership.round)",
    seedsMax: 300,
    sets: [...TWO_LEADERS, "lease=true"]
  },
  {
    name: "raft: a lease that survives a hand-over",
    rule: "rule 28",
    what: "The leader keeps its lease after it has ordered another to campaign.",
    file: `${RAFT}/Replication.ts`,
    find: "leadership.leaseGivenUp = true",
    replace: "",
    seedsMax: 150,
    sets: [
      "voters=3",
      "lease=true",
      "metadataClients=4",
      "metadataEveryMs=5",
      "produceTimeoutMs=1500",
      "transferEveryMs=40",
      "observers=0",
      "topics=1",
      "partitions=1",
      "producers=1",
      "produceEveryMs=40",
      "delayMs=0.5",
      "jitterMs=1",
      "lossChance=0",
      "fsyncMs=0.5",
      "fsyncJitterMs=2",
      "fsyncTailChance=0",
      "reassignEveryMs=0",
      "membershipEveryMs=0",
      "topicChangeEveryMs=0",
      "snapshotAfterBytes=1000000",
      "electionTimeoutMs=150",
      "bias=none",
      "faultEveryMs=0",
      "safetyMs=3000"
    ]
  },
  {
    name: "raft: a voter is not loyal to a live leader",
    rule: "rule 28",
    what: "Voters grant votes though they hear a leader, whose lease rests on that they do not.",
    file: `${RAFT}/Election.ts`,
    find: "if (mayHaveForgottenLeader(p) || (!m.transfer && hearsLeader(p))) return",
    replace: "if (mayHaveForgottenLeader(p)) return",
    also: [
      {
        file: `${RAFT}/Election.ts`,
        find: "m.term > p.term && !hearsLeader(p) && !mayHaveForgottenLeader(p)",
        replace: "m.term > p.term && !mayHaveForgottenLeader(p)"
      }
    ],
    seedsMax: 2000,
    sets: HALF_HEARD
  },
  {
    name: "raft: a wiped disk votes under the old id",
    rule: "rule 18",
    what: "Members are compared by node, whatever disk they run on.",
    file: `${RAFT}/Entry.ts`,
    find: "a.node === b.node && a.directoryId === b.directoryId",
    replace: "a.node === b.node",
    seedsMax: 80,
    sets: ["voters=3", "bias=wipe", "biasChance=1", "wipesMax=2", "safetyMs=1500"]
  }
]
