//! Codecs: how a service's types become bytes, and back.
//!
//! A codec is a value: it may hold state, such as a schema registry's client. Null keys and values never
//! reach it: a tombstone is made with `Record::tombstone` and read as `message.value() == None`.
//!
//! ```
//! use ottla::codec::{Decode, Encode, Json, Utf8};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! #[derive(serde::Serialize, serde::Deserialize, PartialEq, Debug)]
//! struct EmailUpdated { user: u32, email: String }
//!
//! let topic = "user_email_updated";
//! let codec = Json::<EmailUpdated>::new();
//! let event = EmailUpdated { user: 7, email: "a@example.org".into() };
//! let bytes = codec.encode(topic, &event)?;
//! assert_eq!(codec.decode(topic, &bytes)?, event);
//! assert_eq!(Utf8.decode(topic, &bytes)?, r#"{"user":7,"email":"a@example.org"}"#);
//! # Ok(())
//! # }
//! ```

mod error;
mod json;
mod raw;
mod utf8;

use std::fmt;

use bytes::Bytes;

pub use error::Error;
pub use json::Json;
pub use raw::Raw;
pub use utf8::Utf8;

/// The part of a record that a codec was at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Part {
    /// The key.
    Key,
    /// The value.
    Value,
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Key => "key",
            Self::Value => "value",
        })
    }
}

/// Turns values into bytes.
pub trait Encode: Send + Sync + 'static {
    /// What is encoded.
    type Input: ?Sized;

    /// The bytes of `input`, which goes to `topic`.
    ///
    /// # Errors
    /// When the value cannot be encoded. Nothing is enqueued then.
    fn encode(&self, topic: &str, input: &Self::Input) -> Result<Bytes, Error>;
}

/// Turns bytes into values.
pub trait Decode: Send + Sync + 'static {
    /// What comes out.
    type Output;

    /// The value of `bytes`, which came from `topic`.
    ///
    /// # Errors
    /// When the bytes are not what the codec writes. Whoever calls adds the partition and offset.
    fn decode(&self, topic: &str, bytes: &Bytes) -> Result<Self::Output, Error>;
}

#[cfg(test)]
mod tests;
