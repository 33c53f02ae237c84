//! The table of producers as bytes, a section of a partition's checkpoint.
//!
//! ```text
//! count u32
//! each: producer id i64 │ epoch i16 │ last seen ms i64 │ batches u8 (1 to 5)
//!       each: base offset i64 │ timestamp ms i64 │ base sequence i32 │ last offset delta i32
//! ```
//!
//! Big-endian. Ids strictly increase, and so do the offsets of one producer's batches.

use super::state::{KEPT_BATCHES, Kept, Producer};
use super::table::Producers;
use crate::ids::{Offset, ProducerEpoch, ProducerId};
use crate::record::{Reader, Truncated};

/// Why saved state cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("saved partition state is damaged: {0}")]
pub struct Damaged(pub &'static str);

impl From<Truncated> for Damaged {
    fn from(_: Truncated) -> Self {
        Self("it ends too soon")
    }
}

/// The fewest bytes of a producer: one batch.
const MIN_PRODUCER_SIZE: usize = 8 + 2 + 8 + 1 + KEPT_SIZE;
const KEPT_SIZE: usize = 8 + 8 + 4 + 4;

/// Appends the section to `out`.
pub(crate) fn encode(producers: &Producers, out: &mut Vec<u8>) {
    // A table beyond 2^32 producers does not fit in memory.
    out.extend_from_slice(&u32::try_from(producers.len()).unwrap_or(u32::MAX).to_be_bytes());
    for (id, producer) in producers.iter() {
        out.extend_from_slice(&id.0.to_be_bytes());
        out.extend_from_slice(&producer.epoch().0.to_be_bytes());
        out.extend_from_slice(&producer.last_seen_ms().to_be_bytes());
        out.push(u8::try_from(producer.kept().len()).unwrap_or_default());
        for kept in producer.kept() {
            out.extend_from_slice(&kept.base_offset.0.to_be_bytes());
            out.extend_from_slice(&kept.timestamp_ms.to_be_bytes());
            out.extend_from_slice(&kept.base_sequence.to_be_bytes());
            out.extend_from_slice(&kept.last_offset_delta.to_be_bytes());
        }
    }
}

/// Takes the section off `reader`. Allocates no more than the bytes that are there call for.
///
/// # Errors
/// [`Damaged`].
pub(crate) fn decode(reader: &mut Reader<'_>) -> Result<Producers, Damaged> {
    let count = reader.try_u32()?;
    if usize::try_from(count).is_ok_and(|count| count > reader.remaining() / MIN_PRODUCER_SIZE) {
        return Err(Damaged("it counts more producers than its bytes can hold"));
    }
    let mut producers = Producers::default();
    let mut last_id = ProducerId::NONE;
    for _ in 0..count {
        let id = ProducerId(reader.try_i64()?);
        if id <= last_id {
            return Err(Damaged("producer ids are not in order"));
        }
        last_id = id;
        producers.insert(id, decode_producer(reader)?);
    }
    Ok(producers)
}

fn decode_producer(reader: &mut Reader<'_>) -> Result<Producer, Damaged> {
    let epoch = ProducerEpoch(reader.try_i16()?);
    let last_seen_ms = reader.try_i64()?;
    let count = usize::from(reader.try_u8()?);
    let mut batches = [Kept::default(); KEPT_BATCHES];
    let batches = batches.get_mut(..count).ok_or(Damaged("a producer has more than five batches"))?;
    let mut end = Offset::ZERO;
    for kept in &mut *batches {
        *kept = Kept {
            base_offset: Offset(reader.try_i64()?),
            timestamp_ms: reader.try_i64()?,
            base_sequence: reader.try_i32()?,
            last_offset_delta: reader.try_i32()?,
        };
        if kept.base_offset < end || kept.base_sequence < 0 || kept.last_offset_delta < 0 {
            return Err(Damaged("a producer's batches are not in order"));
        }
        end = kept.last_offset().next();
    }
    if epoch < ProducerEpoch(0) {
        return Err(Damaged("a producer's epoch is negative"));
    }
    Producer::restore(epoch, batches, last_seen_ms).ok_or(Damaged("a producer has no batch"))
}
