"""Consumer groups of every client, of one kind and mixed with ours, with members that leave and that crash."""

import os
import time
from concurrent.futures import ThreadPoolExecutor, as_completed

from harness import *
from kafka import KafkaAdminClient, KafkaProducer
from members import Member

PARTITIONS = 4
SUBSET = os.environ.get("INTEROP_SUBSET") == "1"


class Group:
    """A topic and a group, and what was sent there."""

    def __init__(self, kinds, assignor):
        self.topic, self.id, self.assignor = topic("shared"), topic("group"), assignor
        self.members, self.sent = [], 0
        admin = KafkaAdminClient(bootstrap_servers=BOOTSTRAP)
        admin.create_topics({self.topic: {"num_partitions": PARTITIONS, "replication_factor": 1}}, wait_for_metadata=True)
        admin.close()
        self.producer = KafkaProducer(bootstrap_servers=BOOTSTRAP)
        for kind in kinds:
            self.join(kind)

    def join(self, kind, instance=None):
        member = Member(kind, self.topic, self.id, self.assignor, instance)
        self.members.append(member)
        return member

    def alive(self):
        return [member for member in self.members if member.process.poll() is None]

    def is_divided_among(self, *members):
        """Each of them has about as much as the others, and together they have each partition once."""

        def divided():
            shares = [member.share or [] for member in members]
            least = PARTITIONS // len(members)
            return sorted(sum(shares, [])) == list(range(PARTITIONS)) and min(map(len, shares)) >= least

        self.wait("the partitions are divided", divided)

    def wait(self, what, condition):
        def watched():
            ended = [one for one in self.members if one.process.poll() not in (None, 0, -9)]
            assert not ended, f"a member has ended: {ended[0].told()}"
            return condition()

        try:
            until(what, watched, 45)
        except AssertionError as error:
            told = "\n".join(member.told() for member in self.members)
            raise AssertionError(f"{error}\n{told}") from None

    def handles(self, count=20):
        """Records that are sent now are all read, each partition's in order."""
        for n in range(self.sent, self.sent + count):
            self.producer.send(self.topic, b"%d" % n, partition=n % PARTITIONS)
        self.producer.flush()
        self.sent += count
        want = {(n % PARTITIONS, n // PARTITIONS, str(n)) for n in range(self.sent)}
        read = lambda: {record for member in self.members for record in member.records}
        self.wait("all is read", lambda: read() >= want)
        assert read() == want, read() - want
        for member in self.members:
            for partition in range(PARTITIONS):
                offsets = [offset for of, offset, _ in member.records if of == partition]
                # After a crash or a change of hands some may come again, to another member.
                assert offsets == sorted(offsets), (member.kind, offsets)

    def read_once(self):
        """Nothing came twice: every hand-over was in order."""
        records = [record for member in self.members for record in member.records]
        assert len(records) == len(set(records)), sorted(records)

    def close(self):
        for member in self.members:
            if member.process.poll() is None:
                member.kill()
        self.producer.close()


def comes_leaves_and_crashes(first, second, third, assignor):
    group = Group([first], assignor)
    try:
        [one] = group.members
        group.is_divided_among(one)
        group.handles()
        two = group.join(second)
        group.is_divided_among(one, two)
        group.handles()
        one.leave()
        group.is_divided_among(two)
        group.handles()
        group.read_once()
        three = group.join(third)
        group.is_divided_among(two, three)
        group.handles()
        # The group learns of it when the session is over.
        three.kill()
        group.is_divided_among(two)
        group.handles()
    finally:
        group.close()


def comes_back_under_its_static_name(kind, assignor):
    group = Group([], assignor)
    try:
        one, two = group.join(kind, "one"), group.join(kind, "two")
        group.is_divided_among(one, two)
        group.handles()
        share, changes = one.share, len(two.shares)
        one.kill()
        again = group.join(kind, "one")
        group.wait("it has its share again", lambda: again.share == share)
        group.handles()
        assert len(two.shares) == changes, f"the other was disturbed: {two.told()}"
    finally:
        group.close()


def together(scenarios):
    """Runs them at the same time, as they mostly wait."""
    failed = []
    with ThreadPoolExecutor(8) as pool:
        running = {pool.submit(function, *args): (function.__name__, *args) for function, *args in scenarios}
        for future in as_completed(running):
            error = future.exception()
            print(f"       {'FAILED' if error else 'ok'} {' '.join(map(str, running[future]))}", flush=True)
            if error:
                failed.append(f"{running[future]}: {error!r}")
    assert not failed, "\n".join(failed)


@basic
def members_of_one_kind():
    kinds = [
        ("kafka-python", "range"),
        ("kafka-python", "cooperative-sticky"),
        ("aiokafka", "roundrobin"),
        ("confluent", "range"),
        ("confluent", "cooperative-sticky"),
        ("kafkajs", None),
        ("kcat", "range"),
        ("kcat", "cooperative-sticky"),
        ("ottla", "cooperative-sticky"),
    ]
    if SUBSET:
        kinds = [("kafka-python", "range"), ("aiokafka", "roundrobin"), ("kafkajs", None), ("kcat", "range")]
    together([(comes_leaves_and_crashes, kind, kind, kind, assignor) for kind, assignor in kinds])


@case
def members_mixed_with_ours():
    rows = []
    for kind, assignor in [
        ("kafka-python", "range"),
        ("kafka-python", "roundrobin"),
        ("kafka-python", "cooperative-sticky"),
        ("aiokafka", "range"),
        ("aiokafka", "roundrobin"),
        ("confluent", "range"),
        ("confluent", "roundrobin"),
        ("confluent", "cooperative-sticky"),
        ("kcat", "range"),
        ("kcat", "cooperative-sticky"),
    ]:
        # The first is the leader, and divides.
        rows.append((comes_leaves_and_crashes, "ottla", kind, "ottla", assignor))
        rows.append((comes_leaves_and_crashes, kind, "ottla", kind, assignor))
    rows.append((comes_leaves_and_crashes, "kafka-python", "aiokafka", "confluent", "range"))
    together(rows)


@case
def static_members():
    kinds = [
        ("kafka-python", "range"),
        ("aiokafka", "range"),
        ("confluent", "range"),
        ("confluent", "cooperative-sticky"),
        ("kcat", "range"),
        ("ottla", "cooperative-sticky"),
    ]
    together([(comes_back_under_its_static_name, kind, assignor) for kind, assignor in kinds])


run()
