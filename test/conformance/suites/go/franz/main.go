// franz-go: records, both group protocols, and its admin client. Usage: franz HOST:PORT
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"conformance/cases"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

var seed = kgo.SeedBrokers(os.Args[1])

func client(options ...kgo.Opt) *kgo.Client {
	made, err := kgo.NewClient(append([]kgo.Opt{seed}, options...)...)
	if err != nil {
		panic(err)
	}
	return made
}

func withAdmin(body func(ctx context.Context, admin *kadm.Client) error) func(context.Context) error {
	return func(ctx context.Context) error {
		admin := kadm.NewClient(client())
		defer admin.Close()
		return body(ctx, admin)
	}
}

func newTopic(ctx context.Context, prefix string, partitions int32) (string, error) {
	admin := kadm.NewClient(client())
	defer admin.Close()
	name := cases.Topic(prefix)
	_, err := admin.CreateTopic(ctx, partitions, 1, nil, name)
	return name, err
}

func produce(ctx context.Context, topic string, from, to int, options ...kgo.Opt) error {
	producer := client(append(options, kgo.RecordPartitioner(kgo.ManualPartitioner()))...)
	defer producer.Close()
	records := make([]*kgo.Record, 0, to-from)
	for i := from; i < to; i++ {
		records = append(records, &kgo.Record{
			Topic: topic, Key: []byte(fmt.Sprint("k", i)), Value: []byte(fmt.Sprint(i)),
			Timestamp: time.UnixMilli(1_700_000_000_000 + int64(i)*1000),
			Headers:   []kgo.RecordHeader{{Key: "n", Value: []byte(fmt.Sprint(i))}},
		})
	}
	return producer.ProduceSync(ctx, records...).FirstErr()
}

func read(ctx context.Context, consumer *kgo.Client, count int) ([]*kgo.Record, error) {
	var records []*kgo.Record
	for len(records) < count {
		fetches := consumer.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			return records, fmt.Errorf("after %d of %d records: %w", len(records), count, err)
		}
		records = append(records, fetches.Records()...)
	}
	return records, nil
}

func roundTrip(codec kgo.CompressionCodec) func(context.Context) error {
	return func(ctx context.Context) error {
		topic, err := newTopic(ctx, "franz", 1)
		if err != nil {
			return err
		}
		if err := produce(ctx, topic, 0, 300, kgo.ProducerBatchCompression(codec)); err != nil {
			return err
		}
		consumer := client(kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
		defer consumer.Close()
		records, err := read(ctx, consumer, 300)
		if err != nil {
			return err
		}
		for i, record := range records {
			if err := cases.First(
				cases.Expect("offset", record.Offset, i),
				cases.Expect("value", string(record.Value), i),
				cases.Expect("header", string(record.Headers[0].Value), i),
				cases.Expect("timestamp", record.Timestamp.UnixMilli(), 1_700_000_000_000+int64(i)*1000),
			); err != nil {
				return err
			}
		}
		return nil
	}
}

// group shares a topic between two members, one of which leaves.
func group(newProtocol bool) func(context.Context) error {
	return func(ctx context.Context) error {
		topic, err := newTopic(ctx, "franz-group", 4)
		if err != nil {
			return err
		}
		if newProtocol {
			ctx = context.WithValue(ctx, "opt_in_kafka_next_gen_balancer_beta", true)
		}
		member := func() *kgo.Client {
			return client(
				kgo.WithContext(ctx), kgo.ConsumerGroup("g-"+topic), kgo.ConsumeTopics(topic), kgo.DisableAutoCommit(),
				kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.SessionTimeout(6*time.Second),
				kgo.HeartbeatInterval(300*time.Millisecond), kgo.Balancers(kgo.CooperativeStickyBalancer()),
			)
		}
		if err := produce(ctx, topic, 0, 50); err != nil {
			return err
		}
		first := member()
		if _, err := read(ctx, first, 50); err != nil {
			return err
		}
		if err := first.CommitUncommittedOffsets(ctx); err != nil {
			return err
		}
		second := member()
		defer second.CloseAllowingRebalance()
		if err := shared(ctx, topic, newProtocol, first, second); err != nil {
			return err
		}
		first.CloseAllowingRebalance()
		if err := produce(ctx, topic, 50, 100); err != nil {
			return err
		}
		records, err := read(ctx, second, 50)
		if err != nil {
			return err
		}
		return cases.Expect("first value after the committed offsets", string(records[0].Value), 50)
	}
}

// shared polls both members until the group says that each has two partitions.
func shared(ctx context.Context, topic string, newProtocol bool, members ...*kgo.Client) error {
	admin := kadm.NewClient(client())
	defer admin.Close()
	for {
		for _, member := range members {
			short, cancel := context.WithTimeout(ctx, 200*time.Millisecond)
			member.PollFetches(short)
			cancel()
		}
		if ctx.Err() != nil {
			return errors.New("no two shares")
		}
		sizes, err := shares(ctx, admin, topic, newProtocol)
		if err != nil {
			return err
		}
		if fmt.Sprint(sizes) == "[2 2]" {
			return nil
		}
	}
}

func shares(ctx context.Context, admin *kadm.Client, topic string, newProtocol bool) ([]int, error) {
	var sizes []int
	if newProtocol {
		described, err := admin.DescribeConsumerGroups(ctx, "g-"+topic)
		if err != nil {
			return nil, err
		}
		for _, member := range described["g-"+topic].Members {
			count := 0
			for _, partitions := range member.Assignment {
				count += len(partitions)
			}
			sizes = append(sizes, count)
		}
		return sizes, described["g-"+topic].Err
	}
	described, err := admin.DescribeGroups(ctx, "g-"+topic)
	if err != nil {
		return nil, err
	}
	for _, member := range described["g-"+topic].Members {
		assigned, _ := member.Assigned.AsConsumer()
		count := 0
		if assigned != nil {
			for _, one := range assigned.Topics {
				count += len(one.Partitions)
			}
		}
		sizes = append(sizes, count)
	}
	return sizes, described["g-"+topic].Err
}

func pattern(ctx context.Context) error {
	topic, err := newTopic(ctx, "franz-pattern", 1)
	if err != nil {
		return err
	}
	if err := produce(ctx, topic, 0, 10); err != nil {
		return err
	}
	consumer := client(kgo.ConsumeRegex(), kgo.ConsumeTopics("^"+topic+"$"), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	defer consumer.Close()
	_, err = read(ctx, consumer, 10)
	return err
}

func byTime(ctx context.Context) error {
	topic, err := newTopic(ctx, "franz-time", 1)
	if err != nil {
		return err
	}
	if err := produce(ctx, topic, 0, 100); err != nil {
		return err
	}
	at := time.UnixMilli(1_700_000_000_000 + 40_500)
	consumer := client(kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AfterMilli(at.UnixMilli())))
	defer consumer.Close()
	records, err := read(ctx, consumer, 59)
	if err != nil {
		return err
	}
	return cases.Expect("first offset", records[0].Offset, 41)
}

func main() {
	cases.Run([]cases.Case{
		{Name: "round-trips records with none", Run: roundTrip(kgo.NoCompression())},
		{Name: "round-trips records with gzip", Run: roundTrip(kgo.GzipCompression())},
		{Name: "round-trips records with snappy", Run: roundTrip(kgo.SnappyCompression())},
		{Name: "round-trips records with lz4", Run: roundTrip(kgo.Lz4Compression())},
		{Name: "round-trips records with zstd", Run: roundTrip(kgo.ZstdCompression())},
		{Name: "shares a group, classic protocol", Run: group(false)},
		{Name: "shares a group, consumer protocol", Run: group(true)},
		{Name: "consumes topics of a pattern", Run: pattern},
		{Name: "consumes from a time on", Run: byTime},
		{Name: "creates, describes, grows and deletes topics", Run: withAdmin(topics)},
		{Name: "alters and describes configs", Run: withAdmin(configs)},
		{Name: "commits, fetches and deletes offsets and groups", Run: withAdmin(offsets)},
		{Name: "lists offsets and deletes records", Run: withAdmin(records)},
		{Name: "describes the cluster, its directories and producers", Run: withAdmin(cluster)},
		{Name: "sets, describes and removes quotas", Run: withAdmin(quotas)},
		{Name: "elects leaders and lists reassignments", Run: withAdmin(leaders)},
		{Name: "is told that there is no authorizer", Run: withAdmin(acls)},
	})
}

func expectCode(what string, err error, code *kerr.Error) error {
	if !errors.Is(err, code) {
		return fmt.Errorf("%s: expected %s, got %v", what, code.Message, err)
	}
	return nil
}
