"""A member of aiokafka. See `members.py`."""

import argparse
import asyncio
import json
import os
import select
import sys

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from aiokafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor

ASSIGNORS = {"range": RangePartitionAssignor, "roundrobin": RoundRobinPartitionAssignor}


def say(**told):
    print(json.dumps(told), flush=True)


class Listener(ConsumerRebalanceListener):
    async def on_partitions_assigned(self, assigned):
        say(assigned=sorted(one.partition for one in assigned))

    async def on_partitions_revoked(self, revoked):
        say(assigned=[])


async def main(asked):
    consumer = AIOKafkaConsumer(
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
    await consumer.start()
    while not select.select([sys.stdin], [], [], 0)[0]:
        polled = await consumer.getmany(timeout_ms=100)
        for records in polled.values():
            for record in records:
                say(record=[record.partition, record.offset, record.value.decode()])
        if polled:
            await consumer.commit()
    await consumer.stop()
    say(left=True)


words = argparse.ArgumentParser()
words.add_argument("topic")
words.add_argument("group")
words.add_argument("--assignor", default="range")
words.add_argument("--instance")
asyncio.run(main(words.parse_args()))
