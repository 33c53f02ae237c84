//! Simulation by seed: a broker, its storage, its clients and all their troubles, on one thread and a paused clock.
//!
//! One seed draws the topics, the clients, the faults and their times; the same seed gives the same run, down to a
//! hash of all that happened. Every value written is unique, so one pass over what was sent, acknowledged and read
//! tells what was lost, doubled, reordered, skipped or taken back (`history`). Then everything heals: within thirty
//! seconds of the simulation writes MUST succeed, and every acknowledged record MUST be read.
//!
//! ```text
//!   producers ─┐                                        ┌─ crash, restart, second broker
//!   readers   ─┼─► seam: lost, late, moved ─► broker ─► │  storage: full, failing, rotting, poisoned
//!   members   ─┤         ▲                              ├─ metadata: failing, lost answers
//!   consumers ─┘         └──── nemesis, by the seed     ├─ in some seeds a disk: torn, half-done, recovered
//!                                                       └─ in some a bucket: answers lost, taken over, the dead write on
//! ```
//!
//! In another form every seed has a bucket, and that is behind HTTP: the log's own S3 client asks an endpoint which fails
//! in every way that one can, but for the sockets, for these know no paused clock.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "the simulation is a test: a panic is a verdict on the seed"
)]

mod bucket;
mod cast;
mod chance;
mod consumed;
mod consumers;
mod disk;
mod groups;
mod growth;
mod hearing;
mod history;
mod members;
mod monitor;
mod nemesis;
mod panics;
mod plan;
mod process;
mod producers;
mod readers;
mod run;
mod scratch;
mod stats;
mod watching;

pub use run::{Outcome, run_seed, run_seed_over_http};
pub use stats::{OVER_HTTP, REQUIRED, Stats};

/// Seeds that once found something: run first, for ever.
pub const REGRESSIONS: &[u64] =
    &[3, 13, 18, 85, 112, 205, 252, 277, 285, 321, 378, 1164, 1382, 2486, 3291, 4217, 4434, 6927, 8170, 8886, 8932];
