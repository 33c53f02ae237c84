//! The files of a directory, and what they begin with.
//!
//! | name | what |
//! |---|---|
//! | `<number>.journal` | chunks, as they were written |
//! | `<number>.segment` | items of logs, put together by the compactor |
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
//!  4096     …  a journal: chunks, each at a multiple of 8; a segment: items, one after the other
//! ```
//!
//! Chunks and items are drawn with their code ([`crate::engine::chunk`]).
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
//! A version that is not known is an error that names it; nothing is guessed, and nothing is written over.

mod checkpoint;
mod file_header;
mod name;
#[cfg(test)]
mod tests;
mod varint;

pub(crate) use checkpoint::{Checkpoint, FileEntry};
pub(crate) use file_header::{FILE_HEADER_BYTES, FileHeader, FileKind};
pub(crate) use name::{LOCK_NAME, Name, checkpoint_name, journal_name, segment_name, temporary_name};
