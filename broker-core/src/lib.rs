//! The domain of Ottla, an event log that a Rust service embeds: record batches, partitions, producers'
//! state, metadata, and the traits that storage backends implement. No sockets, no files.
//!
//! Services use the crate `ottla`. This one is for those who write a backend, a transport or a front end:
//!
//! | module | for |
//! |---|---|
//! | [`log`] | a backend: `LogStorage`, `PartitionLog`, `MetadataLog`, `SnapshotStore`, with their contracts |
//! | `conformance` (feature) | holding a backend to those contracts: suites to run over it |
//! | [`replica`] | a transport between brokers |
//! | [`api`], [`broker`] | a front end: requests and answers as plain values, and what answers them |
//! | [`mod@copy`] | moving a whole log from one backend to another |
//! | [`record`] | Kafka's record batch v2, the one format everywhere |
//! | [`env`](mod@env) | time, chance and tasks, which all come from outside |
//!
//! ```
//! use ottla_broker_core::record::{Batch, Builder, BuilderOptions, Flags};
//! use ottla_broker_core::{LeaderEpoch, Offset};
//!
//! # fn main() -> Result<(), ottla_broker_core::record::Error> {
//! // A producer encodes a batch once …
//! let mut builder = Builder::new(BuilderOptions::default());
//! builder.append(1_767_225_600_000, Some(b"user-7"), Some(b"a@example.org"), &[])?;
//! let mut batch = builder.finish(None, Flags::default())?;
//! // … the leader gives it its place, which lies outside of the checksum …
//! batch.stamp(Offset(42), LeaderEpoch(3));
//! // … and what a reader gets is those bytes.
//! let read = Batch::parse(batch.to_bytes())?;
//! read.verify_crc()?;
//! let record = read.records()?.next().expect("one was appended")?;
//! assert_eq!((record.offset, record.key.as_deref()), (Offset(42), Some(&b"user-7"[..])));
//! # Ok(())
//! # }
//! ```
//!
//! | feature | what it brings |
//! |---|---|
//! | `gzip`, `snappy`, `lz4`, `zstd` | that codec of record batches |
//! | `compression` | the four of them |
//! | `conformance` | the suites that an implementation of a trait of this crate must pass |

pub mod api;
pub mod broker;
pub mod config;
#[cfg(feature = "conformance")]
pub mod conformance;
pub mod coordinator;
pub mod copy;
pub mod env;
pub mod error;
mod ids;
pub mod log;
pub mod metadata;
pub mod partition;
pub mod planted;
pub mod producer;
pub mod record;
pub mod replica;

pub use ids::{
    BrokerId, InvalidTopicName, LeaderEpoch, Offset, PartitionId, ProducerEpoch, ProducerId, TopicId, TopicName,
    TopicPartition,
};
