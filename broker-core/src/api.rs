//! Requests and answers as plain values: what a client asks of a broker, whether it is in this process
//! or behind a socket.
//!
//! One file a family. Every answer about a partition is a `Result` of its own: one partition's trouble
//! does not hide another's success.

mod admin;
mod elections;
mod fetch;
pub mod group;
mod log_dirs;
mod metadata;
mod offsets;
mod produce;
mod producer_id;
mod producers;
mod scram;

pub use admin::{
    AlterConfig, ConfigEntry, ConfigKind, ConfigOp, ConfigResource, ConfigSource, ConfigSynonym, CreateTopic,
    CreatedTopic, DeletedRecords,
};
pub use elections::Election;
pub use fetch::{AbortedTransaction, FetchPartition, FetchRequest, FetchResponse, Fetched, IsolationLevel};
pub use log_dirs::{LogDir, LogDirPartition};
pub use metadata::{BrokerMetadata, Metadata, MetadataRequest, PartitionMetadata, TopicMetadata, TopicsWanted};
pub use offsets::{EpochEnd, ListedOffset, OffsetSpec};
pub use produce::{Acks, Appended, ProducePartition, ProduceRequest, ProduceResponse};
pub use producer_id::{InitProducerId, ProducerIdentity};
pub use producers::ActiveProducer;
pub use scram::{AlterScram, ScramCredential, ScramMechanism, ScramSecret};

pub use crate::error::{Error, ErrorCode};
