"""What the files of the Python clients share: cases, what is sent, and where the servers are.

`run` sets the environment; see its head for how to run one file by hand.
"""

import os
import signal
import sys
import time
import traceback
import urllib.request
import uuid

# The server that a client's file has for itself, on the storage that is tried.
BOOTSTRAP = os.environ["INTEROP_BOOTSTRAP"]
# Servers that all files share: with log-ins and auto-creation; over TLS with log-ins; over mutual TLS.
SASL = os.environ["INTEROP_SASL_BOOTSTRAP"]
TLS = os.environ["INTEROP_TLS_BOOTSTRAP"]
MUTUAL = os.environ["INTEROP_MUTUAL_BOOTSTRAP"]
CERTIFICATES = os.environ["INTEROP_CERTIFICATES"]
USER, PASSWORD = "alice", os.environ["INTEROP_PASSWORD"]
MECHANISMS = ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"]

CODECS = [None, "gzip", "snappy", "lz4", "zstd"]
# What a topic may take in one batch, unless it is configured otherwise.
MAX_MESSAGE_BYTES = 1_048_588

# Key, value, headers. There are absent keys, null values, and what is empty but there.
RECORDS = [
    (b"key", b"value", []),
    (None, b"no key", []),
    (b"tombstone", None, []),
    (b"", b"", []),
    ("clé".encode(), bytes(range(256)), [("trace", b"\x00\xff"), ("trace", b"again"), ("empty", b"")]),
] + [(b"k%d" % n, b"some text that compresses well " * 8 + b"%d" % n, [("n", b"%d" % n)]) for n in range(60)]
# Milliseconds; each record's is one later than the one before.
TIME = 1_700_000_000_000

_cases = []


def case(function):
    """A case of the whole set."""
    _cases.append((function, False))
    return function


def basic(function):
    """A case of the subset too."""
    _cases.append((function, True))
    return function


def topic(what="t"):
    """A name that nobody has used."""
    return f"{what}-{uuid.uuid4().hex[:12]}"


def certificate(name):
    return os.path.join(CERTIFICATES, name)


def metric(name, **labels):
    """The sum of a counter of our own server over all of its series that have these labels."""
    url = f"http://{os.environ['INTEROP_METRICS']}/metrics"
    total = 0.0
    for line in urllib.request.urlopen(url, timeout=5).read().decode().splitlines():
        series, _, value = line.rpartition(" ")
        if series.partition("{")[0] == name and all(f'{k}="{v}"' in series for k, v in labels.items()):
            total += float(value)
    return total


def fetches():
    return metric("ottla_server_requests_total", api="Fetch")


def fails(kind, function, *args, **kwargs):
    """The error of this kind that a call ends with."""
    try:
        result = function(*args, **kwargs)
    except kind as error:
        return error
    raise AssertionError(f"{kind} was to be raised, and {result!r} was returned")


def until(what, function, seconds=30):
    """What `function` returns once that is true."""
    end = time.monotonic() + seconds
    while True:
        found = function()
        if found:
            return found
        assert time.monotonic() < end, f"not within {seconds} s: {what}"
        time.sleep(0.05)


class Late(Exception):
    pass


def _late(*_):
    raise Late("the case took longer than it may")


def run():
    """Runs the cases: those of the subset, or those named, or all. Ends the process."""
    subset = os.environ.get("INTEROP_SUBSET") == "1"
    named = sys.argv[1:]
    signal.signal(signal.SIGALRM, _late)
    failed = []
    for function, is_basic in _cases:
        name = function.__name__
        if (named and name not in named) or (subset and not named and not is_basic):
            continue
        begin = time.monotonic()
        signal.alarm(90)
        try:
            function()
            outcome = "ok"
        except Exception:
            traceback.print_exc()
            failed.append(name)
            outcome = "FAILED"
        finally:
            signal.alarm(0)
        print(f"{outcome:6} {name} ({time.monotonic() - begin:.1f} s)", flush=True)
    if failed:
        print(f"failed: {' '.join(failed)}")
    # A client whose case failed may have left threads that would not end.
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(1 if failed else 0)
