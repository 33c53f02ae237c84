//! A directory of the local disk, durable by default.

mod backend;
pub mod check;
mod checkpoints;
mod compact;
mod counts;
mod engine;
mod files;
mod format;
mod journal;
mod options;
mod pool;
mod recover;
mod shelf;
mod snapshots;
mod storage;
#[cfg(test)]
mod tests;

pub use backend::{DiskBackend, OpenError};
pub use check::check;
pub use counts::DiskStats;
pub use options::{DiskOptions, Level};
pub use storage::DiskStorage;
