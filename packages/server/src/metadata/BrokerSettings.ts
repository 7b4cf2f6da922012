/**
 * This node's configuration under Kafka's dotted names as it was started with, before anything that was changed at run time.
 * The changes are in the metadata image; `MetadataStore.brokerConfig` lays them over this.
 */
import { BrokerConfig } from "@chronik-effect/core/config/BrokerConfig.ts"
import type { NodeConfigShape } from "../config/NodeConfig.ts"

/** The static configuration, with the node's own settings under the names by which Kafka's tools ask for them. */
export const staticBrokerConfig = (node: NodeConfigShape): BrokerConfig => {
  const values = new Map([
    ["node.id", String(node.nodeId)],
    ["broker.id", String(node.nodeId)],
    ...node.broker.staticValues
  ])
  if (node.durability !== "ephemeral") values.set("log.dir", node.dataDir)
  return new BrokerConfig(node.broker.profile, values)
}
