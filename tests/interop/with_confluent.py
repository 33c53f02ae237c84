"""confluent-kafka, which is librdkafka, against a server. See `run`."""

import json
import time

from confluent_kafka import (
    Consumer,
    ConsumerGroupTopicPartitions,
    IsolationLevel,
    KafkaError,
    KafkaException,
    Producer,
    TopicCollection,
    TopicPartition,
)
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewPartitions,
    NewTopic,
    OffsetSpec,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialDeletion,
    UserScramCredentialUpsertion,
)
from harness import *

WHERE = {"bootstrap.servers": BOOTSTRAP}


def admin(**settings):
    return AdminClient({**WHERE, **settings})


def done(futures, seconds=20):
    """What each of some futures by name has brought."""
    return {name: future.result(seconds) for name, future in futures.items()}


def refused(code, function, *args, **kwargs):
    """The call fails with this error of Kafka's."""
    error = fails(KafkaException, function, *args, **kwargs).args[0]
    assert error.code() == code, error
    return error


def create(name, partitions=1, **configs):
    client = admin()
    done(client.create_topics([NewTopic(name, partitions, 1, config=configs)]))
    return name


def send(name, values, settings=None, **fields):
    """Sends in order, and returns the offsets."""
    sender, told = Producer({**WHERE, **(settings or {})}), []
    for value in values:
        sender.produce(name, value, on_delivery=lambda error, message: told.append(error or message.offset()), **fields)
        sender.poll(0)
    assert sender.flush(30) == 0, "not all was delivered in time"
    for one in told:
        if isinstance(one, KafkaError):
            raise KafkaException(one)
    return told


def consumer(settings=None):
    defaults = {"group.id": topic("alone"), "auto.offset.reset": "earliest", "enable.auto.commit": False}
    return Consumer({**WHERE, **defaults, **(settings or {})})


def take(client, count, seconds=30):
    found, end = [], time.monotonic() + seconds
    while len(found) < count:
        assert time.monotonic() < end, f"{len(found)} of {count} records came within {seconds} s"
        for message in client.consume(count, timeout=0.2):
            if message.error():
                raise KafkaException(message.error())
            found.append(message)
    assert len(found) == count, f"{len(found)} records came for {count}"
    return found


@basic
def every_compression_keeps_records_as_they_are():
    for codec in CODECS:
        name = create(topic(f"codec-{codec}"))
        sender = Producer({**WHERE, "compression.type": codec or "none", "linger.ms": 200})
        for n, (key, value, headers) in enumerate(RECORDS):
            sender.produce(name, value, key, headers=headers, timestamp=TIME + n)
        assert sender.flush(20) == 0
        reader = consumer()
        reader.assign([TopicPartition(name, 0, 0)])
        for n, (record, (key, value, headers)) in enumerate(zip(take(reader, len(RECORDS)), RECORDS)):
            assert (record.key(), record.value(), record.headers() or []) == (key, value, headers), (codec, n)
            assert (record.offset(), record.timestamp()) == (n, (1, TIME + n)), (codec, n)
        reader.close()


@case
def compression_reaches_the_server():
    """Clients that do not find version 0 of Produce send uncompressed, and say nothing."""
    name = create(topic("small"))
    before = metric("ottla_server_received_bytes_total")
    send(name, [b"a" * 500_000], {"compression.type": "zstd"})
    assert metric("ottla_server_received_bytes_total") - before < 50_000


@basic
def a_partition_keeps_the_order_of_an_idempotent_producer():
    name = create(topic("order"), 3)
    sender = Producer({**WHERE, "enable.idempotence": True, "max.in.flight": 5, "batch.num.messages": 20, "linger.ms": 0})
    for n in range(6000):
        sender.produce(name, b"%d" % n, partition=n % 3)
        sender.poll(0)
    assert sender.flush(30) == 0
    reader, of = consumer(), {0: [], 1: [], 2: []}
    reader.assign([TopicPartition(name, p, 0) for p in of])
    for record in take(reader, 6000):
        of[record.partition()].append(int(record.value()))
    reader.close()
    assert of == {p: list(range(p, 6000, 3)) for p in range(3)}


@case
def acks_of_none_and_one():
    name = create(topic("acks"))
    for acks in (0, 1):
        send(name, [b"%d" % acks], {"acks": acks})
    reader = consumer()
    reader.assign([TopicPartition(name, 0, 0)])
    assert sorted(record.value() for record in take(reader, 2)) == [b"0", b"1"]
    reader.close()


@case
def clients_that_do_not_ask_for_versions():
    """They speak the versions of the broker that they are told of."""
    for version in ("0.11.0", "2.1.0"):
        old = {"api.version.request": False, "broker.version.fallback": version, "log_level": 3}
        name, group = create(topic("old"), 2), topic("group")
        assert send(name, [b"x"], {**old, "compression.type": "gzip"}, partition=1, headers=[("h", b"1")]) == [0]
        reader = consumer({**old, "group.id": group})
        reader.subscribe([name])
        [record] = take(reader, 1)
        assert (record.value(), record.partition(), record.headers()) == (b"x", 1, [("h", b"1")]), version
        reader.commit(asynchronous=False)
        [committed] = reader.committed([TopicPartition(name, 1)], timeout=10)
        assert committed.offset == 1
        reader.close()


@basic
def topics_are_made_described_altered_and_deleted():
    client, name = admin(), create(topic("admin"), 2, **{"retention.ms": "3600000"})
    assert name in client.list_topics(timeout=10).topics
    refused(KafkaError.TOPIC_ALREADY_EXISTS, create, name)
    refused(KafkaError.TOPIC_EXCEPTION, create, "no spaces")
    refused(KafkaError.INVALID_CONFIG, create, topic("bad"), 1, **{"retention.ms": "soon"})

    def retention():
        at = ConfigResource(ConfigResource.Type.TOPIC, name)
        [configs] = done(client.describe_configs([at])).values()
        return configs["retention.ms"].value

    assert retention() == "3600000"
    for operation, value in ((AlterConfigOpType.SET, "7200000"), (AlterConfigOpType.DELETE, None)):
        entry = ConfigEntry("retention.ms", value, incremental_operation=operation)
        at = ConfigResource(ConfigResource.Type.TOPIC, name, incremental_configs=[entry])
        done(client.incremental_alter_configs([at]))
        assert retention() == (value or "604800000")
    done(client.create_partitions([NewPartitions(name, 5)]))
    [described] = done(client.describe_topics(TopicCollection([name]))).values()
    assert len(described.partitions) == 5
    refused(KafkaError.INVALID_PARTITIONS, lambda: done(client.create_partitions([NewPartitions(name, 3)])))
    done(client.delete_topics([name]))
    refused(KafkaError.UNKNOWN_TOPIC_OR_PART, lambda: done(client.delete_topics([name])))
    cluster = client.describe_cluster().result(10)
    assert [f"{node.host}:{node.port}" for node in cluster.nodes] == [BOOTSTRAP]


@basic
def offsets_by_time_seek_and_deleted_records():
    client, name = admin(), create(topic("offsets"))
    for n in range(10):
        send(name, [b"%d" % n], timestamp=TIME + 1000 * n)
    at = TopicPartition(name, 0)
    reader = consumer()
    by_time = reader.offsets_for_times([TopicPartition(name, 0, TIME + 2500)], timeout=10)
    assert by_time[0].offset == 3, by_time
    by_time = reader.offsets_for_times([TopicPartition(name, 0, TIME + 99_999)], timeout=10)
    assert by_time[0].offset == -1, by_time
    assert reader.get_watermark_offsets(at, timeout=10) == (0, 10)
    reader.assign([TopicPartition(name, 0, 0)])
    take(reader, 10)
    reader.seek(TopicPartition(name, 0, 7))
    assert [record.value() for record in take(reader, 3)] == [b"7", b"8", b"9"]
    assert done(client.delete_records([TopicPartition(name, 0, 4)]))[at].low_watermark == 4
    reader.seek(TopicPartition(name, 0, 1))
    assert take(reader, 6)[0].offset() == 4, "it is out of range, and begins again"
    reader.close()
    specs = [OffsetSpec.earliest(), OffsetSpec.latest(), OffsetSpec.max_timestamp(), OffsetSpec.for_timestamp(TIME + 5001)]
    found = [
        done(client.list_offsets({at: spec}, isolation_level=isolation))[at].offset
        for isolation in (IsolationLevel.READ_UNCOMMITTED, IsolationLevel.READ_COMMITTED)
        for spec in specs
    ]
    assert found == [4, 10, 9, 6] * 2, found


@basic
def committed_offsets_and_their_metadata_stay():
    client, name, group = admin(), create(topic("commit"), 2), topic("group")
    send(name, [b"%d" % n for n in range(10)], partition=0)
    own = {"group.id": group}
    reader = consumer(own)
    reader.subscribe([name])
    take(reader, 10)
    reader.commit(offsets=[TopicPartition(name, 0, 6, "where I was")], asynchronous=False)
    reader.close()
    reader = consumer(own)
    reader.subscribe([name])
    assert [record.offset() for record in take(reader, 4)] == [6, 7, 8, 9]
    first, second = reader.committed([TopicPartition(name, 0), TopicPartition(name, 1)], timeout=10)
    assert (first.offset, first.metadata, second.offset) == (6, "where I was", -1001), (first, second)
    described = done(client.describe_consumer_groups([group]))[group]
    [member] = described.members
    assert described.state.name == "STABLE" and len(member.assignment.topic_partitions) == 2, described
    refused(KafkaError.NON_EMPTY_GROUP, lambda: done(client.delete_consumer_groups([group])))
    reader.close()
    listed = client.list_consumer_groups().result(10)
    assert group in [found.group_id for found in listed.valid] and not listed.errors

    def offsets():
        asked = [ConsumerGroupTopicPartitions(group)]
        found = done(client.list_consumer_group_offsets(asked))[group].topic_partitions
        return {(one.topic, one.partition): one.offset for one in found}

    assert offsets() == {(name, 0): 6}
    changed = [ConsumerGroupTopicPartitions(group, [TopicPartition(name, 0, 2)])]
    done(client.alter_consumer_group_offsets(changed))
    assert offsets() == {(name, 0): 2}
    done(client.delete_consumer_groups([group]))
    refused(KafkaError.GROUP_ID_NOT_FOUND, lambda: done(client.delete_consumer_groups([group])))


@case
def topics_and_partitions_that_come_later():
    prefix = topic("later")
    create(f"{prefix}-1")
    reader = consumer({"topic.metadata.refresh.interval.ms": 300, "enable.auto.commit": True, "log_level": 3})
    reader.subscribe([f"^{prefix}-.*"])
    send(f"{prefix}-1", [b"1"])
    assert take(reader, 1)[0].value() == b"1"
    create(f"{prefix}-2")
    send(f"{prefix}-2", [b"2"])
    assert take(reader, 1)[0].value() == b"2"
    client = admin()
    done(client.create_partitions([NewPartitions(f"{prefix}-1", 2)]))
    send(f"{prefix}-1", [b"3"], partition=1)
    assert take(reader, 1)[0].value() == b"3"
    reader.close()


@basic
def large_messages():
    name, large = create(topic("large")), {"message.max.bytes": 8 << 20}
    assert send(name, [b"x" * (MAX_MESSAGE_BYTES - 100)], large) == [0]
    refused(KafkaError.MSG_SIZE_TOO_LARGE, send, name, [b"x" * (MAX_MESSAGE_BYTES + 1)], large)
    reader = consumer({"fetch.message.max.bytes": 1000, "fetch.max.bytes": 1_000_000})
    reader.assign([TopicPartition(name, 0, 0)])
    assert len(take(reader, 1)[0].value()) == MAX_MESSAGE_BYTES - 100
    reader.close()


@basic
def topics_that_are_not_there():
    name = topic("unknown")
    quick = {"topic.metadata.propagation.max.ms": 500}
    refused(KafkaError.UNKNOWN_TOPIC_OR_PART, send, name, [b"x"], quick)
    reader = consumer(quick)
    reader.subscribe([name])
    refused(KafkaError.UNKNOWN_TOPIC_OR_PART, take, reader, 1)
    reader.close()


@basic
def a_consumer_at_the_end_waits_and_then_is_prompt():
    name = create(topic("poll"))
    sender = Producer({**WHERE, "linger.ms": 0})
    sender.produce(name, b"first")
    assert sender.flush(10) == 0
    reader = consumer({"fetch.wait.max.ms": 5000})
    reader.assign([TopicPartition(name, 0, 0)])
    take(reader, 1)
    before = fetches()
    assert not reader.consume(1, timeout=3)
    asked = fetches() - before
    assert asked <= 3, f"{asked} fetches in three seconds in which nothing happened"
    sender.produce(name, b"second")
    assert sender.flush(10) == 0
    begin = time.monotonic()
    [record] = take(reader, 1)
    assert record.value() == b"second" and time.monotonic() - begin < 2
    reader.close()


def log_in(mechanism, password=PASSWORD, **settings):
    return {
        "bootstrap.servers": SASL,
        "security.protocol": "SASL_PLAINTEXT",
        "sasl.mechanism": mechanism,
        "sasl.username": USER,
        "sasl.password": password,
        **settings,
    }


def cannot_connect(settings, code=None, words=""):
    """A client is told so, by this error or in these words. It may be told first that no broker is there."""
    told = []
    client = Producer({**settings, "error_cb": told.append})

    def is_told():
        client.poll(0.1)
        return any(code in (None, error.code()) and words in error.str() for error in told)

    until("the error", is_told)


@basic
def logging_in():
    for mechanism in MECHANISMS:
        AdminClient(log_in(mechanism)).list_topics(timeout=10)
        cannot_connect(log_in(mechanism, "wrong"), KafkaError._AUTHENTICATION)


@basic
def topics_made_on_demand():
    name = topic("auto")
    assert send(name, [b"x"], log_in("PLAIN")) == [0]
    reader = consumer(log_in("PLAIN"))
    reader.subscribe([name])
    assert take(reader, 1)[0].value() == b"x"
    reader.close()


@case
def users_are_made_and_deleted():
    client, name = AdminClient(log_in("SCRAM-SHA-512")), topic("user")
    info = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_256, 4096)
    done(client.alter_user_scram_credentials([UserScramCredentialUpsertion(name, info, b"new")]))
    described = done(client.describe_user_scram_credentials([name]))[name]
    assert [one.iterations for one in described.scram_credential_infos] == [4096]
    theirs = {**log_in("SCRAM-SHA-256", "new"), "sasl.username": name}
    AdminClient(theirs).list_topics(timeout=10)
    done(client.alter_user_scram_credentials([UserScramCredentialDeletion(name, ScramMechanism.SCRAM_SHA_256)]))
    cannot_connect(theirs, KafkaError._AUTHENTICATION)


@basic
def over_tls():
    tls = {"bootstrap.servers": TLS, "security.protocol": "SASL_SSL", "ssl.ca.location": certificate("ca.pem")}
    login = {**log_in("SCRAM-SHA-256"), **tls}
    AdminClient(login).list_topics(timeout=10)
    cannot_connect({**login, "ssl.ca.location": certificate("other-ca.pem")}, KafkaError._SSL)


@case
def over_mutual_tls():
    tls = {"bootstrap.servers": MUTUAL, "security.protocol": "SSL", "ssl.ca.location": certificate("ca.pem")}

    def own(name):
        files = {"ssl.certificate.location": certificate(f"{name}.pem"), "ssl.key.location": certificate(f"{name}.key")}
        return {**tls, **files}

    AdminClient(own("client")).list_topics(timeout=10)
    # The client shows no certificate of an authority that the server does not name.
    cannot_connect(tls, words="certificate required")
    cannot_connect(own("other-client"), words="certificate required")


run()
