//! Requests and answers as plain values: what a client asks of a broker, whether it is in this process
//! or behind a socket.
//!
//! One file a family. Every answer about a partition is a `Result` of its own: one partition's trouble
//! does not hide another's success.

mod admin;
mod fetch;
pub mod group;
mod metadata;
mod offsets;
mod produce;
mod producer_id;

pub use admin::{
    AlterConfig, ConfigEntry, ConfigOp, ConfigResource, ConfigSource, CreateTopic, CreatedTopic, DeletedRecords,
};
pub use fetch::{AbortedTransaction, FetchPartition, FetchRequest, FetchResponse, Fetched, IsolationLevel};
pub use metadata::{BrokerMetadata, Metadata, MetadataRequest, PartitionMetadata, TopicMetadata, TopicsWanted};
pub use offsets::{EpochEnd, ListedOffset, OffsetSpec};
pub use produce::{Acks, Appended, ProducePartition, ProduceRequest, ProduceResponse};
pub use producer_id::{InitProducerId, ProducerIdentity};

pub use crate::error::{Error, ErrorCode};
