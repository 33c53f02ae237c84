//! A directory that can crash.
//!
//! Everything that is asked of [`CrashFiles`] happens in memory and is remembered in one total order. A
//! [`Trace`] of it gives, for each moment, what a crash at that moment might have left: again a
//! [`CrashFiles`], to recover from. So a test can try all crashes of a run instead of one.
//!
//! What is durable, is as POSIX has it and not as one file system does it:
//!
//! - Bytes of a file are durable after a sync of the file that succeeded; until then any part of them may be
//!   there or not, in any order.
//! - Entries of the directory are durable after a sync of the names, and until then each may be there or not,
//!   whether the file's data is or not. A rename is one change: a name is never without either file.
//! - A sync that fails has given up what it was to make durable. A later sync does not bring it back. (One of
//!   the names may be tried again.)

mod choice;
mod content;
mod fault;
mod files;
mod machine;
mod medium;
mod trace;

pub(crate) use choice::{Choice, Data, Lost, Names};
pub(crate) use fault::{Call, Failure, Fault};
pub(crate) use files::CrashFiles;
pub(crate) use trace::{State, Trace};

#[cfg(test)]
mod tests;
