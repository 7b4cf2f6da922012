/** Bugs planted in the metadata's commands and images (`core/metadata`). */
import type { Mutation } from "../Mutation.ts"
import { CRASHES, WIPES } from "./settings.ts"

const METADATA = "packages/core/src/metadata"

export const METADATA_MUTATIONS: ReadonlyArray<Mutation> = [
  {
    name: "metadata: a retry is applied twice",
    rule: "rule 29",
    what: "A command that comes again under its id is applied again.",
    file: `${METADATA}/Replay.ts`,
    find: "const before = id === null ? undefined : image.appliedCommand(id)",
    replace: "const before = id === null ? undefined : image.appliedCommand('again')",
    seedsMax: 30,
    sets: ["voters=3", "metadataClients=2", "metadataEveryMs=10", "bias=killNewLeader", "safetyMs=1500"]
  },
  {
    name: "metadata: command ids are not in snapshots",
    rule: "rule 29",
    what: "A node that begins from a snapshot has forgotten which commands were applied.",
    file: `${METADATA}/Snapshot.ts`,
    find: "commands: HashMap.fromIterable(commands)",
    replace: "commands: HashMap.empty()",
    seedsMax: 60,
    sets: [
      "voters=3",
      "metadataClients=2",
      "metadataEveryMs=10",
      "snapshotAfterBytes=300",
      "crashWeight=1",
      "faultEveryMs=150",
      "safetyMs=1500"
    ]
  },
  {
    name: "metadata: command ids expire while clients still retry",
    rule: "rule 29",
    what: "A command's id is remembered for a few entries of the log only.",
    file: `${METADATA}/Replay.ts`,
    find: "export const COMMAND_ID_WINDOW = 65_536",
    replace: "export const COMMAND_ID_WINDOW = 4",
    seedsMax: 30,
    sets: ["voters=3", "metadataClients=2", "metadataEveryMs=10", "bias=killNewLeader", "safetyMs=1500"]
  },
  {
    name: "metadata: registrations are not in snapshots",
    rule: "rule 19",
    what: "An image from a snapshot knows nodes but not when they registered.",
    file: `${METADATA}/Snapshot.ts`,
    find: "registeredAt: row.number()",
    replace: "registeredAt: row.number() * 0",
    seedsMax: 60,
    sets: ["voters=3", "snapshotAfterBytes=300", "crashWeight=1", "faultEveryMs=150", "safetyMs=1500"]
  },
  {
    name: "metadata: a counted replica follows its node to an empty disk",
    rule: "rule 18",
    what: "A node that comes back with another disk is taken for the replica that it was.",
    file: `${METADATA}/ReplayPartitions.ts`,
    find: `if (partition.directories[at] !== "" && !partition.adding.includes(node)) {`,
    replace: "if (partition.directories[at] === directoryId) {",
    seedsMax: 30,
    sets: WIPES
  },
  {
    name: "metadata: the leader is removed while it leads",
    rule: "rule 17",
    what: "A reassignment removes whoever is next, the leader too.",
    file: "packages/core/src/controller/ReassignmentPlan.ts",
    find: "const others = surplus.filter(({ node }) => node !== partition.leader)",
    replace: "const others = surplus",
    also: [
      {
        file: "packages/core/src/controller/Reassignment.ts",
        find: `assert(step.node !== image.leader, "a leader is never removed while it leads (rule 17)")`,
        replace: ""
      },
      {
        file: `${METADATA}/ReplayPartitions.ts`,
        find: "if (lost.includes(partition.leader)) return false",
        replace: ""
      }
    ],
    seedsMax: 40,
    sets: ["voters=3", "observers=1", "replicationFactor=3", "reassignEveryMs=60", "safetyMs=1500"]
  },
  {
    name: "metadata: a fenced node stays in the in-sync sets",
    rule: "rule 30",
    what: "Fencing a node leaves it in the in-sync sets of its partitions.",
    file: `${METADATA}/ReplayNodes.ts`,
    find: "const moved = command.fenced ? withoutInSync(image, command.nodeId) : { fields: {}, partitionsChanged: [] }",
    replace:
      "const moved = command.nodeId < 0 ? withoutInSync(image, command.nodeId) : { fields: {}, partitionsChanged: [] }",
    seedsMax: 30,
    sets: CRASHES
  }
]
