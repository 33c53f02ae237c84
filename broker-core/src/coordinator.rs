//! The group coordinator: who is in a group, who reads which partition, and how far each has come.
//!
//! Three layers, each without the concerns of the one above:
//!
//! - `group`: one group's protocol, a state machine without clock or I/O;
//! - `shard`: all groups of one partition of `__consumer_offsets`, replay, timers and snapshots, still pure;
//! - [`GroupCoordinator`]: appends what a shard decides to its [`ShardLog`], and answers once it is committed.
//!
//! ```text
//! request ─► decide (state changes) ─► append (at once, in order) ─► committed ─► answer
//!                                        │ failed: the shard is thrown away and replayed
//! ```
//!
//! Rules:
//!
//! - An answer is released only when everything that it may reveal is committed, reads included
//!   (invariant 8): a state that could still be taken back is never shown.
//! - After a failed append nothing of the shard is trusted. While it replays, callers are told so and try again.
//! - A snapshot is the live records written once more between two marks in the partition itself, so a
//!   follower that takes over has it. The prefix before its begin is trimmed only when its end is committed.
//! - There is no task and no timer per group or member: one driver ([`GroupCoordinator::run`]) sleeps until the
//!   earliest deadline of all.

mod group;
mod placement;
mod runtime;
mod shard;

pub use crate::config::GroupConfig;
pub use placement::partition_for;
pub use runtime::{Commit, GroupCoordinator, LedPartition, ShardAppend, ShardLog};

#[cfg(test)]
mod tests;
