"""confluent-kafka: librdkafka's newest release, both group protocols, its whole AdminClient. Usage: confluent.py HOST:PORT"""
import sys

from confluent_kafka import (
    Consumer,
    ConsumerGroupState,
    ConsumerGroupTopicPartitions,
    ConsumerGroupType,
    ElectionType,
    IsolationLevel,
    KafkaError,
    KafkaException,
    Producer,
    TopicCollection,
    TopicPartition,
)
from confluent_kafka.admin import (
    AclBinding,
    AclOperation,
    AclPermissionType,
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewPartitions,
    NewTopic,
    OffsetSpec,
    ResourcePatternType,
    ResourceType,
)

from cases import expect, run, topic_name, wait_for

BOOTSTRAP = sys.argv[1]
admin = AdminClient({"bootstrap.servers": BOOTSTRAP})


def result(futures):
    """The result of a call with one key."""
    return next(iter(futures.values())).result(30)


def refused(expected, call):
    try:
        call()
    except KafkaException as error:
        expect(error.args[0].code(), expected, "code")
        return
    raise AssertionError("was not refused with %r" % expected)


def new_topic(prefix, partitions=1):
    name = topic_name(prefix)
    result(admin.create_topics([NewTopic(name, partitions, 1)]))
    return name


def produce(topic, values, **options):
    failures = []
    client = Producer({"bootstrap.servers": BOOTSTRAP, "linger.ms": 5, **options})
    for i, value in enumerate(values):
        client.produce(topic, value, key=b"k%d" % i, partition=0, on_delivery=lambda e, _: failures.append(e) if e else None)
    expect(client.flush(30), 0, "records that were not delivered")
    expect(failures, [], "failures")


def consumer(group_id, protocol="classic", **options):
    limits = {"session.timeout.ms": 6000} if protocol == "classic" else {}
    return Consumer(
        {
            "bootstrap.servers": BOOTSTRAP,
            "group.id": group_id,
            "group.protocol": protocol,
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
            **limits,
            **options,
        }
    )


def read(client, count, seconds=60):
    values = []

    def more():
        message = client.poll(0.5)
        if message is not None:
            if message.error():
                raise KafkaException(message.error())
            values.append(message.value())
        return len(values) >= count

    wait_for(more, "%d records" % count, seconds)
    return values


def round_trip(codec):
    def body():
        name = new_topic("ck")
        values = [b"value %d" % i for i in range(300)]
        produce(name, values, **{"compression.type": codec, "enable.idempotence": True})
        client = consumer("g-" + name, **{"check.crcs": True})
        client.assign([TopicPartition(name, 0, 0)])
        expect(read(client, 300), values, "values")
        client.close()

    return body


def group(protocol):
    def body():
        name = new_topic("ck-group", 4)
        client = Producer({"bootstrap.servers": BOOTSTRAP})

        def give(value):
            for partition in range(4):
                client.produce(name, value, partition=partition)
            expect(client.flush(30), 0, "records that were not delivered")

        give(b"early")
        first = consumer("g-" + name, protocol)
        first.subscribe([name])
        expect(read(first, 4), [b"early"] * 4, "values of the first member")
        first.commit(asynchronous=False)
        second = consumer("g-" + name, protocol)
        second.subscribe([name])

        def shared():
            for member in (first, second):
                expect(member.poll(0.1), None, "a record that was committed")
            return len(first.assignment()) == len(second.assignment()) == 2

        wait_for(shared, "two shares", 60)
        kind = ConsumerGroupType.CONSUMER if protocol == "consumer" else ConsumerGroupType.CLASSIC
        listed = {one.group_id: one for one in admin.list_consumer_groups().result(30).valid}
        expect(listed["g-" + name].type, kind, "type")
        described = result(admin.describe_consumer_groups(["g-" + name]))
        expect((described.state, len(described.members)), (ConsumerGroupState.STABLE, 2), "described")
        expect(sum(len(member.assignment.topic_partitions) for member in described.members), 4, "assigned partitions")
        first.close()
        wait_for(lambda: second.poll(0.1) is None and len(second.assignment()) == 4, "all partitions", 60)
        give(b"late")
        expect(read(second, 4), [b"late"] * 4, "values of the second member")
        second.close()

    return body


def pattern(protocol):
    def body():
        prefix = topic_name("ck-pattern")
        result(admin.create_topics([NewTopic(prefix + "-a", 1, 1)]))
        produce(prefix + "-a", [b"a"])
        client = consumer("g-" + prefix, protocol, **{"topic.metadata.refresh.interval.ms": 500})
        client.subscribe(["^%s-[ab]" % prefix])
        expect(read(client, 1), [b"a"], "first topic")
        client.commit(asynchronous=False)
        result(admin.create_topics([NewTopic(prefix + "-b", 1, 1)]))
        produce(prefix + "-b", [b"b"])
        expect(read(client, 1), [b"b"], "second topic")
        client.close()

    return body


def static_member(protocol):
    def body():
        name = new_topic("ck-static", 2)
        produce(name, [b"x"])
        options = {"group.instance.id": "instance"}
        first = consumer("g-" + name, protocol, **options)
        first.subscribe([name])
        read(first, 1)
        first.commit(asynchronous=False)
        first.close()
        again = consumer("g-" + name, protocol, **options)
        again.subscribe([name])
        produce(name, [b"y"])
        expect(read(again, 1), [b"y"], "after the restart of a static member")
        described = result(admin.describe_consumer_groups(["g-" + name]))
        expect([member.group_instance_id for member in described.members], ["instance"], "instance id")
        again.close()

    return body


def topics():
    name = new_topic("ck-topics", 3)
    described = result(admin.describe_topics(TopicCollection([name])))
    expect(len(described.partitions), 3, "partitions")
    refused(KafkaError.TOPIC_ALREADY_EXISTS, lambda: result(admin.create_topics([NewTopic(name, 1, 1)])))
    result(admin.create_partitions([NewPartitions(name, 5)]))
    expect(len(admin.list_topics(name).topics[name].partitions), 5, "partitions after the increase")
    refused(KafkaError.INVALID_PARTITIONS, lambda: result(admin.create_partitions([NewPartitions(name, 2)])))
    result(admin.delete_topics([name]))
    refused(KafkaError.UNKNOWN_TOPIC_OR_PART, lambda: result(admin.delete_topics([name])))


def configs():
    name = new_topic("ck-configs")
    resource = ConfigResource(ConfigResource.Type.TOPIC, name)

    def value(key):
        return result(admin.describe_configs([resource]))[key].value

    expect(value("retention.ms"), "604800000", "default")
    entry = ConfigEntry("retention.ms", "60000", incremental_operation=AlterConfigOpType.SET)
    result(admin.incremental_alter_configs([ConfigResource(ConfigResource.Type.TOPIC, name, incremental_configs=[entry])]))
    expect(value("retention.ms"), "60000", "set")
    entry = ConfigEntry("cleanup.policy", "compact", incremental_operation=AlterConfigOpType.APPEND)
    result(admin.incremental_alter_configs([ConfigResource(ConfigResource.Type.TOPIC, name, incremental_configs=[entry])]))
    expect(sorted(value("cleanup.policy").split(",")), ["compact", "delete"], "appended")
    result(admin.alter_configs([ConfigResource(ConfigResource.Type.TOPIC, name, set_config={"max.message.bytes": "2000"})]))
    expect((value("max.message.bytes"), value("retention.ms")), ("2000", "604800000"), "all at once")
    broker = result(admin.describe_configs([ConfigResource(ConfigResource.Type.BROKER, "1")]))
    expect(broker["num.partitions"].is_read_only in (True, False), True, "a broker config")


def offsets_of_groups():
    name = new_topic("ck-offsets")
    produce(name, [b"%d" % i for i in range(10)])
    group_id = "g-" + name
    asked = ConsumerGroupTopicPartitions(group_id, [TopicPartition(name, 0, 4)])
    altered = result(admin.alter_consumer_group_offsets([asked]))
    expect(altered.topic_partitions[0].error, None, "error")
    listed = result(admin.list_consumer_group_offsets([ConsumerGroupTopicPartitions(group_id)]))
    expect(listed.topic_partitions[0].offset, 4, "offset")
    result(admin.delete_consumer_groups([group_id]))
    refused(KafkaError.GROUP_ID_NOT_FOUND, lambda: result(admin.delete_consumer_groups([group_id])))


def offsets_of_partitions():
    name = new_topic("ck-list")
    produce(name, [b"%d" % i for i in range(10)])
    partition = TopicPartition(name, 0)

    def offset(spec):
        return result(admin.list_offsets({partition: spec}, isolation_level=IsolationLevel.READ_UNCOMMITTED)).offset

    expect((offset(OffsetSpec.earliest()), offset(OffsetSpec.latest())), (0, 10), "ends")
    expect(0 <= offset(OffsetSpec.max_timestamp()) < 10, True, "max timestamp")
    expect(offset(OffsetSpec.for_timestamp(1)), 0, "by time")
    deleted = result(admin.delete_records([TopicPartition(name, 0, 6)]))
    expect(deleted.low_watermark, 6, "low watermark")
    expect(offset(OffsetSpec.earliest()), 6, "first offset after deletion")
    refused(KafkaError.OFFSET_OUT_OF_RANGE, lambda: result(admin.delete_records([TopicPartition(name, 0, 1000)])))


def cluster():
    described = admin.describe_cluster().result(30)
    expect(len(described.nodes), 1, "nodes")
    expect(described.cluster_id, admin.cluster_id(10) if hasattr(admin, "cluster_id") else described.cluster_id, "cluster id")
    name = new_topic("ck-leaders")
    elected = admin.elect_leaders(ElectionType.PREFERRED, [TopicPartition(name, 0)]).result(30)
    expect([error.code() for error in elected.values()], [KafkaError.ELECTION_NOT_NEEDED], "election")


def acls():
    # Not describe_acls: this client drops the error of its answer.
    rule = AclBinding(
        ResourceType.TOPIC, "t", ResourcePatternType.LITERAL, "User:alice", "*", AclOperation.READ, AclPermissionType.ALLOW
    )
    refused(KafkaError.SECURITY_DISABLED, lambda: result(admin.create_acls([rule])))


if __name__ == "__main__":
    run(
        [
            *[("round-trips records with %s" % codec, round_trip(codec)) for codec in ("none", "gzip", "snappy", "lz4", "zstd")],
            *[
                ("%s, %s protocol" % (name, protocol), case(protocol))
                for protocol in ("classic", "consumer")
                for name, case in (
                    ("shares a group", group),
                    ("subscribes to a pattern", pattern),
                    ("restarts a static member", static_member),
                )
            ],
            ("creates, grows and deletes topics", topics),
            ("alters and describes configs", configs),
            ("alters, lists and deletes offsets of groups", offsets_of_groups),
            ("lists offsets and deletes records", offsets_of_partitions),
            ("describes the cluster and elects leaders", cluster),
            ("is told that there is no authorizer", acls),
        ]
    )
