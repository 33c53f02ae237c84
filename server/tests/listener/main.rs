//! The listener over loopback, by a client that speaks frames.
#![allow(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "tests fail by panicking, and run tasks of their own"
)]

mod admin;
mod asked;
mod data;
mod fetching;
mod frames;
mod groups;
mod identities;
mod login;
mod moved;
mod sessions;
mod shutdown;
mod support;
#[cfg(feature = "tls")]
mod tls;
