//! The program, as people and programs call it: against a directory that it opens itself, and against a server of its
//! own.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "tests: what should not be fails here, and files are what the program is given"
)]
#![cfg(all(unix, feature = "memory", feature = "disk", feature = "kafka"))]

mod benches;
mod errors;
mod groups;
mod help;
mod logs;
mod members;
mod places;
mod printing;
mod records;
mod serving;
mod settings;
mod signals;
mod support;
mod topics;
mod users;
