//! The consumer's decisions, pure: no I/O, no clock, no task.
//!
//! - [`Assignor`]: who gets which partitions ([`Range`], [`RoundRobin`], [`CooperativeSticky`], or your own).
//! - [`Tracker`] and [`Ack`]: which of a partition's messages are handled, and up to where to commit.
//! - [`Commit`] and [`Ledger`]: what to commit when, for each promise of delivery.
//! - [`membership`]: one member of a group, events in, commands out.

mod acks;
mod assignor;
mod commit;
pub mod membership;

pub use acks::{Ack, AckMany, Acked, AckedMany, Marks, MaxUnacked, NotHandedOver, Position, Progress, Tracker};
pub use assignor::{
    Assignments, Assignor, CooperativeSticky, DivideError, Division, MemberSubscription, Range, RebalanceProtocol,
    RoundRobin, TopicCounts, common_protocol, divide, protocols,
};
pub use commit::{Commit, Ledger, NotKept};
