//! What is derived from a log, as bytes: what a snapshot and the base of a trimmed log hold.
//!
//! ```text
//! magic "OTPC" │ version u8 = 1
//! last batch: 0 u8, or 1 u8 │ base offset i64 │ crc u32
//! producers: see `producer/codec.rs`
//! epochs:    count u32 │ each: epoch i32 │ start i64
//! spans:     count u32 │ each: base i64 │ bytes u64 │ max timestamp i64 │ untimed i64
//! CRC-32C u32 of everything before it
//! ```
//!
//! Big-endian. A base has no last batch and no spans: the log that follows it tells those.

use bytes::Bytes;

use super::epochs::EpochHistory;
use super::sizes::Sizes;
use super::{Derived, LastBatch};
use crate::ids::Offset;
use crate::planted::is_planted;
use crate::producer::{self, Damaged, Producers};
use crate::record::Reader;

const MAGIC: [u8; 4] = *b"OTPC";
const VERSION: u8 = 1;

/// State derived from a log up to some offset.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Checkpoint {
    pub(super) last_batch: Option<LastBatch>,
    pub(super) producers: Producers,
    pub(super) epochs: EpochHistory,
    pub(super) sizes: Sizes,
}

impl Derived {
    /// All of it, as of the log's end.
    pub(super) fn checkpoint(&self) -> Checkpoint {
        Checkpoint {
            last_batch: self.last_batch,
            producers: self.producers.clone(),
            epochs: self.epochs.clone(),
            sizes: self.sizes.clone(),
        }
    }

    /// What a log that starts at `start` cannot tell.
    pub(super) fn base_at(&self, start: Offset) -> Checkpoint {
        if is_planted("trim-base-ahead-of-log") {
            return Checkpoint { last_batch: None, sizes: Sizes::default(), ..self.checkpoint() };
        }
        Checkpoint { producers: self.producers.up_to(start), epochs: self.epochs.up_to(start), ..Checkpoint::default() }
    }
}

impl Checkpoint {
    pub(super) fn encode(&self) -> Bytes {
        let mut out = Vec::new();
        out.extend_from_slice(&MAGIC);
        out.push(VERSION);
        match self.last_batch {
            None => out.push(0),
            Some(LastBatch { base_offset, crc }) => {
                out.push(1);
                out.extend_from_slice(&base_offset.0.to_be_bytes());
                out.extend_from_slice(&crc.to_be_bytes());
            }
        }
        producer::encode(&self.producers, &mut out);
        self.epochs.encode(&mut out);
        self.sizes.encode(&mut out);
        let crc = crc32c::crc32c(&out);
        out.extend_from_slice(&crc.to_be_bytes());
        Bytes::from(out)
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Self, Damaged> {
        let (content, crc) = bytes.split_last_chunk::<4>().ok_or(Damaged("it ends too soon"))?;
        if crc32c::crc32c(content) != u32::from_be_bytes(*crc) {
            return Err(Damaged("its checksum is wrong"));
        }
        let mut reader = Reader::new(content);
        if reader.try_array::<4>()? != MAGIC {
            return Err(Damaged("it is not a partition's state"));
        }
        if reader.try_u8()? != VERSION {
            return Err(Damaged("it has a version that this build does not know"));
        }
        let last_batch = match reader.try_u8()? {
            0 => None,
            1 => Some(LastBatch { base_offset: Offset(reader.try_i64()?), crc: reader.try_u32()? }),
            _ => return Err(Damaged("it has neither a last batch nor none")),
        };
        let producers = producer::decode(&mut reader)?;
        let epochs = EpochHistory::decode(&mut reader)?;
        let sizes = Sizes::decode(&mut reader)?;
        if !reader.is_empty() {
            return Err(Damaged("there are bytes after its end"));
        }
        Ok(Self { last_batch, producers, epochs, sizes })
    }
}
