"""kafka-python, 2.0.2 and 3.x: records, groups, offsets and administration. Usage: kafka_python.py HOST:PORT"""
import sys
import threading

import kafka
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import ConfigResource, ConfigResourceType, NewPartitions, NewTopic
from kafka.errors import TopicAlreadyExistsError, UnknownTopicOrPartitionError
from kafka.structs import OffsetAndMetadata

from cases import Skip, expect, pause, run, topic_name, wait_for

BOOTSTRAP = sys.argv[1]
OLD = kafka.__version__.startswith("2.0")


def offset_and_metadata(offset, metadata):
    return OffsetAndMetadata(offset, metadata) if OLD else OffsetAndMetadata(offset, metadata, -1)


def admin():
    return KafkaAdminClient(bootstrap_servers=BOOTSTRAP)


def new_topic(prefix, partitions=1):
    name = topic_name(prefix)
    client = admin()
    client.create_topics([NewTopic(name, partitions, 1)])
    client.close()
    return name


def producer(**options):
    return KafkaProducer(bootstrap_servers=BOOTSTRAP, **options)


def consumer(*topics, **options):
    options.setdefault("auto_offset_reset", "earliest")
    options.setdefault("session_timeout_ms", 6000)
    options.setdefault("heartbeat_interval_ms", 500)
    options.setdefault("request_timeout_ms", 30000)
    return KafkaConsumer(*topics, bootstrap_servers=BOOTSTRAP, **options)


def send(topic, values, **options):
    client = producer(**options)
    sent = [client.send(topic, value=value.encode(), partition=0) for value in values]
    client.flush(30)
    results = [future.get(10) for future in sent]
    client.close()
    return results


def read(client, count, seconds=30):
    records = []

    def more():
        for batch in client.poll(timeout_ms=500).values():
            records.extend(batch)
        return len(records) >= count

    wait_for(more, "%d records" % count, seconds)
    return records


def versions():
    client = consumer()
    version = client.config["api_version"]
    client.close()
    if version is not None and tuple(version) < (2, 5):
        raise AssertionError("takes us for a broker of version %r" % (version,))


def topics():
    client = admin()
    name = topic_name("py-topics")
    client.create_topics([NewTopic(name, 3, 1, topic_configs={"retention.ms": "60000"})])
    expect(name in client.list_topics(), True, "listed")
    described = client.describe_topics([name])[0]
    expect(len(described["partitions"]), 3, "partitions")
    try:
        client.create_topics([NewTopic(name, 3, 1)])
        raise AssertionError("created twice")
    except TopicAlreadyExistsError:
        pass
    client.create_partitions({name: NewPartitions(5) if OLD else 5})
    expect(len(client.describe_topics([name])[0]["partitions"]), 5, "partitions after the increase")
    client.delete_topics([name])
    expect(name in client.list_topics(), False, "listed after deletion")
    try:
        client.delete_topics([name])
        raise AssertionError("deleted twice")
    except UnknownTopicOrPartitionError:
        pass
    client.close()


def configs():
    client = admin()
    name = topic_name("py-configs")
    client.create_topics([NewTopic(name, 1, 1)])
    resource = ConfigResource(ConfigResourceType.TOPIC, name, configs={"retention.ms": "123456"})
    client.alter_configs([resource])
    if OLD:
        answers = client.describe_configs([ConfigResource(ConfigResourceType.TOPIC, name)])
        entries = answers[0].resources[0][4]
        values = {entry[0]: entry[1] for entry in entries}
        expect("cleanup.policy" in values, True, "has the default cleanup.policy")
        expect(values["retention.ms"], "123456", "retention.ms")
    else:
        modified = client.describe_configs([ConfigResource(ConfigResourceType.TOPIC, name)])
        text = repr(modified)
        expect("123456" in text, True, "retention.ms in %s" % text)
        everything = client.describe_configs([ConfigResource(ConfigResourceType.BROKER, "1")], config_filter="all")
        expect("num.partitions" in repr(everything), True, "num.partitions among the broker's configs")
    client.close()


def round_trip(codec):
    def body():
        name = new_topic("py-%s" % (codec or "none"))
        values = ["value %d %s" % (i, "x" * (i % 50)) for i in range(300)]
        results = send(name, values, compression_type=codec, linger_ms=20, acks="all")
        expect([result.offset for result in results], list(range(300)), "offsets")
        client = consumer(check_crcs=True)
        client.assign([TopicPartition(name, 0)])
        expect([record.value.decode() for record in read(client, 300)], values, "values")
        client.close()

    return body


def headers():
    name = new_topic("py-headers")
    client = producer()
    metadata = client.send(
        name, value=b"v", key=b"k", headers=[("a", b"1"), ("a", b"2")], timestamp_ms=1_700_000_000_000
    ).get(10)
    client.send(name, value=None, key=b"k").get(10)
    client.close()
    expect(metadata.offset, 0, "offset")
    reader = consumer()
    reader.assign([TopicPartition(name, 0)])
    first, second = read(reader, 2)
    expect((first.key, first.value, list(first.headers)), (b"k", b"v", [("a", b"1"), ("a", b"2")]), "record")
    expect((first.timestamp, first.timestamp_type), (1_700_000_000_000, 0), "timestamp")
    expect(second.value, None, "tombstone")
    reader.close()


def idempotent():
    if OLD:
        raise Skip("this version has no idempotent producer")
    name = new_topic("py-idempotent")
    results = send(name, ["v%d" % i for i in range(200)], enable_idempotence=True)
    expect([result.offset for result in results], list(range(200)), "offsets")


class Member(threading.Thread):
    """A consumer of a group that polls on a thread of its own: a member that joins waits for the others to poll."""

    def __init__(self, topic, group_id):
        super().__init__(daemon=True)
        self.values = []
        self.assigned = frozenset()
        self.leaving = threading.Event()
        self.client = consumer(topic, group_id=group_id, enable_auto_commit=False)
        self.start()

    def run(self):
        while not self.leaving.is_set():
            polled = self.client.poll(timeout_ms=100)
            for batch in polled.values():
                self.values.extend(record.value for record in batch)
            self.assigned = frozenset(self.client.assignment())
            if polled:
                self.client.commit()
        self.client.close()

    def leave(self):
        self.leaving.set()
        self.join(30)
        expect(self.is_alive(), False, "member still there")


def group():
    name = new_topic("py-group", 4)
    client = producer()

    def give(value):
        for partition in range(4):
            client.send(name, value=value, partition=partition).get(10)

    give(b"early")
    first = Member(name, "g-" + name)
    wait_for(lambda: pause() or len(first.values) == 4, "records of the first member", 60)
    second = Member(name, "g-" + name)
    wait_for(lambda: pause() or len(first.assigned) == len(second.assigned) == 2, "two shares", 60)
    expect(first.assigned & second.assigned, frozenset(), "partitions of both members")
    first.leave()
    wait_for(lambda: pause() or len(second.assigned) == 4, "all partitions for the one that stays", 60)
    give(b"late")
    wait_for(lambda: pause() or len(second.values) >= 4, "records of the second member", 60)
    expect(second.values, [b"late"] * 4, "what comes after the committed offsets")
    second.leave()
    client.close()


def offsets():
    name = new_topic("py-offsets")
    client = producer()
    for i in range(10):
        client.send(name, value=b"%d" % i, timestamp_ms=1_700_000_000_000 + i * 1000).get(10)
    client.close()
    partition = TopicPartition(name, 0)
    reader = consumer(group_id="g-" + name, enable_auto_commit=False)
    reader.assign([partition])
    expect(reader.beginning_offsets([partition])[partition], 0, "first offset")
    expect(reader.end_offsets([partition])[partition], 10, "end offset")
    found = reader.offsets_for_times({partition: 1_700_000_003_500})[partition]
    expect((found.offset, found.timestamp), (4, 1_700_000_004_000), "by time")
    expect(reader.offsets_for_times({partition: 1_800_000_000_000})[partition], None, "by a time after all records")
    reader.seek(partition, 7)
    expect([record.offset for record in read(reader, 3)], [7, 8, 9], "after a seek")
    reader.commit({partition: offset_and_metadata(5, "half of them")})
    expect(reader.committed(partition), 5, "committed")
    reader.close()


def out_of_range():
    name = new_topic("py-range")
    send(name, ["a", "b"])
    partition = TopicPartition(name, 0)
    reader = consumer()
    reader.assign([partition])
    reader.seek(partition, 1000)
    expect([record.value for record in read(reader, 2)], [b"a", b"b"], "after the reset")
    reader.close()


def groups_of_admin():
    name = new_topic("py-admin")
    send(name, ["a", "b", "c"])
    group_id = "g-" + name
    member = consumer(name, group_id=group_id, enable_auto_commit=False)
    read(member, 3)
    member.commit()
    client = admin()
    partition = TopicPartition(name, 0)
    if OLD:
        expect((group_id, "consumer") in client.list_consumer_groups(), True, "listed")
        described = client.describe_consumer_groups([group_id])[0]
        expect((described.state, len(described.members)), ("Stable", 1), "described")
        expect(client.list_consumer_group_offsets(group_id)[partition].offset, 3, "offset")
    else:
        expect(group_id in repr(client.list_groups()), True, "listed")
        expect("Stable" in repr(client.describe_groups([group_id])), True, "described")
        expect(client.list_group_offsets({group_id: None})[group_id][partition].offset, 3, "offset")
    delete = client.delete_consumer_groups if OLD else client.delete_groups
    refused = repr(delete([group_id]))
    expect("NonEmptyGroup" in refused, True, "deletion of a group with a member gave %s" % refused)
    member.close()
    deleted = repr(delete([group_id]))
    expect("NoError" in deleted or "'OK'" in deleted, True, "deletion gave %s" % deleted)
    client.close()


def offsets_of_admin():
    if OLD:
        raise Skip("this version has no such calls")
    from kafka.admin import OffsetSpec

    name = new_topic("py-reset")
    send(name, ["a", "b", "c", "d"])
    group_id = "g-" + name
    partition = TopicPartition(name, 0)
    client = admin()
    client.alter_group_offsets(group_id, {partition: offset_and_metadata(3, "set")})
    expect(client.list_group_offsets({group_id: None})[group_id][partition].offset, 3, "altered")
    client.reset_group_offsets(group_id, {partition: OffsetSpec.EARLIEST})
    expect(client.list_group_offsets({group_id: None})[group_id][partition].offset, 0, "reset")
    client.delete_group_offsets(group_id, [partition])
    left = client.list_group_offsets({group_id: None}).get(group_id, {})
    expect(partition in left and left[partition].offset >= 0, False, "offset left after its deletion")
    client.delete_records({partition: 2})
    specs = {partition: OffsetSpec.EARLIEST}
    expect(client.list_partition_offsets(specs)[partition].offset, 2, "first offset after deletion of records")
    client.close()


def cluster_of_admin():
    client = admin()
    cluster = client.describe_cluster()
    expect(len(cluster["brokers"]), 1, "brokers")
    if not OLD:
        name = new_topic("py-cluster")
        send(name, ["x" * 100])
        expect(name in repr(client.describe_log_dirs([name])), True, "log directories")
        expect(client.list_partition_reassignments(), {}, "reassignments")
    client.close()


def many_threads():
    name = new_topic("py-threads", 4)
    client = producer(linger_ms=5)
    threads = [
        threading.Thread(target=lambda: [client.send(name, b"t") for _ in range(250)]) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    client.flush(30)
    client.close()
    reader = consumer()
    reader.assign([TopicPartition(name, p) for p in range(4)])
    expect(len(read(reader, 1000)), 1000, "records")
    reader.close()


if __name__ == "__main__":
    run(
        [
            ("finds out our version", versions),
            ("creates, grows and deletes topics", topics),
            ("alters and describes configs", configs),
            *[("round-trips records with %s" % (codec or "none"), round_trip(codec)) for codec in (None, "gzip", "snappy", "lz4", "zstd")],
            ("keeps keys, headers, timestamps and tombstones", headers),
            ("produces idempotently", idempotent),
            ("shares a group, and goes on from committed offsets", group),
            ("finds offsets by time, seeks and commits", offsets),
            ("resets an offset that is out of range", out_of_range),
            ("lists, describes and deletes groups", groups_of_admin),
            ("alters, resets and deletes offsets and records", offsets_of_admin),
            ("describes the cluster", cluster_of_admin),
            ("produces from many threads", many_threads),
        ]
    )
