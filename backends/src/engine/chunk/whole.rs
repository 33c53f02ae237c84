//! A chunk that is there as a whole, and what it changes.

use bytes::Bytes;
use ottla_broker_core::record::share;

use super::bad::Bad;
use super::directory::decode_directory;
use super::entry::Entry;
use super::header::{HEADER_BYTES, Header};
use super::item::{Items, item_bytes};
use crate::engine::plan::extent;
use crate::engine::{Applied, Key};

/// What a chunk says, in order; `bytes` are all of it, and it lies at `position` of `file`. Every batch was checked whole.
///
/// # Errors
/// [`Bad`].
pub(crate) fn decode_chunk(bytes: &Bytes, file: u64, position: u64) -> Result<(Header, Vec<(Key, Applied)>), Bad> {
    let header = Header::parse(bytes)?;
    if header.total_bytes() != bytes.len() as u64 {
        return Err(Bad::Structure("a chunk is not as long as it says"));
    }
    let entries = decode_directory(&header, bytes.get(HEADER_BYTES..).unwrap_or_default())?;
    let mut at = HEADER_BYTES + header.directory_bytes as usize;
    let mut changes = Vec::with_capacity(entries.len());
    for entry in entries {
        let key = entry.key();
        let change = match entry {
            Entry::Run(run) => {
                let end = at + run.bytes as usize;
                // The directory was checked to account for all bytes.
                let items = share(bytes, at..end).map_err(|truncated| Bad::cut("a run", truncated))?;
                let mut count = 0;
                for item in Items::new(&key, items) {
                    let (within, batch) = item?;
                    let place = position + at as u64 + u64::from(within);
                    changes.push((key, Applied::Batch(extent(&batch, file, place, item_bytes(&batch)))));
                    count += 1;
                }
                if count != run.batches {
                    return Err(Bad::Structure("a run does not hold the batches that it counts"));
                }
                at = end;
                continue;
            }
            Entry::Open { epoch, .. } => Applied::Open(epoch),
            Entry::Trim { start, base, .. } => Applied::Trim(start, base),
            Entry::Reset { at, base, .. } => Applied::Reset(at, base),
            Entry::Truncate { end, .. } => Applied::Truncate(end),
            Entry::Remove { .. } => Applied::Remove,
        };
        changes.push((key, change));
    }
    Ok((header, changes))
}
