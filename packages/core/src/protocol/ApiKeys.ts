/**
 * Every API that this codec speaks, by key. The coverage is what `ls messages/` shows.
 *
 * Which of them a broker serves is the dispatcher's knowledge: ApiVersions must advertise only keys that have a
 * handler, because clients change their behaviour on the mere presence of a key.
 */
import type { Api } from "./Api.ts"
import { ProduceApi } from "./messages/00_Produce.ts"
import { FetchApi } from "./messages/01_Fetch.ts"
import { ListOffsetsApi } from "./messages/02_ListOffsets.ts"
import { MetadataApi } from "./messages/03_Metadata.ts"
import { OffsetCommitApi } from "./messages/08_OffsetCommit.ts"
import { OffsetFetchApi } from "./messages/09_OffsetFetch.ts"
import { FindCoordinatorApi } from "./messages/10_FindCoordinator.ts"
import { JoinGroupApi } from "./messages/11_JoinGroup.ts"
import { HeartbeatApi } from "./messages/12_Heartbeat.ts"
import { LeaveGroupApi } from "./messages/13_LeaveGroup.ts"
import { SyncGroupApi } from "./messages/14_SyncGroup.ts"
import { DescribeGroupsApi } from "./messages/15_DescribeGroups.ts"
import { ListGroupsApi } from "./messages/16_ListGroups.ts"
import { SaslHandshakeApi } from "./messages/17_SaslHandshake.ts"
import { ApiVersionsApi } from "./messages/18_ApiVersions.ts"
import { CreateTopicsApi } from "./messages/19_CreateTopics.ts"
import { DeleteTopicsApi } from "./messages/20_DeleteTopics.ts"
import { DeleteRecordsApi } from "./messages/21_DeleteRecords.ts"
import { InitProducerIdApi } from "./messages/22_InitProducerId.ts"
import { OffsetForLeaderEpochApi } from "./messages/23_OffsetForLeaderEpoch.ts"
import { AddPartitionsToTxnApi } from "./messages/24_AddPartitionsToTxn.ts"
import { AddOffsetsToTxnApi } from "./messages/25_AddOffsetsToTxn.ts"
import { EndTxnApi } from "./messages/26_EndTxn.ts"
import { WriteTxnMarkersApi } from "./messages/27_WriteTxnMarkers.ts"
import { TxnOffsetCommitApi } from "./messages/28_TxnOffsetCommit.ts"
import { DescribeAclsApi } from "./messages/29_DescribeAcls.ts"
import { CreateAclsApi } from "./messages/30_CreateAcls.ts"
import { DeleteAclsApi } from "./messages/31_DeleteAcls.ts"
import { DescribeConfigsApi } from "./messages/32_DescribeConfigs.ts"
import { AlterConfigsApi } from "./messages/33_AlterConfigs.ts"
import { AlterReplicaLogDirsApi } from "./messages/34_AlterReplicaLogDirs.ts"
import { DescribeLogDirsApi } from "./messages/35_DescribeLogDirs.ts"
import { SaslAuthenticateApi } from "./messages/36_SaslAuthenticate.ts"
import { CreatePartitionsApi } from "./messages/37_CreatePartitions.ts"
import { CreateDelegationTokenApi } from "./messages/38_CreateDelegationToken.ts"
import { RenewDelegationTokenApi } from "./messages/39_RenewDelegationToken.ts"
import { ExpireDelegationTokenApi } from "./messages/40_ExpireDelegationToken.ts"
import { DescribeDelegationTokenApi } from "./messages/41_DescribeDelegationToken.ts"
import { DeleteGroupsApi } from "./messages/42_DeleteGroups.ts"
import { ElectLeadersApi } from "./messages/43_ElectLeaders.ts"
import { IncrementalAlterConfigsApi } from "./messages/44_IncrementalAlterConfigs.ts"
import { AlterPartitionReassignmentsApi } from "./messages/45_AlterPartitionReassignments.ts"
import { ListPartitionReassignmentsApi } from "./messages/46_ListPartitionReassignments.ts"
import { OffsetDeleteApi } from "./messages/47_OffsetDelete.ts"
import { DescribeClientQuotasApi } from "./messages/48_DescribeClientQuotas.ts"
import { AlterClientQuotasApi } from "./messages/49_AlterClientQuotas.ts"
import { DescribeUserScramCredentialsApi } from "./messages/50_DescribeUserScramCredentials.ts"
import { AlterUserScramCredentialsApi } from "./messages/51_AlterUserScramCredentials.ts"
import { UpdateFeaturesApi } from "./messages/57_UpdateFeatures.ts"
import { DescribeClusterApi } from "./messages/60_DescribeCluster.ts"
import { DescribeProducersApi } from "./messages/61_DescribeProducers.ts"
import { DescribeTransactionsApi } from "./messages/65_DescribeTransactions.ts"
import { ListTransactionsApi } from "./messages/66_ListTransactions.ts"
import { ConsumerGroupHeartbeatApi } from "./messages/68_ConsumerGroupHeartbeat.ts"
import { ConsumerGroupDescribeApi } from "./messages/69_ConsumerGroupDescribe.ts"
import { ListConfigResourcesApi } from "./messages/74_ListConfigResources.ts"
import { DescribeTopicPartitionsApi } from "./messages/75_DescribeTopicPartitions.ts"

const all: ReadonlyArray<Api> = [
  ProduceApi,
  FetchApi,
  ListOffsetsApi,
  MetadataApi,
  OffsetCommitApi,
  OffsetFetchApi,
  FindCoordinatorApi,
  JoinGroupApi,
  HeartbeatApi,
  LeaveGroupApi,
  SyncGroupApi,
  DescribeGroupsApi,
  ListGroupsApi,
  SaslHandshakeApi,
  ApiVersionsApi,
  CreateTopicsApi,
  DeleteTopicsApi,
  DeleteRecordsApi,
  InitProducerIdApi,
  OffsetForLeaderEpochApi,
  AddPartitionsToTxnApi,
  AddOffsetsToTxnApi,
  EndTxnApi,
  WriteTxnMarkersApi,
  TxnOffsetCommitApi,
  DescribeAclsApi,
  CreateAclsApi,
  DeleteAclsApi,
  DescribeConfigsApi,
  AlterConfigsApi,
  AlterReplicaLogDirsApi,
  DescribeLogDirsApi,
  SaslAuthenticateApi,
  CreatePartitionsApi,
  CreateDelegationTokenApi,
  RenewDelegationTokenApi,
  ExpireDelegationTokenApi,
  DescribeDelegationTokenApi,
  DeleteGroupsApi,
  ElectLeadersApi,
  IncrementalAlterConfigsApi,
  AlterPartitionReassignmentsApi,
  ListPartitionReassignmentsApi,
  OffsetDeleteApi,
  DescribeClientQuotasApi,
  AlterClientQuotasApi,
  DescribeUserScramCredentialsApi,
  AlterUserScramCredentialsApi,
  UpdateFeaturesApi,
  DescribeClusterApi,
  DescribeProducersApi,
  DescribeTransactionsApi,
  ListTransactionsApi,
  ConsumerGroupHeartbeatApi,
  ConsumerGroupDescribeApi,
  ListConfigResourcesApi,
  DescribeTopicPartitionsApi
]

export const apis: ReadonlyMap<number, Api> = new Map(all.map((api) => [api.key, api]))

/** Name for logs and metrics. */
export const apiName = (key: number): string => apis.get(key)?.name ?? `Api${key}`
