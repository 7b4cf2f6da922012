/** Bugs planted in the controller (`core/controller`). */
import type { Mutation } from "../Mutation.ts"
import { CONTROLLER_DIES, CRASHES, CUT_OFF, MAJORITY_LOST, NO_FAULTS, QUICK, REASSIGNED } from "./settings.ts"

const CONTROLLER = "packages/core/src/controller"
const METADATA = "packages/core/src/metadata"
const NODE = "test/simulation/node"

export const CONTROLLER_MUTATIONS: ReadonlyArray<Mutation> = [
  {
    name: "controller: elect the preferred replica whatever it holds",
    rule: "rule 14",
    what: "Positions decide nothing: the preferred replica wins if it has answered.",
    file: `${CONTROLLER}/Choice.ts`,
    find: "return candidate.electable && reached.length >= majority",
    replace: "return candidate.electable && reached.length > 0",
    also: [
      {
        file: `${CONTROLLER}/Choice.ts`,
        find: "const order = found === undefined ? 1 : comparePoints(candidate.position, found.position)",
        replace: "const order = found === undefined ? 1 : 0"
      }
    ],
    seedsMax: 100,
    sets: CRASHES
  },
  {
    name: "controller: elect by length alone",
    rule: "rule 14",
    what: "Positions are compared by offset, whatever their epoch is.",
    file: "packages/core/src/replication/Point.ts",
    find: "export const samePoint",
    replace:
      "export const compareOffsets = (a: Point, b: Point): number => a.offset - b.offset\nexport const samePoint",
    also: [
      {
        file: `${CONTROLLER}/Choice.ts`,
        find: "import { comparePoints, type Point }",
        replace: "import { compareOffsets as comparePoints, type Point }"
      }
    ],
    seedsMax: 1000,
    sets: CUT_OFF
  },
  {
    name: "controller: elect with less than a majority",
    rule: "rule 26",
    what: "Half of the counted replicas are enough to elect, so RF - Q + 1 of two is one.",
    file: `${METADATA}/Replicas.ts`,
    find: "Math.floor(counted / 2) + 1",
    replace: "Math.max(1, Math.floor(counted / 2))",
    seedsMax: 60,
    sets: CRASHES
  },
  {
    name: "controller: an empty answer of a node that lags",
    rule: "rule 11",
    what: "A node answers before it has applied what the controller had, and having no replica yet counts as an empty log.",
    file: `${NODE}/ControllerDriver.ts`,
    find: "if (request.metadataOffset <= this.#metadata.image.offset) return this.#promise(from, request)",
    replace: "if (request.metadataOffset >= 0) return this.#promise(from, request)",
    also: [
      {
        file: `${NODE}/ControllerDriver.ts`,
        find: `reply({ _tag: "NotHosted" })`,
        replace: `reply({ _tag: "Position", position: { epoch: 0, offset: 0 } })`
      }
    ],
    seedsMax: 400,
    sets: [...CRASHES, "downMs=5"]
  },
  {
    name: "controller: an open election is not resolved",
    rule: "rule 12",
    what: "A promise beyond the image's epoch is no reason to elect, as long as the old leader is alive.",
    file: `${CONTROLLER}/Elections.ts`,
    find: "if (tracked.promised > tracked.image.leaderEpoch) return true",
    replace: "",
    seedsMax: 80,
    sets: CONTROLLER_DIES
  },
  {
    name: "controller: a set change needs no confirmation",
    rule: "rule 17",
    what: "The next change of the counted replicas is proposed before the last one is confirmed.",
    file: `${CONTROLLER}/Reassignment.ts`,
    find: "if (!tracked.confirmed || !ready) return undefined",
    replace: "if (!ready) return undefined",
    also: [
      {
        file: `${CONTROLLER}/Reassignment.ts`,
        find: "if (!tracked.confirmed) return undefined",
        replace: ""
      }
    ],
    seedsMax: 20,
    sets: REASSIGNED
  },
  {
    name: "controller: a confirmation of another version counts",
    rule: "rule 30",
    what: "Reports of the leader are taken whatever config version they speak of.",
    file: `${CONTROLLER}/Reports.ts`,
    find: "return report.configVersion === configVersion",
    replace: "return report.configVersion <= configVersion",
    seedsMax: 60,
    sets: REASSIGNED
  },
  {
    name: "controller: learners answer elections",
    rule: "rule 17",
    what: "Replicas being added count in elections as those that vote.",
    file: `${METADATA}/Replicas.ts`,
    find: "replicasWhere(partition, (node) => !partition.adding.includes(node))",
    replace: "replicasWhere(partition, (node) => partition.replicas.includes(node))",
    seedsMax: 40,
    sets: [...REASSIGNED, "bias=none", "faultEveryMs=200", "crashWeight=1"]
  },
  {
    name: "controller: a restarted leader is not replaced",
    rule: "rule 19",
    what: "A leader that has restarted before anybody noticed is taken for the one that was elected.",
    file: `${CONTROLLER}/Elections.ts`,
    find: "return leader === null || !this.#work.isLive(leader) || this.#hasRestarted(tracked)",
    replace: "return leader === null || !this.#work.isLive(leader)",
    seedsMax: 30,
    sets: [...QUICK, "voters=3", "observers=2", "bias=restartNewLeader", "biasPartitionsOnly=true", "biasChance=0.5"]
  },
  {
    name: "controller: an unclean election is not said to be one",
    rule: "rule 21",
    what: "The command of an unclean election looks like that of a clean one.",
    file: `${CONTROLLER}/Elections.ts`,
    find: "election: { leader: leader.node, leaderEpoch: election.epoch, unclean, directoryId: leader.directoryId }",
    replace:
      "election: { leader: leader.node, leaderEpoch: election.epoch, unclean: false && unclean, directoryId: leader.directoryId }",
    seedsMax: 60,
    sets: [...MAJORITY_LOST, "uncleanElections=true"]
  },
  {
    name: "controller: the time of its own pause counts",
    rule: "rule 16",
    what: "A controller that was paused takes everybody for dead when it wakes.",
    file: `${CONTROLLER}/Liveness.ts`,
    find: "if (nowMs - this.nextDeadline() > this.#work.options.heartbeatMs) {",
    replace: "if (nowMs < 0) {",
    seedsMax: 20,
    sets: [
      ...QUICK,
      "voters=1",
      "observers=3",
      "membershipEveryMs=0",
      "wipesMax=0",
      ...NO_FAULTS,
      "pauseWeight=1",
      "faultEveryMs=300",
      "faultMs=500"
    ]
  },
  {
    name: "controller: a new controller gives nobody a session",
    rule: "rule 16",
    what: "Whoever has not sent a heartbeat when a controller begins is fenced at once.",
    file: `${CONTROLLER}/Liveness.ts`,
    find: "const deadlineMs = nowMs + this.#work.options.sessionMs\n    return",
    replace: "const deadlineMs = nowMs\n    return",
    seedsMax: 20,
    sets: [
      ...QUICK,
      "voters=3",
      "observers=1",
      "membershipEveryMs=0",
      "wipesMax=0",
      ...NO_FAULTS,
      "crashWeight=1",
      "faultEveryMs=300",
      "downMs=300"
    ]
  },
  {
    name: "controller: a fenced node is elected",
    rule: "rule 13",
    what: "Whoever has promised can be elected, and the command does not ask whether it is still there.",
    file: `${CONTROLLER}/Elections.ts`,
    find: "electable: this.#work.isLive(replica) && !(tracked.offline && node === tracked.image.leader)",
    replace: "electable: !(tracked.offline && node === tracked.image.leader)",
    also: [
      {
        file: `${METADATA}/ReplayPartitions.ts`,
        find: "!broker.fenced &&",
        replace: ""
      }
    ],
    seedsMax: 300,
    sets: CRASHES
  },
  {
    name: "controller: an unclean election where it is forbidden",
    rule: "rule 21",
    what: "Unclean elections are held without asking whether the topic allows them.",
    file: `${CONTROLLER}/Elections.ts`,
    find: "return topic !== undefined && this.#work.options.uncleanElection(topic)",
    replace: "return topic !== undefined",
    seedsMax: 80,
    sets: [...MAJORITY_LOST, "uncleanElections=false"]
  },
  {
    name: "controller: promises beyond the image are not believed",
    rule: "rule 12",
    what: "What replicas report of promises beyond the image is not believed.",
    file: `${CONTROLLER}/Reports.ts`,
    find: "return this.#elections.promiseAhead(tracked, promised)",
    replace: "return promised < 0 && this.#elections.promiseAhead(tracked, promised)",
    seedsMax: 80,
    sets: CONTROLLER_DIES
  }
]
