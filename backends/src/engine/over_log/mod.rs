//! The metadata log and the snapshot store, kept in logs of the same engine as the records: so they share its
//! journal, its group commit, its recovery and its checks, and have no file format of their own.
//!
//! ```text
//! LogMetadata ──┬─► log of entries    offset = position, one record a batch
//!               └─► log of snapshots  the last batch is the newest
//! LogSnapshots ───► a log for each partition, the last batch is the newest
//! ```
//!
//! Each batch is of one record ([`cell`]). Written over the traits of logs alone, they run on any storage.

mod cell;
mod commands;
mod errors;
mod metadata;
mod newest;
mod snapshots;
#[cfg(test)]
mod tests;
mod turns;

pub(crate) use metadata::LogMetadata;
pub(crate) use snapshots::{LogSnapshots, SnapshotLogs};
