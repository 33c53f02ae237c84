//! Text.

use bytes::Bytes;

use super::{Decode, Encode, Error};

/// Text as UTF-8.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Utf8;

impl Encode for Utf8 {
    type Input = str;

    fn encode(&self, _topic: &str, input: &str) -> Result<Bytes, Error> {
        Ok(Bytes::copy_from_slice(input.as_bytes()))
    }
}

impl Decode for Utf8 {
    type Output = String;

    fn decode(&self, _topic: &str, bytes: &Bytes) -> Result<String, Error> {
        std::str::from_utf8(bytes).map(str::to_owned).map_err(|error| Error::from_source("Utf8", error))
    }
}
