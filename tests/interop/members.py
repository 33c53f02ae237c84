"""Members of consumer groups as processes of their own, which can be killed.

Each says as JSON lines what it is given and what it reads, commits what it has read, and leaves when its standard
input ends. `src/bin/member.rs` is ours.
"""

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
BOOTSTRAP = os.environ["INTEROP_BOOTSTRAP"]


def _command(kind, topic, group, assignor, instance):
    words = [topic, group] + (["--assignor", assignor] if assignor else []) + (["--instance", instance] if instance else [])
    if kind == "ottla":
        return [os.environ["INTEROP_MEMBER"], f"kafka://{BOOTSTRAP}", *words]
    if kind == "kafkajs":
        return ["node", os.path.join(HERE, "member_kafkajs.js"), *words]
    if kind == "kcat":
        settings = {
            "session.timeout.ms": 6000,
            "heartbeat.interval.ms": 500,
            "auto.offset.reset": "earliest",
            "auto.commit.interval.ms": 100,
            "partition.assignment.strategy": assignor or "range",
        }
        if instance:
            settings["group.instance.id"] = instance
        flags = [word for name, value in settings.items() for word in ("-X", f"{name}={value}")]
        return ["kcat", "-b", BOOTSTRAP, "-u", *flags, "-f", '{"record":[%p,%o,"%s"]}\\n', "-G", group, topic]
    return [sys.executable, os.path.join(HERE, f"member_{kind.replace('-', '_')}.py"), *words]


class Member:
    """A running member. What it said is in `share` (`None` before it was given any) and `records`."""

    def __init__(self, kind, topic, group, assignor=None, instance=None):
        self.kind, self.share, self.records, self.shares = kind, None, [], []
        command = _command(kind, topic, group, assignor, instance)
        self.errors = []
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True)
        self._readers = [
            threading.Thread(target=self._read, daemon=True),
            threading.Thread(target=self._read_errors, daemon=True),
        ]
        for reader in self._readers:
            reader.start()

    def _read(self):
        for line in self.process.stdout:
            told = json.loads(line)
            if "assigned" in told:
                self._is_given(told["assigned"])
            elif "record" in told:
                self.records.append(tuple(told["record"]))

    def _is_given(self, share):
        self.share = sorted(share)
        self.shares.append(self.share)

    def _read_errors(self):
        for line in self.process.stderr:
            self.errors.append(line)
            if self.kind == "kcat":
                self._kcat_says(line)

    def _kcat_says(self, line):
        """`% Group g rebalanced (memberid m): assigned: t [0], t [1]`, or
        `% Group g rebalanced: incremental assignment of 2 partition(s) (memberid m, …): t [0], t [1]`."""
        rebalanced = re.match(r"% Group \S+ rebalanced.*?(incremental )?(assign|revo|unassign)", line)
        if rebalanced:
            named = {int(n) for n in re.findall(r"\[(\d+)\]", line)}
            had = set(self.share or []) if rebalanced[1] else set()
            self._is_given(had | named if rebalanced[2] == "assign" else had - named)

    def leave(self):
        if self.kind == "kcat":
            self.process.send_signal(signal.SIGINT)
        self.process.stdin.close()
        self._ended(20)

    def kill(self):
        self.process.kill()
        self._ended(5)

    def _ended(self, seconds):
        self.process.wait(seconds)
        for reader in self._readers:
            reader.join(seconds)

    def told(self):
        return f"{self.kind}: had {self.shares}, read {len(self.records)}, said {''.join(self.errors[-20:])}"
