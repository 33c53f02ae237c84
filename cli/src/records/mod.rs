//! What `produce` reads and `consume` prints: records as lines.

mod data;
mod escape;
mod json;

use clap::ValueEnum;

pub(crate) use data::{Data, from_base64, to_base64};
pub(crate) use escape::{Text, escaped, separator};
pub(crate) use json::RecordLine;

/// What a record looks like outside of a log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// The bytes as they are.
    #[default]
    Raw,
    /// Keys and values in base64.
    Base64,
    /// One JSON object a line with all that a record has, so that `consume --json | produce --format json` copies.
    Json,
}
