// sarama: the versions that it is configured for, its producers and its consumer groups. Usage: saramaclient HOST:PORT
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"conformance/cases"

	"github.com/IBM/sarama"
)

var brokers = []string{os.Args[1]}

func config(version sarama.KafkaVersion) *sarama.Config {
	made := sarama.NewConfig()
	made.Version = version
	made.Producer.Return.Successes = true
	made.Consumer.Offsets.Initial = sarama.OffsetOldest
	made.Consumer.Group.Session.Timeout = 6 * time.Second
	made.Consumer.Group.Heartbeat.Interval = 300 * time.Millisecond
	return made
}

func newTopic(version sarama.KafkaVersion, partitions int32) (string, error) {
	admin, err := sarama.NewClusterAdmin(brokers, config(version))
	if err != nil {
		return "", err
	}
	defer admin.Close()
	name := cases.Topic("sarama")
	return name, admin.CreateTopic(name, &sarama.TopicDetail{NumPartitions: partitions, ReplicationFactor: 1}, false)
}

func send(topic string, count int, options *sarama.Config) error {
	producer, err := sarama.NewSyncProducer(brokers, options)
	if err != nil {
		return err
	}
	defer producer.Close()
	for i := range count {
		message := &sarama.ProducerMessage{Topic: topic, Value: sarama.StringEncoder(fmt.Sprint(i))}
		if _, _, err := producer.SendMessage(message); err != nil {
			return err
		}
	}
	return nil
}

func roundTrip(version sarama.KafkaVersion, codec sarama.CompressionCodec) func(context.Context) error {
	return func(ctx context.Context) error {
		topic, err := newTopic(version, 1)
		if err != nil {
			return err
		}
		options := config(version)
		options.Producer.Compression = codec
		options.Producer.RequiredAcks = sarama.WaitForAll
		if version.IsAtLeast(sarama.V0_11_0_0) {
			options.Producer.Idempotent = true
			options.Net.MaxOpenRequests = 1
		}
		if err := send(topic, 50, options); err != nil {
			return err
		}
		consumer, err := sarama.NewConsumer(brokers, config(version))
		if err != nil {
			return err
		}
		defer consumer.Close()
		partition, err := consumer.ConsumePartition(topic, 0, sarama.OffsetOldest)
		if err != nil {
			return err
		}
		defer partition.Close()
		for i := range 50 {
			select {
			case message := <-partition.Messages():
				if err := cases.Expect("value", string(message.Value), i); err != nil {
					return err
				}
			case <-ctx.Done():
				return fmt.Errorf("only %d records", i)
			}
		}
		return nil
	}
}

// counting is a member of a group that ends its session after so many records.
type counting struct {
	left int
	done context.CancelFunc
}

func (c *counting) Setup(sarama.ConsumerGroupSession) error   { return nil }
func (c *counting) Cleanup(sarama.ConsumerGroupSession) error { return nil }
func (c *counting) ConsumeClaim(session sarama.ConsumerGroupSession, claim sarama.ConsumerGroupClaim) error {
	for {
		select {
		case message, open := <-claim.Messages():
			if !open {
				return nil
			}
			session.MarkMessage(message, "")
			if c.left--; c.left == 0 {
				session.Commit()
				c.done()
				return nil
			}
		case <-session.Context().Done():
			return nil
		}
	}
}

func consume(ctx context.Context, topic string, count int, version sarama.KafkaVersion) error {
	group, err := sarama.NewConsumerGroup(brokers, "g-"+topic, config(version))
	if err != nil {
		return err
	}
	defer group.Close()
	inner, cancel := context.WithCancel(ctx)
	defer cancel()
	member := &counting{left: count, done: cancel}
	for inner.Err() == nil {
		if err := group.Consume(inner, []string{topic}, member); err != nil && !errors.Is(err, context.Canceled) {
			return err
		}
	}
	return cases.Expect("records left", member.left, 0)
}

func group(version sarama.KafkaVersion) func(context.Context) error {
	return func(ctx context.Context) error {
		topic, err := newTopic(version, 1)
		if err != nil {
			return err
		}
		if err := send(topic, 20, config(version)); err != nil {
			return err
		}
		if err := consume(ctx, topic, 20, version); err != nil {
			return err
		}
		admin, err := sarama.NewClusterAdmin(brokers, config(version))
		if err != nil {
			return err
		}
		defer admin.Close()
		offsets, err := admin.ListConsumerGroupOffsets("g-"+topic, map[string][]int32{topic: {0}})
		if err != nil {
			return err
		}
		if err := cases.Expect("committed", offsets.GetBlock(topic, 0).Offset, 20); err != nil {
			return err
		}
		return admin.DeleteConsumerGroup("g-" + topic)
	}
}

func main() {
	all := []cases.Case{}
	for _, version := range []sarama.KafkaVersion{sarama.V1_0_0_0, sarama.V2_8_0_0, sarama.MaxVersion} {
		for _, codec := range []sarama.CompressionCodec{sarama.CompressionNone, sarama.CompressionGZIP, sarama.CompressionSnappy, sarama.CompressionLZ4, sarama.CompressionZSTD} {
			if codec == sarama.CompressionZSTD && !version.IsAtLeast(sarama.V2_1_0_0) {
				continue
			}
			name := fmt.Sprintf("round-trips records with %s, as for Kafka %s", codec, version)
			all = append(all, cases.Case{Name: name, Run: roundTrip(version, codec)})
		}
		if version.IsAtLeast(sarama.V1_1_0_0) {
			all = append(all, cases.Case{Name: fmt.Sprintf("consumes in a group, as for Kafka %s", version), Run: group(version)})
		}
	}
	cases.Run(all)
}
