package main

import (
	"context"
	"strings"

	"conformance/cases"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
)

func topics(ctx context.Context, admin *kadm.Client) error {
	name := cases.Topic("franz-topics")
	retention := "60000"
	if _, err := admin.CreateTopic(ctx, 3, 1, map[string]*string{"retention.ms": &retention}, name); err != nil {
		return err
	}
	_, again := admin.CreateTopic(ctx, 3, 1, nil, name)
	if err := expectCode("second creation", again, kerr.TopicAlreadyExists); err != nil {
		return err
	}
	grown, err := admin.CreatePartitions(ctx, 2, name)
	if err := cases.First(err, grown[name].Err); err != nil {
		return err
	}
	described, err := admin.ListTopics(ctx, name)
	if err := cases.First(err, cases.Expect("partitions", len(described[name].Partitions), 5)); err != nil {
		return err
	}
	deleted, err := admin.DeleteTopics(ctx, name)
	if err := cases.First(err, deleted[name].Err); err != nil {
		return err
	}
	deleted, err = admin.DeleteTopics(ctx, name)
	return cases.First(err, expectCode("second deletion", deleted[name].Err, kerr.UnknownTopicOrPartition))
}

func configs(ctx context.Context, admin *kadm.Client) error {
	name, err := newTopic(ctx, "franz-configs", 1)
	if err != nil {
		return err
	}
	policy := "compact"
	altered, err := admin.AlterTopicConfigs(ctx, []kadm.AlterConfig{{Op: kadm.AppendConfig, Name: "cleanup.policy", Value: &policy}}, name)
	if err := cases.First(err, altered[0].Err); err != nil {
		return err
	}
	described, err := admin.DescribeTopicConfigs(ctx, name)
	if err != nil {
		return err
	}
	for _, config := range described[0].Configs {
		if config.Key == "cleanup.policy" {
			return cases.Expect("cleanup.policy", config.MaybeValue(), "delete,compact")
		}
	}
	return cases.Expect("cleanup.policy", "absent", "present")
}

func offsets(ctx context.Context, admin *kadm.Client) error {
	name, err := newTopic(ctx, "franz-offsets", 2)
	if err != nil {
		return err
	}
	group := "g-" + name
	var commit kadm.Offsets
	commit.Add(kadm.Offset{Topic: name, Partition: 0, At: 3, LeaderEpoch: -1, Metadata: "three"})
	commit.Add(kadm.Offset{Topic: name, Partition: 1, At: 4, LeaderEpoch: -1})
	committed, err := admin.CommitOffsets(ctx, group, commit)
	if err := cases.First(err, committed.Error()); err != nil {
		return err
	}
	fetched, err := admin.FetchOffsets(ctx, group)
	if err != nil {
		return err
	}
	first, _ := fetched.Lookup(name, 0)
	if err := cases.First(cases.Expect("offset", first.At, 3), cases.Expect("metadata", first.Metadata, "three")); err != nil {
		return err
	}
	var gone kadm.TopicsSet
	gone.Add(name, 1)
	deletedOffsets, err := admin.DeleteOffsets(ctx, group, gone)
	if err := cases.First(err, deletedOffsets.Error()); err != nil {
		return err
	}
	lags, err := admin.Lag(ctx, group)
	if err != nil {
		return err
	}
	lag := lags[group]
	if err := lag.Error(); err != nil {
		return err
	}
	deleted, err := admin.DeleteGroup(ctx, group)
	if err := cases.First(err, deleted.Err); err != nil {
		return err
	}
	deleted, _ = admin.DeleteGroup(ctx, group)
	return expectCode("second deletion", deleted.Err, kerr.GroupIDNotFound)
}

func records(ctx context.Context, admin *kadm.Client) error {
	name, err := newTopic(ctx, "franz-records", 1)
	if err != nil {
		return err
	}
	if err := produce(ctx, name, 0, 10); err != nil {
		return err
	}
	var upTo kadm.Offsets
	upTo.Add(kadm.Offset{Topic: name, Partition: 0, At: 7})
	deleted, err := admin.DeleteRecords(ctx, upTo)
	if err := cases.First(err, deleted.Error()); err != nil {
		return err
	}
	starts, err := admin.ListStartOffsets(ctx, name)
	if err != nil {
		return err
	}
	ends, err := admin.ListEndOffsets(ctx, name)
	if err != nil {
		return err
	}
	newest, err := admin.ListMaxTimestampOffsets(ctx, name)
	if err != nil {
		return err
	}
	start, _ := starts.Lookup(name, 0)
	end, _ := ends.Lookup(name, 0)
	latest, _ := newest.Lookup(name, 0)
	return cases.First(
		cases.Expect("start", start.Offset, 7),
		cases.Expect("end", end.Offset, 10),
		cases.Expect("offset of the newest timestamp", latest.Offset, 9),
	)
}

func cluster(ctx context.Context, admin *kadm.Client) error {
	name, err := newTopic(ctx, "franz-cluster", 1)
	if err != nil {
		return err
	}
	if err := produce(ctx, name, 0, 10); err != nil {
		return err
	}
	metadata, err := admin.BrokerMetadata(ctx)
	if err := cases.First(err, cases.Expect("brokers", len(metadata.Brokers), 1)); err != nil {
		return err
	}
	var asked kadm.TopicsSet
	asked.Add(name, 0)
	directories, err := admin.DescribeAllLogDirs(ctx, asked)
	if err != nil {
		return err
	}
	size, found := int64(0), false
	directories.Each(func(directory kadm.DescribedLogDir) {
		if partition, ok := directory.Topics.Lookup(name, 0); ok {
			size, found = partition.Size, true
		}
	})
	if err := cases.First(cases.Expect("directory of the topic", found, true), cases.Expect("size > 0", size > 0, true)); err != nil {
		return err
	}
	producers, err := admin.DescribeProducers(ctx, asked)
	if err != nil {
		return err
	}
	return cases.Expect("producers", len(producers[name].Partitions[0].ActiveProducers), 1)
}

func quotas(ctx context.Context, admin *kadm.Client) error {
	id := cases.Topic("franz-client")
	entity := kadm.ClientQuotaEntity{{Type: "client-id", Name: &id}}
	alter := func(op kadm.AlterClientQuotaOp) error {
		altered, err := admin.AlterClientQuotas(ctx, []kadm.AlterClientQuotaEntry{{Entity: entity, Ops: []kadm.AlterClientQuotaOp{op}}})
		if err != nil {
			return err
		}
		return altered[0].Err
	}
	describe := func() (kadm.DescribedClientQuotas, error) {
		return admin.DescribeClientQuotas(ctx, true, []kadm.DescribeClientQuotaComponent{{Type: "client-id", MatchName: &id, MatchType: 0}})
	}
	if err := alter(kadm.AlterClientQuotaOp{Key: "producer_byte_rate", Value: 4096}); err != nil {
		return err
	}
	set, err := describe()
	if err := cases.First(err, cases.Expect("quotas", len(set), 1), cases.Expect("rate", set[0].Values[0].Value, 4096.0)); err != nil {
		return err
	}
	if err := alter(kadm.AlterClientQuotaOp{Key: "producer_byte_rate", Remove: true}); err != nil {
		return err
	}
	left, err := describe()
	return cases.First(err, cases.Expect("quotas left", len(left), 0))
}

func leaders(ctx context.Context, admin *kadm.Client) error {
	name, err := newTopic(ctx, "franz-leaders", 1)
	if err != nil {
		return err
	}
	var asked kadm.TopicsSet
	asked.Add(name, 0)
	elected, err := admin.ElectLeaders(ctx, kadm.ElectPreferredReplica, asked)
	if err := cases.First(err, expectCode("election", elected[name][0].Err, kerr.ElectionNotNeeded)); err != nil {
		return err
	}
	listed, err := admin.ListPartitionReassignments(ctx, asked)
	return cases.First(err, cases.Expect("reassignments", len(listed), 0))
}

func acls(ctx context.Context, admin *kadm.Client) error {
	builder := kadm.NewACLs().Topics("t").Allow("User:alice").AllowHosts().Operations(kadm.OpRead).ResourcePatternType(kadm.ACLPatternLiteral)
	created, err := admin.CreateACLs(ctx, builder)
	if err != nil {
		return err
	}
	for _, one := range created {
		if one.Err == nil || !strings.Contains(one.Err.Error(), kerr.SecurityDisabled.Message) {
			return cases.Expect("error", one.Err, kerr.SecurityDisabled)
		}
	}
	return cases.Expect("answers", len(created), 1)
}
