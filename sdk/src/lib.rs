//! An event log that a Rust service embeds.

mod cluster;
mod context;
mod metadata;
mod partitioner;
pub mod producer;
mod record;

pub use cluster::{Cluster, ClusterAdmin};
pub use context::Context;
pub use metadata::MetadataCache;
pub use partitioner::{Choice, Explicit, KeyHash, Partitioner, Random, RoundRobin, Sticky};
pub use producer::{Delivery, Permit, Producer, ProducerBuilder, RecordMetadata, RecordSink};
pub use record::{Record, RecordHeader, Topic};
