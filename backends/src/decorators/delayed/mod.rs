//! Storage that takes its time.

mod log;
mod metadata;
mod pace;
mod storage;
mod timing;

pub use metadata::{DelayedMetadataLog, DelayedSnapshots};
pub use storage::DelayedStorage;
pub use timing::Delays;
