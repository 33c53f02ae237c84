//! An S3 endpoint for tests: in this process, on loopback, in memory, with seeded faults.
//!
//! It speaks what a log needs of S3: objects with conditional writes and ranges, `ListObjectsV2`, bulk deletes and
//! multipart uploads. One mutex decides every write, so of any number of concurrent creates exactly one wins.
//! Signatures are not checked, but a request without credentials is refused; the access key says who asks.
//!
//! ```text
//!   request ─► parse ─► plan (seed, kind, index) ─► [held] ─► delay ─► effect ─► [held] ─► delay ─► answer
//!                         │                                     ▲                                    │
//!                         └─ 500, 503, 409, reset ──────────────┴── late: after the connection ends ─┘ reset, cut
//! ```
//!
//! A request whose bytes have all arrived goes on when its client has hung up: its write still lands, as it does in
//! a real store. So a time-out of the client, a pause or a reset leaves the same doubt as over a real network.
//!
//! By hand: `cargo run -p ottla-tests --bin s3 -- --port 9000 --bucket logs` prints the URL and serves until it is ended.
#![expect(
    clippy::disallowed_methods,
    reason = "a server of its own beside what is tested: real time, and tasks on its own runtime"
)]

mod answer;
mod chunked;
mod connection;
mod counts;
mod course;
mod dates;
mod faults;
mod handle;
mod listing;
mod local;
mod multipart;
mod pause;
mod plan;
mod request;
mod server;
mod store;
mod xml;

pub use counts::{Count, Requests};
pub use faults::{Fault, Faults, Latency};
pub use local::LocalS3;
pub use pause::Hold;
pub use request::Kind;
pub use server::{Options, S3Server};
pub use store::Stored;
