//! What can be wrong with a batch.

use super::compression::Compression;
use super::reader::Truncated;
use crate::ids::Offset;

/// Why bytes are no batch, or why a batch could not be made, read or checked.
///
/// The offsets are those the bytes claim; callers add the topic and partition.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The bytes end before the batch does. More bytes may help; nothing was taken.
    #[error("the batch is cut off: {0}")]
    Truncated(#[from] Truncated),

    /// A message set of Kafka's older formats (0 and 1), or no batch at all.
    #[error("record batch at offset {base_offset} has format version {magic}: only version 2 is supported")]
    UnsupportedMagic {
        /// The batch's claimed base offset.
        base_offset: Offset,
        /// The version found.
        magic: i8,
    },

    /// The header says something that no batch can mean.
    #[error("record batch at offset {base_offset} has a bad header: {reason}")]
    InvalidHeader {
        /// The batch's claimed base offset.
        base_offset: Offset,
        /// What is wrong.
        reason: &'static str,
    },

    /// The bytes changed since the producer wrote them.
    #[error("record batch at offset {base_offset} is corrupt: its CRC-32C is {computed:#010x}, not {stated:#010x}")]
    CrcMismatch {
        /// The batch's base offset.
        base_offset: Offset,
        /// The checksum in the header.
        stated: u32,
        /// The checksum of the bytes.
        computed: u32,
    },

    /// A record inside the batch is malformed, or contradicts the header.
    #[error("record {index} of the batch at offset {base_offset} is invalid: {reason}")]
    InvalidRecord {
        /// The batch's base offset.
        base_offset: Offset,
        /// The record's place in the batch, from 0; the record count where the batch goes on after its last record.
        index: i32,
        /// What is wrong.
        reason: &'static str,
    },

    /// The attributes name a codec that format version 2 does not have.
    #[error("record batch at offset {base_offset} has the unknown compression type {id}")]
    UnknownCompression {
        /// The batch's claimed base offset.
        base_offset: Offset,
        /// The number found, 5 to 7.
        id: u8,
    },

    /// The codec exists, but this build does not include it.
    #[error("{codec} compression is not in this build: switch the feature `{codec}` on")]
    CodecDisabled {
        /// The codec, and the name of its feature.
        codec: Compression,
    },

    /// The codec refused its input.
    #[error("{codec} failed: {reason}")]
    Codec {
        /// The codec.
        codec: Compression,
        /// What it said.
        reason: String,
    },

    /// The records decompress to more than the caller allows.
    #[error("the records decompress to more than {limit} bytes: raise the limit or refuse the batch")]
    DecompressedTooLarge {
        /// The cap, in bytes.
        limit: usize,
    },

    /// A batch cannot grow to this size: its length field has 31 bits.
    #[error("a batch of {size} bytes is beyond the format's 2 GiB")]
    TooLarge {
        /// The size it would have had, in bytes.
        size: usize,
    },

    /// The builder was asked for something that no batch can hold.
    #[error("cannot build the batch: {reason}")]
    InvalidAppend {
        /// What is wrong.
        reason: &'static str,
    },
}
