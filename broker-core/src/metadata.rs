//! The cluster's metadata: commands in one log, and the image that follows from them.
//!
//! ```text
//!   decide(image) ──► commands ──append_at(image.position)──► MetadataLog
//!        ▲                                                        │
//!        └───────────── image ◄──apply (pure)─────────────────────┘
//! ```
//!
//! A [`Writer`] decides against the newest image it knows and appends at exactly that image's position. If
//! somebody else took the position, it reads on and decides again: every command in the log was valid at
//! its place, so applying the log never has to choose.

mod command;
mod difference;
mod image;
mod scram;
mod snapshot;
mod writer;

pub use command::{Command, DecodeError, Election, Registration, TopicElections};
pub use image::{Image, Rejected, Topic};
pub use scram::ScramKeys;
pub use writer::{Decision, Writer};

#[cfg(test)]
mod tests;
