//! Looking for a chunk where none is expected.

use super::bad::Bad;
use super::directory::decode_directory;
use super::header::{ALIGNMENT, HEADER_BYTES, Header, MAGIC};

/// The first chunk in `bytes` of this incarnation whose number is `from_number` or more, and where it begins.
///
/// Recovery asks this behind a chunk that is bad: a good one of the same chain says that the bad one was once
/// whole. `bytes` begin at a multiple of [`ALIGNMENT`] in their file. A chunk counts if its header is good and
/// its directory is good or goes beyond `bytes`; its data is not looked at.
///
/// Records may hold a copy of a journal, even of this one, but not of chunks that were yet to be written: with
/// the number of the chunk that is bad as `from_number`, a copy is told from the chain.
pub(crate) fn find_later(bytes: &[u8], incarnation: u64, from_number: u64) -> Option<(usize, Header)> {
    const STEP: usize = ALIGNMENT as usize;
    // Most of a file is something else, so the common case is one comparison of four bytes.
    let mut begins = bytes.chunks_exact(STEP).enumerate().filter(|(_, word)| word.starts_with(&MAGIC));
    begins.find_map(|(index, _)| {
        let position = index * STEP;
        let chunk = bytes.get(position..)?;
        let header = Header::parse(chunk).ok()?;
        if header.incarnation != incarnation || header.number < from_number {
            return None;
        }
        match decode_directory(&header, chunk.get(HEADER_BYTES..)?) {
            Ok(_) | Err(Bad::Truncated { .. }) => Some((position, header)),
            Err(_) => None,
        }
    })
}
