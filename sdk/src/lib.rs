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
pub mod reader;

pub use admin::{Admin, NewTopic};
pub use client::{Builder as ClientBuilder, Client};
pub use cluster::{Cluster, ClusterAdmin};
pub use codec::{Json, Raw, Utf8};
pub use context::Context;
pub use error::Error;
pub use ottla_broker_core::{Offset, TopicName, TopicPartition};
pub use reader::{At, Message, Messages, OutOfRange, Reader, TypedReader};
