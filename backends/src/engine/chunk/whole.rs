//! What a chunk changes: read off all of it, or off its front.

use bytes::Bytes;
use ottla_broker_core::record::share;

use super::bad::Bad;
use super::directory::decode_directory;
use super::entry::{Entry, Run};
use super::header::{HEADER_BYTES, Header};
use super::item::{Items, item_bytes};
use crate::engine::plan::extent;
use crate::engine::{Applied, Extent, Key};

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
            other => other.applied(|run| run.at(file, position + at as u64)),
        };
        changes.push((key, change));
    }
    Ok((header, changes))
}

/// What a chunk says that is the whole of `file`, of which only header and directory are looked at; `bytes` begin with
/// them. Its data is as long as the header says: whoever asks has compared that with the length of the object.
///
/// For where a chunk is there as a whole or not at all. That its batches are what was written is checked by whoever
/// reads them, as it is of all that lies on the medium.
///
/// # Errors
/// [`Bad`].
pub(crate) fn decode_front(header: &Header, bytes: &[u8], file: u64) -> Result<Vec<(Key, Applied)>, Bad> {
    let entries = decode_directory(header, bytes.get(HEADER_BYTES..).unwrap_or_default())?;
    let mut at = header.front_bytes();
    let changes = entries.into_iter().map(|entry| {
        let key = entry.key();
        let change = entry.applied(|run| {
            let place = run.at(file, at);
            at += u64::from(run.bytes);
            place
        });
        (key, change)
    });
    Ok(changes.collect())
}

impl Entry {
    /// What there is to apply; `place` says where a run lies.
    fn applied(self, place: impl FnOnce(&Run) -> Extent) -> Applied {
        match self {
            Self::Run(run) => Applied::Batch(place(&run)),
            Self::Open { epoch, .. } => Applied::Open(epoch),
            Self::Trim { start, base, .. } => Applied::Trim(start, base),
            Self::Reset { at, base, .. } => Applied::Reset(at, base),
            Self::Truncate { end, .. } => Applied::Truncate(end),
            Self::Remove { .. } => Applied::Remove,
        }
    }
}

impl Run {
    /// As the index has it, if it lies at `position` of `file`.
    const fn at(&self, file: u64, position: u64) -> Extent {
        let Self { base, next, bytes, max_timestamp, .. } = *self;
        Extent { base, next, file, position, bytes, max_timestamp }
    }
}
