//! An event log that a Rust service embeds.

mod cluster;

pub use cluster::{Cluster, ClusterAdmin};
