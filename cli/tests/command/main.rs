//! The program, as people and programs call it: against a directory that it opens itself, and against a server of its
//! own.
#![cfg(all(unix, feature = "memory", feature = "disk", feature = "kafka"))]

mod errors;
mod groups;
mod help;
mod places;
mod serving;
mod settings;
mod signals;
mod support;
mod topics;
mod users;
