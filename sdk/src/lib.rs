//! An event log that a Rust service embeds.

mod cluster;
pub mod consumer;

pub use cluster::{Cluster, ClusterAdmin};
