"""aiokafka: records, a group, offsets by time, administration. Usage: aiokafka_client.py HOST:PORT"""
import asyncio
import sys

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from cases import expect, run, topic_name

BOOTSTRAP = sys.argv[1]


async def new_topic(prefix, partitions=1):
    name = topic_name(prefix)
    client = AIOKafkaAdminClient(bootstrap_servers=BOOTSTRAP)
    await client.start()
    await client.create_topics([NewTopic(name, partitions, 1)])
    await client.close()
    return name


async def round_trip(codec):
    name = await new_topic("aio")
    producer = AIOKafkaProducer(bootstrap_servers=BOOTSTRAP, compression_type=codec, enable_idempotence=True)
    await producer.start()
    for i in range(200):
        await producer.send(name, b"%d" % i, headers=[("n", b"%d" % i)])
    await producer.stop()
    consumer = AIOKafkaConsumer(name, bootstrap_servers=BOOTSTRAP, auto_offset_reset="earliest")
    await consumer.start()
    values = [int((await asyncio.wait_for(consumer.getone(), 30)).value) for _ in range(200)]
    await consumer.stop()
    expect(values, list(range(200)), "values")


async def group():
    name = await new_topic("aio-group", 4)
    group_id = "g-" + name
    producer = AIOKafkaProducer(bootstrap_servers=BOOTSTRAP)
    await producer.start()
    for i in range(20):
        await producer.send_and_wait(name, b"%d" % i, partition=i % 4)

    def member():
        return AIOKafkaConsumer(
            name,
            bootstrap_servers=BOOTSTRAP,
            group_id=group_id,
            auto_offset_reset="earliest",
            enable_auto_commit=False,
            session_timeout_ms=6000,
            heartbeat_interval_ms=500,
        )

    first = member()
    await first.start()
    seen = {int((await asyncio.wait_for(first.getone(), 30)).value) for _ in range(20)}
    expect(seen, set(range(20)), "values")
    await first.commit()
    await first.stop()
    second = member()
    await second.start()
    await producer.send_and_wait(name, b"99", partition=0)
    expect(int((await asyncio.wait_for(second.getone(), 30)).value), 99, "first value after the committed offsets")
    await second.stop()
    await producer.stop()


async def offsets():
    name = await new_topic("aio-offsets")
    producer = AIOKafkaProducer(bootstrap_servers=BOOTSTRAP)
    await producer.start()
    for i in range(5):
        await producer.send_and_wait(name, b"%d" % i, timestamp_ms=1_700_000_000_000 + i * 1000)
    await producer.stop()
    partition = TopicPartition(name, 0)
    consumer = AIOKafkaConsumer(bootstrap_servers=BOOTSTRAP)
    await consumer.start()
    consumer.assign([partition])
    expect((await consumer.end_offsets([partition]))[partition], 5, "end")
    found = (await consumer.offsets_for_times({partition: 1_700_000_002_500}))[partition]
    expect(found.offset, 3, "by time")
    await consumer.stop()


if __name__ == "__main__":
    run(
        [
            *[
                ("round-trips records with %s" % (codec or "none"), lambda codec=codec: asyncio.run(round_trip(codec)))
                for codec in (None, "gzip", "snappy", "lz4", "zstd")
            ],
            ("goes on from committed offsets of its group", lambda: asyncio.run(group())),
            ("finds offsets by time", lambda: asyncio.run(offsets())),
        ]
    )
