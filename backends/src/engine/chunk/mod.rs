//! A chunk: what one group commit wrote. It reads the same in a file and in an object.
//!
//! Its layout is drawn in `disk::format`, which is a public page.

mod bad;
mod directory;
mod entry;
mod header;
mod item;
mod scan;
#[cfg(test)]
mod tests;
mod whole;

pub(crate) use bad::Bad;
pub(crate) use directory::{Directory, decode_directory, encode};
pub(crate) use entry::{Entry, Run, key_bytes, read_key};
pub(crate) use header::{HEADER_BYTES, Header};
pub(crate) use item::{Items, item_bytes, item_head};
pub(crate) use scan::find_later;
pub(crate) use whole::{decode_chunk, decode_front};
