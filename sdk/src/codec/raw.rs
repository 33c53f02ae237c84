//! Bytes as they are.

use bytes::Bytes;

use super::{Decode, Encode, Error};

/// Leaves bytes as they are; shares them, copies nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Raw;

impl Encode for Raw {
    type Input = Bytes;

    fn encode(&self, _topic: &str, input: &Bytes) -> Result<Bytes, Error> {
        Ok(input.clone())
    }
}

impl Decode for Raw {
    type Output = Bytes;

    fn decode(&self, _topic: &str, bytes: &Bytes) -> Result<Bytes, Error> {
        Ok(bytes.clone())
    }
}
