//! The seams to storage: what a backend implements.
//!
//! ```text
//!             LogStorage ──open_many──► PartitionLog ──append──► Ticket ─(durable)─►
//!                  └──────open_reader─► PartitionReader ──read──► Batch…
//!             MetadataLog    the cluster's metadata, one ordered log of commands
//!             SnapshotStore  caches that shorten a replay; losing one loses nothing
//! ```
//!
//! A [`Backend`] is the three together, as a broker takes them. The contracts are on the traits; the
//! suites in `crate::conformance` (feature `conformance`) hold an implementation to them.

mod bounds;
mod durability;
mod error;
mod metadata_log;
mod partition_log;
mod snapshot;
mod storage;
mod ticket;

pub use bounds::{Bounds, BoundsCell, Signal, Subscription};
pub use durability::Durability;
pub use error::{Error, ErrorKind};
pub use metadata_log::{Entry, MetadataLog, Position};
pub use partition_log::{PartitionLog, PartitionReader, TrimBase, TruncateSuffix};
pub use snapshot::{Snapshot, SnapshotStore};
pub use storage::{Backend, LogStorage, OpenPartition};
pub use ticket::{Resolver, Ticket};
