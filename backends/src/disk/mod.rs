//! A directory of the local disk, durable by default.

mod files;
mod format;
