"""Writes the vectors beside this file with kafka-python, an implementation that is not ours.

    pip install kafka-python==3.0.12 crc32c lz4 python-snappy zstandard
    python generate.py

`tests/record/vectors.rs` spells the same records out in Rust.
"""

import pathlib
import struct

from kafka.record.default_records import ControlRecord, DefaultRecordBatchBuilder
from kafka.record.memory_records import MemoryRecordsBuilder

HERE = pathlib.Path(__file__).parent
T0 = 1_700_000_000_000

MIXED = [
    (T0, b"key", b"value", [("trace", b"1"), ("empty", b""), ("trace", None), ("schl\u00fcssel", b"\x00\xff")]),
    (T0 + 5, None, b"no key", []),
    (T0 - 3, b"tombstone", None, []),
    (T0 + 70_000, b"", b"", [("", b"")]),
    (T0, None, None, []),
]

CODECS = {"none": 0, "gzip": 1, "snappy": 2, "lz4": 3, "zstd": 4}


def long_records():
    """200 records, some 120 kB: more than one block of every codec that has blocks."""
    for i in range(200):
        value = (b"record %04d of a batch that compresses well; " % i) * 13
        yield T0 + 10 * i, b"key-%d" % (i % 7), value, [("n", b"%d" % i)]


def batch(records, codec=0, gaps=None, **producer):
    builder = MemoryRecordsBuilder(magic=2, compression_type=codec, batch_size=1 << 20, **producer)
    for i, (timestamp, key, value, headers) in enumerate(records):
        builder.skip((gaps or {}).get(i, 0))
        assert builder.append(timestamp, key, value, headers) is not None
    builder.close()
    return bytes(builder.buffer())


class ControlBuilder(DefaultRecordBatchBuilder):
    """kafka-python reads control batches but writes none: only the attribute bit is added."""

    def _get_attributes(self, *args):
        return super()._get_attributes(*args) | self.CONTROL_MASK


def marker(kind, coordinator_epoch):
    builder = ControlBuilder(2, 0, True, 4711, 3, -1, 1 << 20)
    key = ControlRecord.KEY_STRUCT.pack(0, kind)
    builder.append(0, T0, key, struct.pack(">hi", 0, coordinator_epoch), [])
    return bytes(builder.build())


def write(name, data):
    (HERE / f"{name}.bin").write_bytes(data)
    print(name, len(data))


write("mixed", batch(MIXED))
for name, codec in CODECS.items():
    if codec:
        write(f"long-{name}", batch(long_records(), codec))
write("sparse", batch(MIXED, gaps={0: 2, 3: 1000}))
write("idempotent", batch(MIXED[:3], producer_id=4711, producer_epoch=3, base_sequence=2**31 - 2))
write("transactional", batch(MIXED[:1], producer_id=4711, producer_epoch=3, base_sequence=0, transactional=True))
write("abort", marker(0, 11))
write("commit", marker(1, 12))
write("two-batches", batch(MIXED[:2]) + batch(MIXED[2:]))
