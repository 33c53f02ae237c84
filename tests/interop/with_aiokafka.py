"""aiokafka against a server. See `run`."""

import asyncio
import functools
import ssl
import time

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka import errors
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, NewTopic, RecordsToDelete
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.structs import OffsetAndMetadata
from harness import *
from harness import basic as basic_case
from harness import case as whole_case

WHERE = {"bootstrap_servers": BOOTSTRAP}


def blocking(register):
    def decorate(function):
        @functools.wraps(function)
        def call():
            asyncio.run(function())

        register(call)
        return function

    return decorate


basic, case = blocking(basic_case), blocking(whole_case)


class Opened:
    """A client that is started and stopped."""

    def __init__(self, client, stop="stop"):
        self.client, self.stop = client, stop

    async def __aenter__(self):
        await self.client.start()
        return self.client

    async def __aexit__(self, *_):
        await getattr(self.client, self.stop)()


def admin(**settings):
    return Opened(AIOKafkaAdminClient(**{**WHERE, **settings}), "close")


def producer(**settings):
    return Opened(AIOKafkaProducer(**{**WHERE, **settings}))


def consumer(*topics, **settings):
    defaults = {"auto_offset_reset": "earliest", "enable_auto_commit": False}
    return Opened(AIOKafkaConsumer(*topics, **{**WHERE, **defaults, **settings}))


def checked(answer):
    """The answer to an admin's request, which this client does not look into."""
    told = answer.to_object()
    rows = told.get("topic_errors") or told.get("topic_error_codes") or told.get("resources") or []
    for row in rows:
        if row["error_code"]:
            raise errors.for_code(row["error_code"])
    return told


async def create(name, partitions=1, configs=None):
    async with admin() as client:
        checked(await client.create_topics([NewTopic(name, partitions, 1, topic_configs=configs)]))
    return name


async def take(client, count, seconds=30):
    found, end = [], time.monotonic() + seconds
    while len(found) < count:
        assert time.monotonic() < end, f"{len(found)} of {count} records came within {seconds} s"
        for records in (await client.getmany(timeout_ms=500)).values():
            found += records
    assert len(found) == count, f"{len(found)} records came for {count}"
    return found


async def fails_to(kind, awaitable):
    try:
        result = await awaitable
    except kind as error:
        return error
    raise AssertionError(f"{kind} was to be raised, and {result!r} was returned")


@basic
async def every_compression_keeps_records_as_they_are():
    for codec in CODECS:
        name = await create(topic(f"codec-{codec}"))
        async with producer(compression_type=codec, linger_ms=200, max_batch_size=1 << 20) as sender:
            futures = [
                await sender.send(name, value, key=key, headers=headers, timestamp_ms=TIME + n)
                for n, (key, value, headers) in enumerate(RECORDS)
            ]
            assert [(await future).offset for future in futures] == list(range(len(RECORDS)))
        async with consumer(name) as reader:
            found = await take(reader, len(RECORDS))
        for n, (record, (key, value, headers)) in enumerate(zip(found, RECORDS)):
            assert (record.key, record.value, list(record.headers)) == (key, value, headers), (codec, record)
            assert (record.offset, record.timestamp, record.timestamp_type) == (n, TIME + n, 0), (codec, record)


@basic
async def a_partition_keeps_the_order_of_an_idempotent_producer():
    name = await create(topic("order"), 3)
    async with producer(enable_idempotence=True, max_batch_size=400) as sender:
        futures = [await sender.send(name, b"%d" % n, partition=n % 3) for n in range(3000)]
        await asyncio.gather(*futures)
    of = {0: [], 1: [], 2: []}
    async with consumer(name) as reader:
        for record in await take(reader, 3000):
            of[record.partition].append(int(record.value))
    assert of == {p: list(range(p, 3000, 3)) for p in range(3)}


@basic
async def topics_are_made_described_altered_and_deleted():
    name = await create(topic("admin"), 2, {"retention.ms": "3600000"})
    await fails_to(errors.TopicAlreadyExistsError, create(name))
    async with admin() as client:
        assert name in await client.list_topics()
        at = ConfigResource(ConfigResourceType.TOPIC, name)
        [described] = await client.describe_configs([at])
        configs = {entry[0]: entry[1] for entry in checked(described)["resources"][0]["config_entries"]} \
            if not isinstance(described.to_object()["resources"][0]["config_entries"][0], dict) else \
            {entry["config_names"]: entry["config_value"] for entry in checked(described)["resources"][0]["config_entries"]}
        assert configs["retention.ms"] == "3600000", configs
        altered = ConfigResource(ConfigResourceType.TOPIC, name, {"retention.ms": "60000"})
        [answer] = await client.alter_configs([altered])
        checked(answer)
        await client.create_partitions({name: NewPartitions(5)})
        [described] = await client.describe_topics([name])
        assert len(described["partitions"]) == 5, described
        checked(await client.delete_topics([name]))
        assert name not in await client.list_topics()
        assert (await client.describe_cluster())["brokers"]


@basic
async def offsets_by_time_seek_and_deleted_records():
    name = await create(topic("offsets"))
    at = TopicPartition(name, 0)
    async with producer() as sender:
        for n in range(10):
            await sender.send_and_wait(name, b"%d" % n, timestamp_ms=TIME + 1000 * n)
    async with consumer() as reader, admin() as client:
        reader.assign([at])
        found = (await reader.offsets_for_times({at: TIME + 2500}))[at]
        assert (found.offset, found.timestamp) == (3, TIME + 3000), found
        assert (await reader.offsets_for_times({at: TIME + 99_999}))[at] is None
        assert (await reader.beginning_offsets([at]))[at] == 0
        assert (await reader.end_offsets([at]))[at] == 10
        reader.seek(at, 7)
        assert [record.value for record in await take(reader, 3)] == [b"7", b"8", b"9"]
        assert (await client.delete_records({at: RecordsToDelete(4)}))[at] == 4
        assert (await reader.beginning_offsets([at]))[at] == 4
        reader.seek(at, 1)
        assert (await take(reader, 6))[0].offset == 4, "it is out of range, and begins again"
        await fails_to(errors.OffsetOutOfRangeError, client.delete_records({at: RecordsToDelete(11)}))


@basic
async def committed_offsets_and_their_metadata_stay():
    name, group = await create(topic("commit"), 2), topic("group")
    at, other = TopicPartition(name, 0), TopicPartition(name, 1)
    async with producer() as sender:
        for n in range(10):
            await sender.send_and_wait(name, b"%d" % n, partition=0)
    async with consumer(name, group_id=group) as reader:
        await take(reader, 10)
        await reader.commit({at: OffsetAndMetadata(6, "where I was")})
    async with consumer(name, group_id=group) as reader, admin() as client:
        assert [record.offset for record in await take(reader, 4)] == [6, 7, 8, 9]
        assert await reader.committed(at) == 6
        assert await reader.committed(other) is None
        offsets = await client.list_consumer_group_offsets(group)
        assert offsets[at] == OffsetAndMetadata(6, "where I was"), offsets
        [described] = await client.describe_consumer_groups([group])
        [row] = described.to_object()["groups"]
        assert (row["error_code"], row["state"], len(row["members"])) == (0, "Stable", 1), row
        assert (group, "consumer") in await client.list_consumer_groups()


@basic
async def large_messages():
    name = await create(topic("large"))
    async with producer(max_request_size=8 << 20) as sender:
        assert (await sender.send_and_wait(name, b"x" * (MAX_MESSAGE_BYTES - 100))).offset == 0
        await fails_to(errors.MessageSizeTooLargeError, sender.send_and_wait(name, b"x" * (MAX_MESSAGE_BYTES + 1)))
    async with consumer(name, max_partition_fetch_bytes=1000, fetch_max_bytes=1000) as reader:
        assert len((await take(reader, 1))[0].value) == MAX_MESSAGE_BYTES - 100


@case
async def topics_that_are_not_there():
    async with producer(request_timeout_ms=2000) as sender:
        await fails_to(errors.KafkaError, sender.send_and_wait(topic("unknown"), b"x"))


@basic
async def a_consumer_at_the_end_waits_and_then_is_prompt():
    name = await create(topic("poll"))
    async with producer() as sender, consumer(name, fetch_max_wait_ms=5000) as reader:
        await sender.send_and_wait(name, b"first")
        await take(reader, 1)
        before = fetches()
        assert not await reader.getmany(timeout_ms=3000)
        asked = fetches() - before
        assert asked <= 3, f"{asked} fetches in three seconds in which nothing happened"
        await sender.send_and_wait(name, b"second")
        begin = time.monotonic()
        [record] = await take(reader, 1)
        assert record.value == b"second" and time.monotonic() - begin < 2


def log_in(mechanism, password=PASSWORD):
    return {
        "bootstrap_servers": SASL,
        "security_protocol": "SASL_PLAINTEXT",
        "sasl_mechanism": mechanism,
        "sasl_plain_username": USER,
        "sasl_plain_password": password,
    }


@basic
async def logging_in_and_topics_made_on_demand():
    for mechanism in MECHANISMS:
        name = topic("auto")
        async with producer(**log_in(mechanism)) as sender:
            assert (await sender.send_and_wait(name, b"x")).offset == 0
        async with consumer(name, **log_in(mechanism)) as reader:
            assert (await take(reader, 1))[0].value == b"x"
        refused = AIOKafkaProducer(**log_in(mechanism, "wrong"))
        await fails_to(errors.KafkaError, refused.start())
        await refused.stop()


def trusting(authority, own=None):
    context = ssl.create_default_context(cafile=certificate(authority))
    if own:
        context.load_cert_chain(certificate(f"{own}.pem"), certificate(f"{own}.key"))
    return {"ssl_context": context}


@basic
async def over_tls():
    settings = {**log_in("SCRAM-SHA-512"), "bootstrap_servers": TLS, "security_protocol": "SASL_SSL"}
    async with admin(**settings, **trusting("ca.pem")) as client:
        await client.list_topics()
    await fails_to(errors.KafkaError, admin(**settings, **trusting("other-ca.pem")).__aenter__())


@case
async def over_mutual_tls():
    settings = {"bootstrap_servers": MUTUAL, "security_protocol": "SSL"}
    async with admin(**settings, **trusting("ca.pem", "client")) as client:
        await client.list_topics()
    for own in (None, "other-client"):
        await fails_to(errors.KafkaError, admin(**settings, **trusting("ca.pem", own)).__aenter__())


run()
