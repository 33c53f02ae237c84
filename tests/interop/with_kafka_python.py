"""kafka-python against a server. See `run`."""

import ssl
import time

from harness import *
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, OffsetAndMetadata, TopicPartition
from kafka import errors
from kafka.admin import ConfigResource, OffsetSpec, ScramMechanism, UserScramCredentialDeletion, UserScramCredentialUpsertion

WHERE = {"bootstrap_servers": BOOTSTRAP}


def admin(**settings):
    return KafkaAdminClient(**{**WHERE, **settings})


def create(name, partitions=1, **configs):
    client = admin()
    client.create_topics(
        {name: {"num_partitions": partitions, "replication_factor": 1, "configs": configs}}, wait_for_metadata=True
    )
    client.close()
    return name


def producer(**settings):
    return KafkaProducer(**{**WHERE, "allow_auto_create_topics": False, **settings})


def send(name, values, **settings):
    with_settings = producer(**settings)
    futures = [with_settings.send(name, value, partition=0) for value in values]
    offsets = [future.get(20).offset for future in futures]
    with_settings.close()
    return offsets


def consumer(*topics, **settings):
    defaults = {"auto_offset_reset": "earliest", "allow_auto_create_topics": False, "enable_auto_commit": False}
    return KafkaConsumer(*topics, **{**WHERE, **defaults, **settings})


def take(client, count, seconds=30):
    """So many records, in the order in which they came."""
    found, end = [], time.monotonic() + seconds
    while len(found) < count:
        assert time.monotonic() < end, f"{len(found)} of {count} records came within {seconds} s"
        for records in client.poll(timeout_ms=500).values():
            found += records
    assert len(found) == count, f"{len(found)} records came for {count}"
    return found


@basic
def every_compression_keeps_records_as_they_are():
    for codec in CODECS:
        name = create(topic(f"codec-{codec}"))
        # All in one batch.
        sender = producer(compression_type=codec, linger_ms=200, batch_size=1 << 20)
        futures = [
            sender.send(name, value, key=key, headers=headers, timestamp_ms=TIME + n)
            for n, (key, value, headers) in enumerate(RECORDS)
        ]
        sender.flush()
        assert [future.get(10).offset for future in futures] == list(range(len(RECORDS)))
        sender.close()
        reader = consumer(name)
        found = take(reader, len(RECORDS))
        reader.close()
        for n, (record, (key, value, headers)) in enumerate(zip(found, RECORDS)):
            assert (record.key, record.value, list(record.headers)) == (key, value, headers), (codec, record)
            assert (record.offset, record.timestamp, record.timestamp_type) == (n, TIME + n, 0), (codec, record)


@basic
def a_partition_keeps_the_order_of_an_idempotent_producer():
    name = create(topic("order"), partitions=3)
    sender = producer(enable_idempotence=True, acks="all", max_in_flight_requests_per_connection=5, batch_size=400)
    for n in range(3000):
        sender.send(name, b"%d" % n, partition=n % 3)
    sender.flush()
    sender.close()
    reader = consumer(name)
    of = {0: [], 1: [], 2: []}
    for record in take(reader, 3000):
        of[record.partition].append(int(record.value))
    reader.close()
    assert of == {p: list(range(p, 3000, 3)) for p in range(3)}


@case
def acks_of_none_and_one():
    name = create(topic("acks"))
    for acks in (0, 1):
        sender = producer(acks=acks, enable_idempotence=False)
        sender.send(name, b"%d" % acks)
        sender.flush()
        sender.close()
    reader = consumer(name)
    assert sorted(record.value for record in take(reader, 2)) == [b"0", b"1"]
    reader.close()


@basic
def topics_are_made_described_altered_and_deleted():
    client, name = admin(), topic("admin")
    create(name, 2, **{"retention.ms": "3600000"})
    assert name in [t["name"] if isinstance(t, dict) else t for t in client.list_topics()]
    fails(errors.TopicAlreadyExistsError, create, name)
    fails(errors.InvalidTopicError, create, "no spaces")
    fails(errors.InvalidPartitionsError, create, topic("none"), 0)
    fails(errors.InvalidConfigurationError, create, topic("bad"), 1, **{"retention.ms": "soon"})
    checked = topic("checked")
    client.create_topics({checked: {"num_partitions": 1, "replication_factor": 1}}, validate_only=True)
    assert checked not in [t["name"] if isinstance(t, dict) else t for t in client.list_topics()]

    def retention():
        found = client.describe_configs([ConfigResource("topic", name)], config_filter="all")["topic"][name]
        return found["retention.ms"]["value"]

    assert retention() == "3600000"
    client.alter_configs([ConfigResource("topic", name, {"retention.ms": "7200000"})])
    assert retention() == "7200000"
    client.alter_configs([ConfigResource("topic", name, {"retention.ms": "60000"})], incremental=False)
    assert retention() == "60000"
    client.reset_configs([ConfigResource("topic", name, ["retention.ms"])])
    assert retention() == "604800000"

    client.create_partitions({name: 5})
    [described] = client.describe_topics([name])
    assert len(described["partitions"]) == 5
    fails(errors.InvalidPartitionsError, client.create_partitions, {name: 3})

    client.delete_topics([name])
    fails(errors.UnknownTopicOrPartitionError, client.delete_topics, [name])
    client.close()


@case
def clients_of_older_brokers():
    """They do not ask what is served, and speak the versions of their time."""
    for version in [(0, 11), (1, 0), (2, 0), (2, 4), (3, 0), (3, 9)]:
        client, name, group = admin(api_version=version), topic("old"), topic("group")
        client.create_topics({name: {"num_partitions": 2, "replication_factor": 1}}, wait_for_metadata=True)
        sender = producer(api_version=version, compression_type="gzip")
        assert sender.send(name, b"value", b"key", [("h", b"1")], 1).get(20).offset == 0
        sender.close()
        for count in (1, 0):
            reader = consumer(name, group_id=group, api_version=version)
            found = take(reader, count) if count else [r for rs in reader.poll(timeout_ms=1000).values() for r in rs]
            assert [(one.key, one.value, one.partition, list(one.headers)) for one in found] == [
                (b"key", b"value", 1, [("h", b"1")])
            ][:count], (version, found)
            assert reader.offsets_for_times({TopicPartition(name, 1): 0})[TopicPartition(name, 1)].offset == 0
            reader.commit()
            reader.close()
        assert client.list_group_offsets({group: [TopicPartition(name, 1)]})[group][TopicPartition(name, 1)].offset == 1
        client.delete_topics([name])
        client.close()


@case
def what_the_cluster_tells():
    client, name = admin(), create(topic("cluster"))
    send(name, [b"x" * 1000])
    told = client.describe_cluster()
    assert [f"{b['host']}:{b['port']}" for b in told["brokers"]] == [BOOTSTRAP], told
    assert client.describe_log_dirs(), "a broker has a log directory"
    [described] = client.describe_topic_partitions([name])["topics"]
    assert described["name"] == name and len(described["partitions"]) == 1, described
    [producers] = client.describe_producers([TopicPartition(name, 0)]).values()
    assert len(producers) == 1, producers
    client.close()


@basic
def offsets_by_time_seek_and_deleted_records():
    name, at = create(topic("offsets")), TopicPartition
    sender = producer()
    for n in range(10):
        sender.send(name, b"%d" % n, timestamp_ms=TIME + 1000 * n)
        sender.flush()
    sender.close()
    at = TopicPartition(name, 0)
    reader = consumer()
    reader.assign([at])
    found = reader.offsets_for_times({at: TIME + 2500})[at]
    assert (found.offset, found.timestamp) == (3, TIME + 3000), found
    assert reader.offsets_for_times({at: TIME + 99_999})[at] is None
    assert (reader.beginning_offsets([at])[at], reader.end_offsets([at])[at]) == (0, 10)
    reader.seek(at, 7)
    assert [record.value for record in take(reader, 3)] == [b"7", b"8", b"9"]

    client = admin()
    client.delete_records({at: 4})
    assert reader.beginning_offsets([at])[at] == 4
    reader.seek(at, 1)
    assert take(reader, 6)[0].offset == 4, "it is out of range, and begins again"
    fails(errors.OffsetOutOfRangeError, client.delete_records, {at: 11})
    specs = [OffsetSpec.EARLIEST, OffsetSpec.LATEST, OffsetSpec.MAX_TIMESTAMP, OffsetSpec.EARLIEST_LOCAL]
    assert [client.list_partition_offsets({at: spec})[at].offset for spec in specs] == [4, 10, 9, 4]
    client.close()
    reader.close()


@basic
def committed_offsets_and_their_metadata_stay():
    name, group = create(topic("commit"), 2), topic("group")
    send(name, [b"%d" % n for n in range(10)])
    at, other = TopicPartition(name, 0), TopicPartition(name, 1)
    reader = consumer(name, group_id=group)
    take(reader, 10)
    reader.commit({at: OffsetAndMetadata(6, "where I was", -1)})
    reader.close()
    reader = consumer(name, group_id=group)
    assert [record.offset for record in take(reader, 4)] == [6, 7, 8, 9]
    assert reader.committed(at, metadata=True).metadata == "where I was"
    assert reader.committed(other) is None
    client = admin()
    described = client.describe_groups([group])[group]
    assert (described["group_state"], described["protocol_type"]) == ("Stable", "consumer"), described
    [member] = described["members"]
    assert member["client_id"].startswith("kafka-python") and member["client_host"], member
    reader.close()

    assert group in [found["group_id"] for found in client.list_groups()]
    assert client.list_group_offsets({group: None})[group][at].offset == 6
    assert client.list_group_offsets({group: [at, other]})[group][other].offset == -1
    client.alter_group_offsets(group, {at: OffsetAndMetadata(2, "", -1)})
    assert client.list_group_offsets({group: None})[group][at].offset == 2
    client.delete_group_offsets(group, [at])
    assert at not in client.list_group_offsets({group: None})[group]
    client.delete_groups([group])
    assert group not in [found["group_id"] for found in client.list_groups()]
    client.close()


@basic
def large_messages():
    name = create(topic("large"))
    # A batch of one record of this size is just below the limit.
    [offset] = send(name, [b"x" * (MAX_MESSAGE_BYTES - 100)], max_request_size=8 << 20)
    assert offset == 0
    fails(errors.MessageSizeTooLargeError, send, name, [b"x" * (MAX_MESSAGE_BYTES + 1)], max_request_size=8 << 20)
    # One batch comes even if it is larger than what was asked for.
    reader = consumer(name, max_partition_fetch_bytes=1000, fetch_max_bytes=1000)
    assert len(take(reader, 1)[0].value) == MAX_MESSAGE_BYTES - 100
    reader.close()


@basic
def topics_that_are_not_there():
    name = topic("unknown")
    sender = producer(max_block_ms=1500)
    error = fails(errors.KafkaError, lambda: sender.send(name, b"x").get(10))
    assert isinstance(error, (errors.UnknownTopicOrPartitionError, errors.KafkaTimeoutError)), error
    sender.close()
    client = admin()
    fails(errors.UnknownTopicOrPartitionError, client.delete_topics, [name])
    assert name not in [t["name"] if isinstance(t, dict) else t for t in client.list_topics()]
    client.close()


@basic
def a_consumer_at_the_end_waits_and_then_is_prompt():
    name = create(topic("poll"))
    send(name, [b"first"])
    reader = consumer(name, fetch_max_wait_ms=5000)
    take(reader, 1)
    before = fetches()
    assert not reader.poll(timeout_ms=3000)
    asked = fetches() - before
    assert asked <= 3, f"{asked} fetches in three seconds in which nothing happened"
    sender = producer()
    sender.send(name, b"second").get(10)
    begin = time.monotonic()
    [record] = take(reader, 1)
    assert record.value == b"second" and time.monotonic() - begin < 2
    sender.close()
    reader.close()


def log_in(mechanism, password=PASSWORD):
    return {
        "bootstrap_servers": SASL,
        "security_protocol": "SASL_PLAINTEXT",
        "sasl_mechanism": mechanism,
        "sasl_plain_username": USER,
        "sasl_plain_password": password,
    }


@basic
def logging_in():
    for mechanism in MECHANISMS:
        client = admin(**log_in(mechanism))
        client.list_topics()
        client.close()
        fails(errors.KafkaError, admin, bootstrap_timeout_ms=1000, **log_in(mechanism, "wrong"))
    fails(errors.KafkaError, admin, bootstrap_servers=SASL, bootstrap_timeout_ms=1000)


@basic
def topics_made_on_demand():
    name = topic("auto")
    sender = KafkaProducer(**log_in("PLAIN"))
    assert sender.send(name, b"x").get(20).offset == 0
    sender.close()
    reader = consumer(name, **log_in("PLAIN"))
    assert take(reader, 1)[0].value == b"x"
    reader.close()


@case
def users_are_made_and_deleted():
    client = admin(**log_in("SCRAM-SHA-512"))
    name = topic("user")
    upsertion = UserScramCredentialUpsertion(name, ScramMechanism.SCRAM_SHA_256, "new", iterations=4096)
    assert client.alter_user_scram_credentials([upsertion]) == {name: None}
    described = client.describe_user_scram_credentials([name])[name]
    assert [info["iterations"] for info in described["credential_infos"]] == [4096], described
    theirs = {**log_in("SCRAM-SHA-256", "new"), "sasl_plain_username": name}
    admin(**theirs).close()
    deletion = UserScramCredentialDeletion(name, ScramMechanism.SCRAM_SHA_256)
    assert client.alter_user_scram_credentials([deletion]) == {name: None}
    fails(errors.KafkaError, admin, bootstrap_timeout_ms=1000, **theirs)
    client.close()


@basic
def over_tls():
    tls = {"bootstrap_servers": TLS, "security_protocol": "SASL_SSL", "ssl_cafile": certificate("ca.pem")}
    login = {**log_in("SCRAM-SHA-256"), **tls}
    client = admin(**login)
    client.list_topics()
    client.close()
    unknown = {**login, "ssl_cafile": certificate("other-ca.pem")}
    fails((errors.KafkaError, ssl.SSLError), admin, bootstrap_timeout_ms=1000, **unknown)


@case
def over_mutual_tls():
    tls = {"bootstrap_servers": MUTUAL, "security_protocol": "SSL", "ssl_cafile": certificate("ca.pem")}
    own = {"ssl_certfile": certificate("client.pem"), "ssl_keyfile": certificate("client.key")}
    client = admin(**tls, **own)
    client.list_topics()
    client.close()
    fails((errors.KafkaError, ssl.SSLError), admin, bootstrap_timeout_ms=1000, **tls)
    foreign = {"ssl_certfile": certificate("other-client.pem"), "ssl_keyfile": certificate("other-client.key")}
    fails((errors.KafkaError, ssl.SSLError), admin, bootstrap_timeout_ms=1000, **tls, **foreign)


run()
