//! The listener over loopback, by a client that speaks frames.
#![allow(clippy::disallowed_methods, reason = "tests run tasks of their own")]

mod admin;
mod data;
mod frames;
mod groups;
mod login;
mod sessions;
mod shutdown;
mod support;
#[cfg(feature = "tls")]
mod tls;
