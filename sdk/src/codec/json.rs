//! JSON by serde.

use std::fmt;
use std::marker::PhantomData;

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Decode, Encode, Error};

/// JSON of a serde type.
pub struct Json<T>(PhantomData<fn() -> T>);

impl<T> Json<T> {
    /// The codec.
    #[must_use]
    pub const fn new() -> Self {
        Self(PhantomData)
    }
}

impl<T: Serialize + 'static> Encode for Json<T> {
    type Input = T;

    fn encode(&self, _topic: &str, input: &T) -> Result<Bytes, Error> {
        serde_json::to_vec(input).map(Bytes::from).map_err(|error| Error::from_source("Json", error))
    }
}

impl<T: DeserializeOwned + 'static> Decode for Json<T> {
    type Output = T;

    fn decode(&self, _topic: &str, bytes: &Bytes) -> Result<T, Error> {
        serde_json::from_slice(bytes).map_err(|error| Error::from_source("Json", error))
    }
}

// By hand: a codec is the same whatever `T` can do.
impl<T> Clone for Json<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Json<T> {}

impl<T> Default for Json<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> fmt::Debug for Json<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Json")
    }
}
