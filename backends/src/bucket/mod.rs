//! The log in a bucket of an object store.
//!
//! ```text
//!  appends ─► queue ─► writer ─► journal/<incarnation>/1, 2, 3 …   one PUT a group commit, several on their way
//!                                      │
//!                         keeper ──────┴─► segments/…              sorted by partition
//!                                        ─► checkpoints/…          the index
//!                         lease ─────────► leases/<incarnation>    that the owner lives
//! ```
//!
//! A write is acknowledged when its object, and every journal object before it, was created. Nothing is ever written
//! twice to one name, but for the lease. One writer has a prefix at a time: who opens it creates the next *claim* and
//! puts a tombstone behind the journal of whoever had it before, whose next PUT fails for ever. So a process that slept,
//! was cut off or has a wrong clock acknowledges nothing that is not in the log.
//!
//! # What it costs
//!
//! | when | requests |
//! |---|---|
//! | idle | one PUT every [`BucketOptions::renew_every`] |
//! | a lone write | one PUT |
//! | busy | [`BucketOptions::puts_per_second`], whatever the number of partitions, and one more for each full chunk |
//! | a consumer that keeps up | none |
//! | opening | some five LISTs, and a GET of 64 KiB at most for each journal object since the last checkpoint |
//!
//! [`BucketStorage::stats`] counts them by kind.
//!
//! # What the store must do
//!
//! Create an object only if there is none of that name (`If-None-Match: *`), and show in a list what was written
//! before. S3, Google Cloud Storage, Azure, R2, Ceph and `MinIO` do.

mod backend;
mod check;
mod engine;
pub mod format;
mod front;
mod gather;
mod keys;
mod lease;
mod marks;
mod options;
mod recover;
mod shelf;
mod storage;
mod store;
mod takeover;
#[cfg(feature = "testing")]
pub mod testing;
#[cfg(test)]
mod tests;

pub use backend::{BucketBackend, OpenError};
pub use check::{LogReport, Report, check};
pub use options::BucketOptions;
pub use storage::BucketStorage;
pub use store::{BucketStats, Requests};
