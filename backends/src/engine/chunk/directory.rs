//! A chunk's header and directory, from entries and back.

use ottla_broker_core::planted::is_planted;
use ottla_broker_core::record::{Reader, Truncated};

use super::bad::Bad;
use super::entry::{Entry, MIN_ENTRY_BYTES};
use super::header::{HEADER_BYTES, Header};

const WHAT: &str = "a chunk's directory";

/// The header and the directory of a chunk. The items of its runs, in their order, make it whole.
///
/// The directory and the runs' bytes MUST each stay below 4 GiB: whoever gathers a group ends it long before.
pub(crate) fn encode(incarnation: u64, number: u64, durable: u64, entries: &[Entry]) -> Vec<u8> {
    let directory = Directory::of(entries);
    let mut bytes = Vec::with_capacity(directory.bytes());
    directory.write(incarnation, number, durable, &mut bytes);
    bytes
}

/// A chunk's directory, encoded; its header follows from it and from where the chunk is written.
#[derive(Debug)]
pub(crate) struct Directory {
    bytes: Vec<u8>,
    entries: usize,
    data_bytes: u64,
}

impl Directory {
    pub(crate) fn of(entries: &[Entry]) -> Self {
        let mut bytes = Vec::with_capacity(entries.len() * 64);
        let mut data_bytes = 0_u64;
        for entry in entries {
            entry.write(&mut bytes);
            if let Entry::Run(run) = entry {
                data_bytes += u64::from(run.bytes);
            }
        }
        Self { bytes, entries: entries.len(), data_bytes }
    }

    /// The bytes of header and directory.
    pub(crate) const fn bytes(&self) -> usize {
        HEADER_BYTES + self.bytes.len()
    }

    /// Appends header and directory.
    pub(crate) fn write(&self, incarnation: u64, number: u64, durable: u64, to: &mut Vec<u8>) {
        let narrow = |n: u64| {
            debug_assert!(u32::try_from(n).is_ok(), "a chunk beyond 4 GiB");
            u32::try_from(n).unwrap_or(u32::MAX)
        };
        let header = Header {
            incarnation,
            number,
            durable,
            entries: narrow(self.entries as u64),
            directory_bytes: narrow(self.bytes.len() as u64),
            data_bytes: narrow(self.data_bytes),
            directory_crc: crc32c::crc32c(&self.bytes),
        };
        header.write(to);
        to.extend_from_slice(&self.bytes);
    }
}

/// Reads the directory that `bytes`, which begin behind the header, begin with; more may follow.
///
/// Nothing is allocated beyond a small multiple of what is there.
///
/// # Errors
/// [`Bad::Truncated`] where the directory is longer than `bytes`, [`Bad::Crc`], and [`Bad::Structure`] where it
/// is not what the header says, or its runs' bytes are not the data's.
pub(crate) fn decode_directory(header: &Header, bytes: &[u8]) -> Result<Vec<Entry>, Bad> {
    let needed = usize::try_from(header.directory_bytes).unwrap_or(usize::MAX);
    let directory = bytes.get(..needed).ok_or_else(|| Bad::cut(WHAT, Truncated { needed, remaining: bytes.len() }))?;
    if crc32c::crc32c(directory) != header.directory_crc && !is_planted("chunk-directory-crc-not-checked") {
        return Err(Bad::Crc { what: WHAT });
    }
    let count = usize::try_from(header.entries).unwrap_or(usize::MAX);
    if count > directory.len() / MIN_ENTRY_BYTES {
        return Err(Bad::Structure("a directory has more entries than its bytes can hold"));
    }
    let mut reader = Reader::new(directory);
    let mut entries = Vec::with_capacity(count);
    let mut data_bytes = 0_u64;
    for _ in 0..count {
        // Too few bytes within a directory that is whole are no torn write.
        let entry =
            Entry::read(&mut reader).map_err(|_| Bad::Structure("an entry goes beyond the end of its directory"))??;
        if let Entry::Run(run) = &entry {
            data_bytes += u64::from(run.bytes);
        }
        entries.push(entry);
    }
    if !reader.is_empty() {
        return Err(Bad::Structure("a directory goes on after its last entry"));
    }
    if data_bytes != u64::from(header.data_bytes) {
        return Err(Bad::Structure("a chunk's data is not as long as its runs"));
    }
    Ok(entries)
}
