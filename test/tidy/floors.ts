/**
 * The floor plan of the project, as data. A folder imports itself, its own floor and lower floors; siblings on one floor must
 * not import each other in a circle. The rules are checked by `floors.test.ts`.
 *
 * Paths are from the repository's root; a file that is listed itself (`Standalone.ts`) has a floor of its own.
 */
export interface Place {
  /** A folder, or a single file. */
  readonly path: string
  readonly floor: number
}

const CORE = "packages/core/src"
const SERVER = "packages/server/src"
const CLI = "packages/cli/src"

const at = (root: string, floor: number, ...names: ReadonlyArray<string>): ReadonlyArray<Place> =>
  names.map((name) => ({ path: `${root}/${name}`, floor }))

export const FLOORS: ReadonlyArray<Place> = [
  ...at(CORE, 0, "base"),
  ...at(CORE, 1, "model", "config", "purgatory", "quota"),
  ...at(CORE, 2, "protocol", "record", "wal"),
  ...at(CORE, 3, "raft", "log"),
  ...at(CORE, 4, "replication", "coordinator"),
  ...at(CORE, 5, "metadata"),
  ...at(CORE, 6, "controller", "group", "transaction"),
  ...at(CORE, 7, "peer", "admin"),
  ...at(SERVER, 8, "io", "actor", "observe"),
  ...at(SERVER, 9, "config", "storage", "network", "peer", "client"),
  ...at(SERVER, 10, "metadata"),
  ...at(SERVER, 11, "replication", "quota"),
  ...at(SERVER, 12, "cluster", "coordinator"),
  ...at(SERVER, 13, "handlers", "admin"),
  ...at(SERVER, 14, "Standalone.ts", "Cluster.ts", "Server.ts"),
  { path: CLI, floor: 15 }
]

/** Single imports that the plan forbids and that have a reason, `from → to`. */
export const FLOOR_EXCEPTIONS: ReadonlyMap<string, string> = new Map([
  [
    "packages/server/src/observe/StartReport.ts → packages/server/src/config/NodeConfig.ts",
    "a type only: the report names the durability that the node was configured with"
  ]
])

/** What the command line may import of the server without loading the broker. */
export const CLI_MAY_IMPORT: ReadonlyArray<string> = [
  `${SERVER}/client`,
  `${SERVER}/config`,
  `${SERVER}/io/Compression.ts`,
  `${SERVER}/io/Crc.ts`,
  `${SERVER}/observe/StartReport.ts`
]

/** Who may import the whole server, and how. */
export const CLI_SERVER_ENTRY: ReadonlyMap<string, "dynamic" | "static"> = new Map([
  [`${CLI}/commands/Serve.ts`, "dynamic"],
  [`${CLI}/testing.ts`, "static"]
])

/** Modules of `effect` that hold data and no effects: all that `packages/core` may use. */
export const PURE_EFFECT_MODULES: ReadonlySet<string> = new Set([
  "Array",
  "BigInt",
  "Boolean",
  "Brand",
  "Chunk",
  "Data",
  "Equal",
  "Equivalence",
  "Function",
  "Hash",
  "HashMap",
  "HashSet",
  "Match",
  "MutableHashMap",
  "Number",
  "Option",
  "Order",
  "Predicate",
  "Record",
  "Result",
  "Schema",
  "SchemaGetter",
  "SchemaTransformation",
  "SortedMap",
  "SortedSet",
  "String",
  "Struct",
  "Tuple",
  "Types",
  "pipe"
])

/** The two contract folders of core describe RPCs, so they may name them. */
export const CONTRACT_FOLDERS: ReadonlyArray<string> = [`${CORE}/peer`, `${CORE}/admin`]
export const CONTRACT_EFFECT_MODULES: ReadonlySet<string> = new Set(["rpc", "Rpc", "RpcGroup", "RpcSchema"])

/** Where node:* and @effect/platform-node may be imported. */
export const NODE_FOLDERS: ReadonlyArray<string> = [`${SERVER}/io`, CLI]

export const CORE_ROOT = CORE
export const SERVER_ROOT = SERVER
export const CLI_ROOT = CLI

export const LINES_MAX = 800
export const FUNCTION_LINES_MAX = 70
export const BANNED_WORDS: ReadonlySet<string> = new Set([
  "util",
  "utils",
  "helper",
  "helpers",
  "common",
  "misc",
  "manager",
  "impl",
  "fix",
  "new",
  "enhanced",
  "unified",
  "integrated",
  "v2"
])

/** Functions that may be longer, `path#name`, each with its reason. */
export const LONG_FUNCTIONS: ReadonlyMap<string, string> = new Map([])

/** Files that may be longer, each with its reason. */
export const LONG_FILES: ReadonlyMap<string, string> = new Map([])

/**
 * Where time may pass on purpose. Everything else waits for an event: a Deferred, a Queue, an entry of the deadline heap.
 */
export const SLEEPERS: ReadonlyMap<string, string> = new Map([
  ["packages/server/src/actor/Deadlines.ts", "the one timer of all requests"],
  ["packages/server/src/actor/Supervisor.ts", "the pause before a restart"],
  ["packages/server/src/network/KafkaListener.ts", "the period of the idle sweep"],
  ["packages/server/src/storage/LogCleaner.ts", "the pause between rounds, and the brake on its I/O"],
  ["packages/server/src/storage/Retention.ts", "the period of retention"],
  ["packages/server/src/storage/Settler.ts", "the pause before a full disk is tried again"],
  ["packages/server/src/client/kafka/KafkaClient.ts", "the pause between two attempts"],
  ["packages/server/src/client/kafka/Connection.ts", "the deadline of an answer"],
  ["packages/server/src/io/NetClient.ts", "the deadline of a connect"],
  ["packages/server/src/io/DirectoryLock.ts", "the deadline of an answer and the pause before another attempt"]
])
