//! The listener over loopback, by a client that speaks frames.
#![allow(clippy::disallowed_methods, reason = "tests run tasks of their own")]

mod data;
mod frames;
mod sessions;
mod shutdown;
mod support;
