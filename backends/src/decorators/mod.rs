//! Storage that makes trouble, around any other: for tests.
//!
//! | decorator | what it does |
//! |---|---|
//! | [`FaultyStorage`], [`FaultyMetadataLog`], [`FaultySnapshots`] | fail as their [`Faults`] say, before or after the effect |
//! | [`DelayedStorage`], [`DelayedMetadataLog`], [`DelayedSnapshots`] | take their time, on the clock of an `Env` |
//! | [`CountedStorage`], [`CountedMetadataLog`], [`CountedSnapshots`] | count calls and bytes in their [`Counts`] |
//!
//! They nest. Each implements every method of its trait, so that a new one cannot slip by undecorated.

mod counted;
mod delayed;
mod faulty;
mod operation;

pub use counted::{CountedMetadataLog, CountedSnapshots, CountedStorage, Counts};
pub use delayed::{DelayedMetadataLog, DelayedSnapshots, DelayedStorage, Delays};
pub use faulty::{Fault, Faults, FaultyMetadataLog, FaultySnapshots, FaultyStorage};
pub use operation::Operation;
