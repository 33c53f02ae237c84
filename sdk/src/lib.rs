//! An event log that a Rust service embeds.
