//! An event log that a Rust service embeds: Kafka's semantics (topics, partitions, offsets, acks, idempotent
//! producers) in your own process, with no daemon and no port.
//!
//! A service names a URL, and changes where its log lives by changing that URL.
//!
//! ```
//! use ottla::{At, Client, NewTopic, Record};
//! # use std::time::Duration;
//!
//! # #[cfg(feature = "memory")]
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let client = Client::connect("memory://").await?;
//! client.admin().ensure_topic(NewTopic::new("user_email_updated").partitions(3)).await?;
//!
//! let producer = client.producer().build().await?; // idempotent, acks=all
//! let receipt = producer.send(Record::to("user_email_updated").key("user-7").value("a@example.org")).await?;
//! println!("{}-{} has it in {}", receipt.topic, receipt.partition, receipt.durability);
//!
//! let mut reader = client.reader().topic("user_email_updated").start(At::Earliest).to_end().build().await?;
//! let message = reader.next().await?.expect("one was written");
//! assert_eq!(message.key().map(|key| &key[..]), Some(&b"user-7"[..]));
//! assert!(reader.next().await?.is_none());
//! client.close(Duration::from_secs(5)).await?;
//! # Ok(())
//! # }
//! # #[cfg(not(feature = "memory"))]
//! # fn main() {}
//! ```
//!
//! | URL | what answers | feature |
//! |---|---|---|
//! | `memory://` | a broker in this process, nothing kept | `memory` (default) |
//! | `memory://name` | the same, shared by all of this process that say that name | `memory` (default) |
//! | `file:///var/lib/app/log` | a broker in this process, kept in that directory and shared by all of this process that name it; every acknowledgement is synced, unless told otherwise | `disk` (default) |
//! | `s3://bucket/prefix`, `gs://bucket/prefix`, `az://container/prefix` | a broker in this process, kept under that prefix of a bucket and shared by all of this process that name it; an acknowledgement is in the store | `object-store` |
//! | `kafka://host:9092,host2:9092` | brokers over the network, ours or any Kafka cluster; the first that answers tells of the others | `kafka` |
//!
//! Other schemes are refused with an error that says what to use. [`Client::over`] starts a broker over a
//! storage of your own, and [`Client::embedded`] uses a broker that you started; neither needs a feature.
//!
//! | feature | what it brings |
//! |---|---|
//! | `memory` (default) | `memory://` |
//! | `disk` (default) | `file://`, and [`ClientBuilder`]'s `disk`; on Unix |
//! | `object-store` | `s3://`, `gs://`, `az://`, and [`ClientBuilder`]'s `object_store`; brings an HTTP client and TLS |
//! | `kafka` | `kafka://`, and [`ClientBuilder`]'s `kafka` |
//! | `kafka-tls` | `kafka://` over TLS: `tls=true` and `tls_ca`, `tls_certificate`, `tls_key`, `tls_server_name` in the URL or the table `[kafka]` |
//! | `gzip`, `snappy`, `lz4`, `zstd` | that codec of record batches |
//! | `compression` | the four of them |
//! | `testing` | `testing`: a seeded world, and a cluster that fails when told, for the tests of your service |
//!
//! - [`Client`] connects; from it come [`Producer`]s, [`Consumer`]s, [`Reader`]s and the [`Admin`].
//! - [`Partitioner`] chooses where records go: [`KeyHash`], [`Sticky`], [`Random`], [`RoundRobin`],
//!   [`Explicit`], or your own.
//! - [`mod@copy`]: moving a log, with all that belongs to it, from one URL to another.
//! - [`mod@check`]: verifying a log that is stored, byte by byte.
//! - [`codec`]: keys and values as types, by [`Producer::typed`] and [`Reader::typed`].
//! - [`Error`] answers what to do; every receipt, a [`RecordMetadata`], says what it has reached.

mod admin;
pub mod check;
mod client;
mod cluster;
pub mod codec;
pub mod config;
pub mod connect;
pub mod consumer;
mod context;
pub mod copy;
mod error;
mod metadata;
mod offsets;
mod partitioner;
pub mod producer;
pub mod reader;
mod record;
#[cfg(feature = "testing")]
pub mod testing;

pub use admin::{Admin, GroupDescription, GroupLag, MemberDescription, NewTopic};
pub use client::{Builder as ClientBuilder, Client};
pub use cluster::{Cluster, ClusterAdmin, ClusterGroups};
pub use codec::{Json, Raw, Utf8};
pub use consumer::{Commit, Consumer};
pub use context::Context;
pub use copy::copy;
pub use error::Error;
pub use metadata::MetadataCache;
pub use ottla_broker_core::api::group::{
    CommittedOffset, Generation, GroupId, GroupState, InstanceId, ListedGroup, MemberId, Subscription,
};
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
