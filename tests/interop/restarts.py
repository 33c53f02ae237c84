"""A server on disk that is killed in mid-load and started again: idempotent producers go on, and nothing is lost or
doubled; groups go on where they were."""

import json
import os
import subprocess
import tempfile
import threading
import time

from confluent_kafka import Consumer, Producer
from harness import *
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, OffsetAndMetadata, TopicPartition

RECORDS = 6000


class Server:
    """A server of our own, on a directory of its own and always on the same port."""

    def __init__(self):
        self.directory = tempfile.TemporaryDirectory()
        self.address = "127.0.0.1:0"
        self.log = open(os.path.join(self.directory.name, "log"), "wb")
        self.start()

    def start(self):
        url = f"file://{self.directory.name}/data"
        command = [os.environ["INTEROP_OTTLA"], "serve", url, "--listen", self.address, "--json"]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=self.log, text=True)
        line = self.process.stdout.readline()
        assert line, open(self.log.name).read()
        self.address = json.loads(line)["listening"]

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()

    def close(self):
        self.process.terminate()
        code = self.process.wait(30)
        self.process.stdout.close()
        self.log.close()
        self.directory.cleanup()
        assert code == 0, f"the server ended with {code}"


def serving(body):
    server = Server()
    try:
        body(server)
    except BaseException:
        server.kill()
        print(open(server.log.name).read()[-4000:])
        raise
    server.close()


def create(server, name, partitions):
    client = KafkaAdminClient(bootstrap_servers=server.address)
    client.create_topics({name: {"num_partitions": partitions, "replication_factor": 1}}, wait_for_metadata=True)
    client.close()


def is_there_once_and_in_order(server, name, partitions):
    reader = KafkaConsumer(bootstrap_servers=server.address, consumer_timeout_ms=3000)
    at = [TopicPartition(name, p) for p in range(partitions)]
    reader.assign(at)
    reader.seek_to_beginning()
    of = {p: [] for p in range(partitions)}
    for record in reader:
        of[record.partition].append(int(record.value))
    reader.close()
    for p, found in of.items():
        assert found == list(range(p, RECORDS, partitions)), f"partition {p}: {len(found)} records, {found[:20]}…"


def twice_killed(server, sent):
    """Kills the server when a third was sent, and when two were."""
    for part in (1, 2):
        until("some is sent", lambda: sent() >= part * RECORDS // 3)
        server.kill()
        server.start()


@case
def an_idempotent_producer_of_librdkafka_goes_on():
    def body(server):
        name, done = topic("restarts"), []
        create(server, name, 2)
        settings = {"enable.idempotence": True, "linger.ms": 1, "batch.num.messages": 50, "message.timeout.ms": 60000,
                    "reconnect.backoff.max.ms": 500, "log_level": 2}
        sender = Producer({"bootstrap.servers": server.address, **settings})
        killer = threading.Thread(target=twice_killed, args=(server, lambda: len(done)))
        killer.start()
        for n in range(RECORDS):
            sender.produce(name, b"%d" % n, partition=n % 2, on_delivery=lambda error, _: done.append(error))
            # Not faster than the server is killed.
            sender.poll(0.002)
        assert sender.flush(60) == 0
        killer.join()
        assert len(done) == RECORDS and not any(done), [one for one in done if one][:3]
        is_there_once_and_in_order(server, name, 2)

    serving(body)


@case
def an_idempotent_producer_of_kafka_python_goes_on():
    def body(server):
        name, futures = topic("restarts"), []
        create(server, name, 2)
        sender = KafkaProducer(bootstrap_servers=server.address, enable_idempotence=True, batch_size=600,
                               reconnect_backoff_max_ms=500)
        killer = threading.Thread(target=twice_killed, args=(server, lambda: sum(one.is_done for one in list(futures))))
        killer.start()
        for n in range(RECORDS):
            futures.append(sender.send(name, b"%d" % n, partition=n % 2))
            time.sleep(0.002)
        sender.flush(60)
        killer.join()
        for future in futures:
            future.get(60)
        sender.close()
        is_there_once_and_in_order(server, name, 2)

    serving(body)


@case
def groups_go_on_where_they_were():
    def body(server):
        name, group = topic("restarts"), topic("group")
        create(server, name, 1)
        sender = Producer({"bootstrap.servers": server.address})
        for n in range(10):
            sender.produce(name, b"%d" % n)
        assert sender.flush(20) == 0
        at = TopicPartition(name, 0)
        settings = {"bootstrap_servers": server.address, "group_id": group, "auto_offset_reset": "earliest",
                    "enable_auto_commit": False}
        reader = KafkaConsumer(name, **settings)
        until("a record", lambda: reader.poll(timeout_ms=500))
        reader.commit({at: OffsetAndMetadata(6, "where I was", -1)})
        server.kill()
        server.start()
        # A member of before the crash commits after it: its generation was kept.
        reader.poll(timeout_ms=100)
        reader.commit({at: OffsetAndMetadata(7, "and later", -1)})
        reader.close()
        again = Consumer({"bootstrap.servers": server.address, "group.id": group, "auto.offset.reset": "earliest"})
        again.subscribe([name])
        message = until("a record", lambda: again.poll(0.5), 60)
        assert not message.error() and message.offset() == 7, (message.error(), message.offset())
        again.close()

    serving(body)


run()
