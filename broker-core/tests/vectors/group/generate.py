"""Writes `vectors.txt` beside this file with kafka-python, an implementation that is not ours.

    pip install kafka-python==3.0.12
    python generate.py

Subscriptions and assignments go through its own classes; the records of `__consumer_offsets` through its
encoder of Kafka's JSON schemas (the schemas of Kafka 4.0 are spelled out below: names, types, versions).
`src/api/group/tests/vectors.rs` spells the same values out in Rust. One line each: name, space, hex.
"""

import pathlib
import struct

from kafka.protocol.consumer.metadata import ConsumerProtocolAssignment, ConsumerProtocolSubscription
from kafka.protocol.data_container import DataContainer
from kafka.protocol.schemas.fields import StructField


def field(name, kind, versions, **more):
    return {"name": name, "type": kind, "versions": versions, **more}


NULL = {"default": "null"}
OFFSET_VALUE = {
    "name": "OffsetCommitValue", "type": "data", "versions": "0+", "fields": [
        field("offset", "int64", "0+"),
        field("leaderEpoch", "int32", "3+", default=-1, ignorable=True),
        field("metadata", "string", "0+"),
        field("commitTimestamp", "int64", "0+"),
        field("expireTimestamp", "int64", "1", default=-1, ignorable=True),
    ]}
GROUP_VALUE = {
    "name": "GroupMetadataValue", "type": "data", "versions": "0+", "fields": [
        field("protocolType", "string", "0+"),
        field("generation", "int32", "0+"),
        field("protocol", "string", "0+", nullableVersions="0+"),
        field("leader", "string", "0+", nullableVersions="0+"),
        field("currentStateTimestamp", "int64", "2+", default=-1, ignorable=True),
        field("members", "[]MemberMetadata", "0+", fields=[
            field("memberId", "string", "0+"),
            field("groupInstanceId", "string", "3+", nullableVersions="3+", ignorable=True, **NULL),
            field("clientId", "string", "0+"),
            field("clientHost", "string", "0+"),
            field("rebalanceTimeout", "int32", "1+", ignorable=True),
            field("sessionTimeout", "int32", "0+"),
            field("subscription", "bytes", "0+"),
            field("assignment", "bytes", "0+"),
        ]),
    ]}
OFFSET_KEY = {
    "name": "OffsetCommitKey", "type": "data", "versions": "0+", "fields": [
        field("group", "string", "0+"), field("topic", "string", "0+"), field("partition", "int32", "0+"),
    ]}
GROUP_KEY = {"name": "GroupMetadataKey", "type": "data", "versions": "0+", "fields": [field("group", "string", "0+")]}


def record(schema, prefix, version=0, flexible_from=99, **values):
    """A key or value: its version, then its fields."""
    fields = StructField(schema)
    names = {f["name"]: name for f, name in zip(schema["fields"], fields.fields)}
    kind = type(schema["name"], (DataContainer,), {"_struct": fields})
    data = kind(version=version, **{names[name]: value for name, value in values.items()})
    flexible = version >= flexible_from
    return struct.pack(">h", prefix) + fields.encode(data, version=version, compact=flexible, tagged=flexible)


def message(kind, version, **values):
    return kind(version=version, **values).encode(version=version)  # its version goes first


OWNED = [("emails", [0, 2]), ("orders", [7])]
MEMBERS = [
    ("app-1", "node-a", "app", "/10.0.0.1", 60000, 45000, b"sub-1", b"share-1"),
    ("app-2", None, "app", "/10.0.0.2", 30000, 10000, b"", b""),
]


def main():
    lines = {}
    for version in range(4):
        values = {"topics": ["emails", "orders"], "user_data": b"\x00\xff"}
        if version >= 1:
            values["owned_partitions"] = [ConsumerProtocolSubscription.TopicPartition(t, p, version=version) for t, p in OWNED]
        if version >= 2:
            values["generation_id"] = 42
        if version >= 3:
            values["rack_id"] = "rack-1"
        lines[f"subscription-{version}"] = message(ConsumerProtocolSubscription, version, **values)
        parts = [ConsumerProtocolAssignment.TopicPartition(t, p, version=version) for t, p in OWNED]
        lines[f"assignment-{version}"] = message(
            ConsumerProtocolAssignment, version, assigned_partitions=parts, user_data=None)
    lines["subscription-bare"] = message(
        ConsumerProtocolSubscription, 3, topics=[], user_data=None, owned_partitions=[], generation_id=-1, rack_id=None)
    lines["offset-key"] = record(OFFSET_KEY, 1, group="grüppe", topic="emails", partition=3)
    lines["group-key"] = record(GROUP_KEY, 2, group="grüppe")
    for version in range(5):
        values = {"offset": 1234567890123, "metadata": "so weit", "commitTimestamp": 1700000000000}
        if version >= 3:
            values["leaderEpoch"] = 9
        if version == 1:
            values["expireTimestamp"] = 1700000060000
        lines[f"offset-{version}"] = record(OFFSET_VALUE, version, version, 4, **values)
        schema = StructField(GROUP_VALUE).fields["members"]
        kind = type("MemberMetadata", (DataContainer,), {"_struct": schema})
        members = []
        for member in MEMBERS:
            names = ["member_id", "group_instance_id", "client_id", "client_host", "rebalance_timeout", "session_timeout",
                     "subscription", "assignment"]
            present = dict(zip(names, member))
            if version < 3:
                del present["group_instance_id"]
            if version < 1:
                del present["rebalance_timeout"]
            members.append(kind(version=version, **present))
        values = {"protocolType": "consumer", "generation": 5, "protocol": "range", "leader": "app-1", "members": members}
        if version >= 2:
            values["currentStateTimestamp"] = 1700000000001
        lines[f"group-{version}"] = record(GROUP_VALUE, version, version, 4, **values)
    lines["group-empty"] = record(
        GROUP_VALUE, 3, 3, 4, protocolType="consumer", generation=6, protocol=None, leader=None,
        currentStateTimestamp=1700000000002, members=[])
    text = "".join(f"{name} {value.hex()}\n" for name, value in lines.items())
    pathlib.Path(__file__).with_name("vectors.txt").write_text(text)


main()
