//! Bytes and values: readers and writers of fields, and the macro that declares messages.

mod decoder;
mod encoded;
mod encoder;
mod error;
mod field;
mod group;
mod message;
mod records;
mod topic;

pub use decoder::Decoder;
pub use encoded::Encoded;
pub use encoder::Encoder;
pub(crate) use encoder::Tags;
pub use error::{DecodeError, EncodeError};
pub use field::{Field, Nullable};
pub(crate) use group::apart;
pub(crate) use message::message;
pub use records::Records;
pub use topic::TopicRef;
