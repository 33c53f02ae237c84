"""A member of confluent-kafka. See `members.py`."""

import argparse
import json
import os
import select
import sys

from confluent_kafka import Consumer, KafkaException

words = argparse.ArgumentParser()
words.add_argument("topic")
words.add_argument("group")
words.add_argument("--assignor", default="range")
words.add_argument("--instance")
asked = words.parse_args()
share = set()


def say(**told):
    print(json.dumps(told), flush=True)


def given(consumer, assigned):
    share.update(one.partition for one in assigned)
    say(assigned=sorted(share))


def taken(consumer, revoked):
    share.difference_update(one.partition for one in revoked)
    say(assigned=sorted(share))


settings = {
    "bootstrap.servers": os.environ["INTEROP_BOOTSTRAP"],
    "group.id": asked.group,
    "partition.assignment.strategy": asked.assignor,
    "auto.offset.reset": "earliest",
    "enable.auto.commit": False,
    "session.timeout.ms": 6000,
    "heartbeat.interval.ms": 500,
}
if asked.instance:
    settings["group.instance.id"] = asked.instance
consumer = Consumer(settings)
consumer.subscribe([asked.topic], on_assign=given, on_revoke=taken, on_lost=taken)
while not select.select([sys.stdin], [], [], 0)[0]:
    polled = consumer.consume(100, timeout=0.1)
    for record in polled:
        if record.error():
            raise KafkaException(record.error())
        say(record=[record.partition(), record.offset(), record.value().decode()])
    if polled:
        consumer.commit(asynchronous=False)
consumer.close()
say(left=True)
