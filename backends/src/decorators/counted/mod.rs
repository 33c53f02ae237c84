//! Storage that counts.

mod counts;
mod log;
mod metadata;
mod storage;

pub use counts::Counts;
pub use metadata::{CountedMetadataLog, CountedSnapshots};
pub use storage::CountedStorage;
