"""A member of kafka-python. See `members.py`."""

import argparse
import json
import os
import select
import sys

from kafka import ConsumerRebalanceListener, KafkaConsumer
from kafka.coordinator.assignors.cooperative_sticky import CooperativeStickyAssignor
from kafka.coordinator.assignors.range import RangePartitionAssignor
from kafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor

ASSIGNORS = {
    "range": RangePartitionAssignor,
    "roundrobin": RoundRobinPartitionAssignor,
    "cooperative-sticky": CooperativeStickyAssignor,
}
words = argparse.ArgumentParser()
words.add_argument("topic")
words.add_argument("group")
words.add_argument("--assignor", default="range")
words.add_argument("--instance")
asked = words.parse_args()
share = set()


def say(**told):
    print(json.dumps(told), flush=True)


class Listener(ConsumerRebalanceListener):
    def on_partitions_assigned(self, assigned):
        share.update(one.partition for one in assigned)
        say(assigned=sorted(share))

    def on_partitions_revoked(self, revoked):
        share.difference_update(one.partition for one in revoked)
        say(assigned=sorted(share))


consumer = KafkaConsumer(
    bootstrap_servers=os.environ["INTEROP_BOOTSTRAP"],
    group_id=asked.group,
    group_instance_id=asked.instance,
    partition_assignment_strategy=[ASSIGNORS[asked.assignor]],
    auto_offset_reset="earliest",
    enable_auto_commit=False,
    session_timeout_ms=6000,
    heartbeat_interval_ms=500,
)
consumer.subscribe([asked.topic], listener=Listener())
while not select.select([sys.stdin], [], [], 0)[0]:
    polled = consumer.poll(timeout_ms=100)
    for records in polled.values():
        for record in records:
            say(record=[record.partition, record.offset, record.value.decode()])
    if polled:
        consumer.commit()
consumer.close()
say(left=True)
