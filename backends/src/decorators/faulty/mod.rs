//! Storage that fails.

mod faults;
mod log;
mod metadata;
mod storage;

pub use faults::{Fault, Faults};
pub use metadata::{FaultyMetadataLog, FaultySnapshots};
pub use storage::FaultyStorage;
