/**
 * Every API that this broker serves: what is in this list is answered and advertised, and nothing else.
 */
import { Effect } from "effect"
import * as Produce from "./00_Produce.ts"
import * as Fetch from "./01_Fetch.ts"
import * as ListOffsets from "./02_ListOffsets.ts"
import * as Metadata from "./03_Metadata.ts"
import * as OffsetCommit from "./08_OffsetCommit.ts"
import * as OffsetFetch from "./09_OffsetFetch.ts"
import * as FindCoordinator from "./10_FindCoordinator.ts"
import * as JoinGroup from "./11_JoinGroup.ts"
import * as Heartbeat from "./12_Heartbeat.ts"
import * as LeaveGroup from "./13_LeaveGroup.ts"
import * as SyncGroup from "./14_SyncGroup.ts"
import * as DescribeGroups from "./15_DescribeGroups.ts"
import * as ListGroups from "./16_ListGroups.ts"
import * as ApiVersions from "./18_ApiVersions.ts"
import * as CreateTopics from "./19_CreateTopics.ts"
import * as DeleteTopics from "./20_DeleteTopics.ts"
import * as DeleteRecords from "./21_DeleteRecords.ts"
import * as InitProducerId from "./22_InitProducerId.ts"
import * as OffsetForLeaderEpoch from "./23_OffsetForLeaderEpoch.ts"
import * as DescribeAcls from "./29_DescribeAcls.ts"
import * as CreateAcls from "./30_CreateAcls.ts"
import * as DeleteAcls from "./31_DeleteAcls.ts"
import * as DescribeConfigs from "./32_DescribeConfigs.ts"
import * as AlterConfigs from "./33_AlterConfigs.ts"
import * as DescribeLogDirs from "./35_DescribeLogDirs.ts"
import * as CreatePartitions from "./37_CreatePartitions.ts"
import * as DeleteGroups from "./42_DeleteGroups.ts"
import * as ElectLeaders from "./43_ElectLeaders.ts"
import * as IncrementalAlterConfigs from "./44_IncrementalAlterConfigs.ts"
import * as AlterPartitionReassignments from "./45_AlterPartitionReassignments.ts"
import * as ListPartitionReassignments from "./46_ListPartitionReassignments.ts"
import * as OffsetDelete from "./47_OffsetDelete.ts"
import * as DescribeClientQuotas from "./48_DescribeClientQuotas.ts"
import * as AlterClientQuotas from "./49_AlterClientQuotas.ts"
import * as DescribeUserScramCredentials from "./50_DescribeUserScramCredentials.ts"
import * as DescribeCluster from "./60_DescribeCluster.ts"
import * as DescribeProducers from "./61_DescribeProducers.ts"
import * as ConsumerGroupHeartbeat from "./68_ConsumerGroupHeartbeat.ts"
import * as ConsumerGroupDescribe from "./69_ConsumerGroupDescribe.ts"
import * as ListConfigResources from "./74_ListConfigResources.ts"
import * as DescribeTopicPartitions from "./75_DescribeTopicPartitions.ts"
import * as Dispatcher from "./Dispatcher.ts"

const handlers = Effect.gen(function* () {
  const hot = [yield* Produce.make, yield* Fetch.make]
  const forked = [
    yield* ListOffsets.make,
    yield* Metadata.make,
    yield* OffsetCommit.make,
    yield* OffsetFetch.make,
    yield* FindCoordinator.make,
    yield* JoinGroup.make,
    yield* Heartbeat.make,
    yield* LeaveGroup.make,
    yield* SyncGroup.make,
    yield* DescribeGroups.make,
    yield* ListGroups.make,
    yield* CreateTopics.make,
    yield* DeleteTopics.make,
    yield* DeleteRecords.make,
    yield* InitProducerId.make,
    yield* OffsetForLeaderEpoch.make,
    yield* DescribeAcls.make,
    yield* CreateAcls.make,
    yield* DeleteAcls.make,
    yield* DescribeConfigs.make,
    yield* AlterConfigs.make,
    yield* DescribeLogDirs.make,
    yield* CreatePartitions.make,
    yield* DeleteGroups.make,
    yield* ElectLeaders.make,
    yield* IncrementalAlterConfigs.make,
    yield* AlterPartitionReassignments.make,
    yield* ListPartitionReassignments.make,
    yield* OffsetDelete.make,
    yield* DescribeClientQuotas.make,
    yield* AlterClientQuotas.make,
    yield* DescribeCluster.make,
    yield* DescribeUserScramCredentials.make,
    yield* ListConfigResources.make,
    yield* DescribeProducers.make,
    yield* ConsumerGroupHeartbeat.make,
    yield* ConsumerGroupDescribe.make,
    yield* DescribeTopicPartitions.make
  ]
  const apiVersions = yield* ApiVersions.make([...hot, ...forked].map((handler) => handler.api))
  return { hot, forked, apiVersions }
})

/** The `RequestHandler` that the listener hands its requests to. */
export const layerHandlers = Dispatcher.layer(handlers)
