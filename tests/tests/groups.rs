//! Consumer groups: the coordinator over real partitions, and through a broker on the memory backend.
#![allow(clippy::disallowed_methods, reason = "tests run tasks of their own")]

mod admin;
mod facade;
mod failover;
mod many;
mod partition;
mod statics;
mod support;
mod timers;
mod topics;
