//! An event log that a Rust service embeds.

mod admin;
mod client;
mod cluster;
pub mod codec;
pub mod config;
pub mod connect;
mod context;
mod error;
mod metadata;
mod partitioner;
pub mod producer;
pub mod reader;
mod record;

pub use admin::{Admin, NewTopic};
pub use client::{Builder as ClientBuilder, Client};
pub use cluster::{Cluster, ClusterAdmin};
pub use codec::{Json, Raw, Utf8};
pub use context::Context;
pub use error::Error;
pub use metadata::MetadataCache;
pub use ottla_broker_core::{Offset, TopicName, TopicPartition};
pub use partitioner::{Choice, Explicit, KeyHash, Partitioner, Random, RoundRobin, Sticky};
pub use producer::{Delivery, Permit, Producer, ProducerBuilder, RecordMetadata, RecordSink};
pub use reader::{At, Message, Messages, OutOfRange, Reader, TypedReader};
pub use record::{Record, RecordHeader, Topic};
