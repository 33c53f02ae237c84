//! An event log that a Rust service embeds: Kafka's semantics, in your own process.
//!
//! A service names a URL, and changes its backend by changing that URL.
//!
//! ```
//! use ottla::{Client, NewTopic, Record};
//! # use std::time::Duration;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let client = Client::connect("memory://").await?;
//! client.admin().ensure_topic(NewTopic::new("user_email_updated").partitions(3)).await?;
//!
//! let producer = client.producer().build().await?;
//! let receipt = producer.send(Record::to("user_email_updated").key("user-7").value("a@example.org")).await?;
//! println!("{}-{} has it in {}", receipt.topic, receipt.partition, receipt.durability);
//!
//! let mut reader = client.reader().topic("user_email_updated").to_end().build().await?;
//! while let Some(message) = reader.next().await? {
//!     assert_eq!(message.key().map(|key| &key[..]), Some(&b"user-7"[..]));
//! }
//! client.close(Duration::from_secs(5)).await?;
//! # Ok(())
//! # }
//! ```
//!
//! | URL | what answers | feature |
//! |---|---|---|
//! | `memory://` | a broker in this process, nothing kept | `memory` (default) |
//! | `memory://name` | the same, one instance of that name for the process | `memory` (default) |
//! | [`Client::over`] | a broker in this process, over a storage of your own | none |
//!
//! The features `gzip`, `snappy`, `lz4` and `zstd` (all: `compression`) bring the codecs of record batches.
//!
//! - [`Client`] connects; from it come [`Producer`]s, [`Consumer`]s, [`Reader`]s and the [`Admin`].
//! - [`codec`]: keys and values as types, by [`Producer::typed`] and [`Reader::typed`].
//! - [`Error`] answers what to do; every receipt says what it has reached.

mod admin;
mod client;
mod cluster;
pub mod codec;
pub mod config;
pub mod connect;
pub mod consumer;
mod context;
mod error;
mod metadata;
mod partitioner;
pub mod producer;
pub mod reader;
mod record;

pub use admin::{Admin, NewTopic};
pub use client::{Builder as ClientBuilder, Client};
pub use cluster::{Cluster, ClusterAdmin, ClusterGroups};
pub use codec::{Json, Raw, Utf8};
pub use consumer::{Commit, Consumer};
pub use context::Context;
pub use error::Error;
pub use metadata::MetadataCache;
pub use ottla_broker_core::api::{Acks, ErrorCode, IsolationLevel, OffsetSpec};
pub use ottla_broker_core::broker::Broker;
pub use ottla_broker_core::env::Env;
pub use ottla_broker_core::log::{Backend, Durability};
pub use ottla_broker_core::record::{Compression, HeaderRef, Headers};
pub use ottla_broker_core::{Offset, TopicName, TopicPartition};
pub use partitioner::{Choice, Explicit, KeyHash, Partitioner, Random, RoundRobin, Sticky};
pub use producer::{Delivery, Permit, Producer, ProducerBuilder, RecordMetadata, RecordSink, TypedProducer};
pub use reader::{At, Message, Messages, OutOfRange, Reader, TypedReader};
pub use record::{Record, RecordHeader, Topic};
