//! The format of a chunk: what one group commit wrote.
//!
//! All numbers are big-endian, as in the record batch. A chunk is a header, a directory and the data:
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
//! item of one log is never taken for another's. Segments hold items in this form, too.
//!
//! A version that is not known is an error that names it; nothing is guessed, and nothing is written over.

mod bad;
mod directory;
mod entry;
mod header;
mod item;
mod scan;
#[cfg(test)]
mod tests;

pub(crate) use bad::Bad;
pub(crate) use directory::{decode_directory, encode};
pub(crate) use entry::{Entry, Run, key_bytes, read_key};
pub(crate) use header::{HEADER_BYTES, Header};
pub(crate) use item::{Items, item_bytes, item_head};
pub(crate) use scan::find_later;
