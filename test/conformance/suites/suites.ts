/**
 * Every suite, in the order in which they run.
 */
import { goSuites } from "./go/GoSuite.ts"
import { javaSuites } from "./java/JavaSuite.ts"
import { confluentSuite } from "./javascript/ConfluentSuite.ts"
import { librdkafkaClassic, librdkafkaConsumer } from "./librdkafka/Librdkafka.ts"
import { npmSuites } from "./NpmTests.ts"
import { pythonSuites } from "./python/PythonSuite.ts"
import type { Suite } from "./Suite.ts"

export const SUITES: ReadonlyArray<Suite> = [
  ...npmSuites,
  confluentSuite,
  ...pythonSuites,
  ...goSuites,
  ...javaSuites,
  librdkafkaClassic,
  librdkafkaConsumer
]
