/**
 * Every suite, in the order in which they run.
 */
import { javaSuites } from "./java/JavaSuite.ts"
import { librdkafkaClassic, librdkafkaConsumer } from "./librdkafka/Librdkafka.ts"
import type { Suite } from "./Suite.ts"

export const SUITES: ReadonlyArray<Suite> = [librdkafkaClassic, librdkafkaConsumer, ...javaSuites]
