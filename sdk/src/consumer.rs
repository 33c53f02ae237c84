//! Consuming as a member of a group.
//!
//! [`Consumer`], [`Handle`] and [`RebalanceListener`] are what an application uses; around the pure decisions there is
//! one background task for each consumer, and the engine of [`reader`](crate::reader).
//!
//! The decisions are pure: no I/O, no clock, no task.
//!
//! - [`Assignor`]: who gets which partitions ([`Range`], [`RoundRobin`], [`CooperativeSticky`], or your own).
//! - [`Tracker`] and [`Ack`]: which of a partition's messages are handled, and up to where to commit.
//! - [`Commit`] and [`Ledger`]: what to commit when, for each promise of delivery.
//! - [`membership`]: one member of a group, events in, commands out.

mod acks;
mod assigned;
mod assignor;
mod builder;
mod commit;
mod coordinator;
mod core;
mod driver;
mod error;
mod handle;
mod lane;
mod listener;
pub mod membership;
mod message;
mod metrics;
mod settings;
mod shared;
mod streams;
mod surface;
mod typed;
mod wanted;

pub use acks::{Ack, AckMany, Acked, AckedMany, Marks, MaxUnacked, NotHandedOver, Position, Progress, Tracker};
pub use assigned::LeftPartition;
pub use assignor::{
    Assignments, Assignor, CooperativeSticky, DivideError, Division, MemberSubscription, Range, RebalanceProtocol,
    RoundRobin, TopicCounts, common_protocol, divide, protocols,
};
pub use builder::{Builder, TypedBuilder};
pub use commit::{Commit, Ledger, NotKept};
pub use error::Error;
pub use handle::Handle;
pub use listener::{Committer, RebalanceListener};
pub use message::{Batch, Message, Undecoded};
pub use settings::IfNoOffset;
pub(crate) use settings::Settings;
pub use shared::Left;
pub(crate) use shared::Shared;
pub use streams::{PartitionStream, Partitions};
pub use surface::Consumer;
pub use typed::{OnDecodeError, TypedConsumer};
pub use wanted::Pattern;

#[cfg(feature = "testing")]
#[cfg(test)]
mod tests;
