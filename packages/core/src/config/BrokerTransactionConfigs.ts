/**
 * Broker keys of transactions and idempotent producers.
 */
import { CLUSTER_WIDE, type ConfigDefinition, define, KEPT } from "./ConfigDefinition.ts"

const MIB = 1024 * 1024

export const TRANSACTION_CONFIGS: ReadonlyArray<ConfigDefinition> = [
  define("transaction.max.timeout.ms", "int", 900_000, "Longest transaction timeout that a producer may ask for.", {
    min: 1
  }),
  define(
    "transaction.state.log.num.partitions",
    "int",
    50,
    "Partitions of __transaction_state, fixed when it is created.",
    { min: 1 }
  ),
  define(
    "transaction.state.log.replication.factor",
    "short",
    1,
    "Replicas of __transaction_state, used when it is created.",
    { min: 1 }
  ),
  define("transaction.state.log.min.isr", "int", 1, "min.insync.replicas of __transaction_state.", { min: 1 }),
  define("transaction.state.log.segment.bytes", "int", 100 * MIB, "segment.bytes of __transaction_state.", { min: 1 }),
  define(
    "transaction.abort.timed.out.transaction.cleanup.interval.ms",
    "int",
    10_000,
    "How often timed-out transactions are looked for.",
    { min: 1 }
  ),
  define("transactional.id.expiration.ms", "int", 604_800_000, "How long an unused transactional id is remembered.", {
    min: 1
  }),
  define(
    "transaction.partition.verification.enable",
    "boolean",
    true,
    "Whether a produce is checked against its transaction.",
    CLUSTER_WIDE
  ),
  define(
    "producer.id.expiration.ms",
    "int",
    86_400_000,
    "How long a partition remembers an idle idempotent producer.",
    { min: 1, ...CLUSTER_WIDE }
  ),
  define("transaction.state.log.load.buffer.size", "int", 5 * MIB, KEPT, { min: 1 }),
  define(
    "transaction.remove.expired.transaction.cleanup.interval.ms",
    "int",
    3_600_000,
    "How often transactional ids that have expired are looked for.",
    { min: 1 }
  ),
  define("add.partitions.to.txn.retry.backoff.ms", "int", 20, KEPT, { min: 1 }),
  define("add.partitions.to.txn.retry.backoff.max.ms", "int", 100, KEPT, { min: 0 }),
  define("transaction.two.phase.commit.enable", "boolean", false, KEPT)
]
