//! The domain of Ottla, an event log that a Rust service embeds: record batches, partitions, producers'
//! state, metadata, and the traits that storage backends implement. No sockets, no files.
//!
//! Services use the crate `ottla`; this one is for those who write a backend ([`log`]), a transport
//! ([`replica`]) or a front end ([`api`] and the broker).

pub mod api;
pub mod broker;
pub mod config;
#[cfg(feature = "conformance")]
pub mod conformance;
pub mod coordinator;
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
