//! The files of a directory, byte by byte.
//!
//! This is format version 1 of everything. Each of the three formats (file, chunk, checkpoint) begins with its magic and
//! its version and ends its header with a checksum, at the same places in every version. A reader looks at the magic,
//! then at the checksum, then at the version: a version that it does not know was written so, and is never taken for
//! damage. It is an error that names the version; nothing is guessed, and nothing is written over.
//!
//! # Files
//!
//! | name | what |
//! |---|---|
//! | `<number>.journal` | chunks, as they were written |
//! | `<number>.segment` | chunks whose batches the compactor sorted by log |
//! | `<number>.checkpoint` | the index, so that a restart need not read the files |
//! | `<any of these>.tmp` | what is being written; of no meaning until it is renamed |
//! | `lock` | held by the process that has the directory |
//!
//! A number has 20 digits, so that names sort as numbers do. What has any other name is not ours and is left
//! alone. All numbers within the files are big-endian.
//!
//! ```text
//!  at    bytes                                         a journal or a segment begins with 4,096 bytes
//!     0     4  magic: "OTLG"                           ┐ at these places
//!     4     2  version: 1                              ┘ in every version
//!     6     1  kind: 1 journal, 2 segment
//!     7     1  zero
//!     8    16  id of the storage
//!    24     8  number of the file
//!    32     8  incarnation of the writer
//!    40     8  number of the first chunk
//!    48     8  durable: chunks with a number below this were durable when this was written
//!    56 4,036  zero
//!  4092     4  CRC-32C of the 4,092 bytes before       (in every version)
//!  4096     …  chunks, each at a multiple of 8
//! ```
//!
//! Journal files are allocated ahead and used again: what lies behind the last chunk is zeros, or chunks of an older
//! time. Only the chain of chunks counts (see [recovery](super#recovery)). A segment is as long as its contents.
//!
//! # Chunks
//!
//! A chunk is a header, a directory and the data:
//!
//! ```text
//!  at  bytes                                                         header, 64 bytes
//!   0  4  magic: "OTCH"                                              ┐ at these places
//!   4  2  version: 1                                                 ┘ in every version
//!   6  2  zero
//!   8  8  incarnation of the writer
//!  16  8  number of the chunk: one more than that of the chunk before it
//!  24  8  durable: chunks with a number below this were durable when this one was written
//!  32  4  entries in the directory
//!  36  4  bytes of the directory
//!  40  4  bytes of the data
//!  44  4  CRC-32C of the directory
//!  48 12  zero
//!  60  4  CRC-32C of the 60 bytes before                             (in every version)
//!  64  …  the directory: entries, one after the other
//!   …  …  the data: the runs' items, in the order of the runs in the directory
//! ```
//!
//! The header has its own checksum, so that its lengths can be trusted before anything behind it is read. A
//! chunk begins at a multiple of 8 bytes in its file; what lies between the end of a chunk and the next
//! multiple of 8 is never read.
//!
//! An entry says what happened to one log. Entries are applied in order.
//!
//! ```text
//!  at  bytes                                                         every entry
//!   0  1  kind                                                       ┐
//!   1  1  space of the log: 0 records, 1 snapshots, 2 metadata       │
//!   2 16  topic id                                                   │
//!  18  4  partition                                                  ┘
//!
//!  kind 1: run, batches that were appended; their items are in the data
//!  22  8  base: the first offset
//!  30  8  next: one past the last offset
//!  38  4  batches
//!  42  4  bytes of their items
//!  46  8  the greatest timestamp
//!
//!  kind 2: open                    kind 5: truncate              kind 6: remove
//!  22  4  leader epoch             22  8  new end                (nothing more)
//!
//!  kind 3: trim                    kind 4: reset
//!  22  8  new start                22  8  where the empty log goes on
//!  30  8  start in the trim base ┐
//!  38  4  bytes of its state     │ both
//!  42  …  its state              ┘
//! ```
//!
//! A run has some 64 KiB at most, unless its only batch is larger: it is what the index has as one place.
//!
//! An item is a batch with what the batch's own CRC leaves out under a CRC too:
//!
//! ```text
//!  at  bytes                                                         item
//!   0  4  CRC-32C of the next 16 bytes, the space (1), the topic id (16) and the partition (4) of the log
//!   4 16  the batch's base offset, length and leader epoch
//!  20  …  the rest of the batch: magic 2, CRC-32C of what follows, …
//! ```
//!
//! Both are checked whenever an item is read, so a changed bit is found wherever in the item it is, and the
//! item of one log is never taken for another's. A segment holds its items in
//! chunks of the same form, numbered from 0, of incarnation 0.
//!
//! # Checkpoints
//!
//! ```text
//!  at  bytes                                           a checkpoint
//!   0  4  magic: "OTCK"                                ┐ at these places
//!   4  2  version: 1                                   ┘ in every version
//!   6  1  clean: 1 if the storage was closed after it, else 0
//!   7  1  zero
//!   8  8  bytes of the body
//!  16 16  id of the storage
//!  32  8  incarnation of the writer
//!  40  8  number of the first chunk that it does not cover
//!  48  8  number of the next file
//!  56  4  zero
//!  60  4  CRC-32C of the 60 bytes before and the body  (in every version)
//!  64  …  the body, to the end of the file
//!
//!  the body                          (v: zigzag varint of 64 bits, as in a record; a delta wraps around)
//!     v  files; then for each:
//!        v  number, from the file's before (at first from 0)
//!        1  kind: 1 journal, 2 segment
//!        v  bytes in use
//!        1  1 if it is closed, plus 2 if it is a journal that stays as it is
//!     v  logs; then for each:
//!        1  space, 16 topic id, 4 partition
//!        v  leader epoch
//!        v  start
//!        v  end, from the start
//!        v  start in the trim base, from the start
//!        v  bytes of the trim base's state, and the state
//!        v  extents; then for each, with the extent's before (at first all zero):
//!           v  base, from the next offset of the one before
//!           v  next, from the base
//!           v  file, from the file of the one before
//!           v  position, from the end of the one before
//!           v  bytes
//!           v  greatest timestamp, from that of the one before
//! ```
//!
//! An extent is a piece of a log: batches that lie next to each other in one file, of 64 KiB at most or one batch. Where
//! a truncation cut it, `next` lies before the end of its last batches, which are no part of the log any more.

mod file_header;
mod name;
#[cfg(test)]
mod tests;

pub(crate) use crate::engine::{Checkpoint, FileEntry, FileKind};
pub(crate) use file_header::{FILE_HEADER_BYTES, FileHeader};
pub(crate) use name::{LOCK_NAME, Name, checkpoint_name, journal_name, segment_name, temporary_name};
