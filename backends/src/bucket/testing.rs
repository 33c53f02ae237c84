//! A bucket in memory whose answers get lost, and whose owners die, for simulations.
//!
//! ```text
//!   owner ─► Way ──travels──► bucket in memory       a Way is one process' connection: it dies with the process
//!             ▲                    │
//!             └──travels, or not───┘                 what was sent goes on without who sent it
//! ```
//!
//! Whatever goes wrong is drawn from a seed, and time is that of the [`Env`](ottla_broker_core::env::Env): on one thread
//! and a paused clock the same seed gives the same run.

mod bucket;
mod counts;
mod flights;
mod way;

pub use bucket::FaultyBucket;
pub use counts::BucketTrouble;
pub use way::{Left, Way};
