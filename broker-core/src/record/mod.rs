//! Kafka's record batch, version 2: the one format in memory, on disk, in a bucket and on the wire.
//!
//! A producer encodes a [`Batch`] once, with a [`Builder`]. From then on it is an immutable run of
//! bytes: brokers check its CRC-32C, [stamp](Batch::stamp) its base offset and leader epoch, which
//! the CRC leaves out, and pass it on. A consumer walks its [`Records`], slices of those bytes.
//!
//! Nothing here trusts its input: a count or length is checked against the bytes that remain before
//! anything is allocated, and decompression has a cap.
//!
//! Sources: KIP-98 (format v2, producer ids, control records), KIP-32 (timestamp types), KIP-82
//! (headers), KIP-110 (zstd), KIP-534 (delete horizon), and Kafka's `DefaultRecordBatch` and
//! `DefaultRecord`.
//!
//! ```
//! use ottla_broker_core::record::{Batch, Builder, BuilderOptions, Flags, HeaderRef};
//! use ottla_broker_core::{LeaderEpoch, Offset};
//!
//! # fn main() -> Result<(), ottla_broker_core::record::Error> {
//! let mut builder = Builder::new(BuilderOptions::default());
//! builder.append(1_700_000_000_000, Some(b"key"), Some(b"value"), &[HeaderRef::new("trace", Some(b"7"))])?;
//! let mut batch = builder.finish(None, Flags::default())?;
//! batch.stamp(Offset(42), LeaderEpoch(3));
//!
//! let received = Batch::parse(batch.to_bytes())?;
//! received.verify_crc()?;
//! for record in received.records()? {
//!     let record = record?;
//!     assert_eq!(record.offset, Offset(42));
//!     assert_eq!(record.value.as_deref(), Some(&b"value"[..]));
//! }
//! # Ok(())
//! # }
//! ```

mod attributes;
mod batch;
mod builder;
mod checksum;
mod compression;
mod control;
mod decode;
mod encode;
mod error;
mod header;
mod headers;
mod reader;
mod records;
mod rewrite;
mod sequence;
mod validate;
mod varint;

pub use attributes::{Attributes, TimestampType};
pub use batch::Batch;
pub use builder::{Builder, BuilderOptions, Flags, ProducerStamp};
pub use compression::{Compression, UnknownCompression};
pub use control::ControlRecord;
pub use error::Error;
pub use header::Header;
pub use headers::{HeaderRef, Headers, HeadersIter};
pub use reader::{Malformed, Reader, Truncated, share, take_front};
pub use records::{DEFAULT_MAX_DECOMPRESSED_BYTES, Record, Records};
pub use sequence::{NO_SEQUENCE, sequence_after};

/// The timestamp of a record or batch that has none, in Kafka's encoding (−1).
pub const NO_TIMESTAMP: i64 = -1;
