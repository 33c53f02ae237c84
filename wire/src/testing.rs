//! Messages of any shape, for tests and fuzzing: every API, every version, each field with any value that
//! the version can say. Feature `testing`.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use ottla_broker_core::api::IsolationLevel;
use ottla_broker_core::error::ErrorCode;
use ottla_broker_core::{BrokerId, LeaderEpoch, Offset, ProducerEpoch, ProducerId, TopicId};
use uuid::Uuid;

use crate::api::{ApiKey, Request, Response};
use crate::codec::{EncodeError, Encoded, Records, TopicRef};
use crate::request::decode_request;

/// Chance from a seed: the same seed gives the same messages.
#[derive(Clone, Debug)]
pub struct Sampler(u64);

impl Sampler {
    /// Begins at `seed`.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Any number (SplitMix64).
    pub const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `bound`; 0 if that is 0.
    pub const fn below(&mut self, bound: u64) -> u64 {
        match self.next().checked_rem(bound) {
            Some(number) => number,
            None => 0,
        }
    }

    /// Once in `times`.
    pub const fn once_in(&mut self, times: u64) -> bool {
        self.below(times) == 0
    }
}

/// A type of which any value can be made that `version` can say. `form` is as in [`Field`](crate::Field).
pub trait Sample: Sized {
    /// Any value.
    fn sample(sampler: &mut Sampler, version: i16, form: bool) -> Self;
}

macro_rules! samples {
    ($($type:ty = |$sampler:ident| $value:expr;)*) => {
        $(impl Sample for $type {
            fn sample($sampler: &mut Sampler, _version: i16, _form: bool) -> Self {
                $value
            }
        })*
    };
}

samples! {
    i8 = |s| s.next() as i8;
    i16 = |s| s.next() as i16;
    u16 = |s| s.next() as u16;
    i32 = |s| s.next() as i32;
    i64 = |s| s.next() as i64;
    bool = |s| s.once_in(2);
    Uuid = |s| Uuid::from_u64_pair(s.next(), s.next());
    Offset = |s| Self(s.next() as i64);
    LeaderEpoch = |s| Self(s.next() as i32);
    ProducerId = |s| Self(s.next() as i64);
    ProducerEpoch = |s| Self(s.next() as i16);
    BrokerId = |s| Self(s.next() as i32);
    TopicId = |s| Self(Uuid::from_u64_pair(s.next(), s.next()));
    Option<Offset> = |s| (!s.once_in(4)).then(|| Offset((s.next() >> 1) as i64));
    Option<LeaderEpoch> = |s| (!s.once_in(4)).then(|| LeaderEpoch((s.next() >> 33) as i32));
    Option<BrokerId> = |s| (!s.once_in(4)).then(|| BrokerId((s.next() >> 33) as i32));
    Option<ErrorCode> = |s| ErrorCode::ALL.get(s.below(2 * ErrorCode::ALL.len() as u64) as usize).copied();
    Duration = |s| Self::from_millis(s.next() >> 33);
    IsolationLevel = |s| if s.once_in(2) { Self::ReadCommitted } else { Self::ReadUncommitted };
    Bytes = |s| {
        // Sometimes long enough not to be copied.
        let len = if s.once_in(4) { 2_000 } else { 40 };
        let len = s.below(len);
        (0..len).map(|_| s.next() as u8).collect()
    };
    Arc<str> = |s| {
        let len = if s.once_in(16) { 200 } else { 12 };
        let len = s.below(len);
        let text: String = (0..len).map(|_| if s.once_in(9) { 'µ' } else { char::from(b'a' + s.below(26) as u8) }).collect();
        Self::from(text)
    };
    Records = |s| Self::Raw(Bytes::sample(s, 0, true));
}

impl<T: Sample> Sample for Vec<T> {
    fn sample(sampler: &mut Sampler, version: i16, _form: bool) -> Self {
        (0..sampler.below(4)).map(|_| T::sample(sampler, version, true)).collect()
    }
}

macro_rules! nullable {
    ($($type:ty),*) => {
        $(impl $crate::testing::Sample for Option<$type> {
            fn sample(sampler: &mut $crate::testing::Sampler, version: i16, form: bool) -> Self {
                (!form || !sampler.once_in(4)).then(|| $crate::testing::Sample::sample(sampler, version, form))
            }
        })*
    };
}
pub(crate) use nullable;

nullable!(Arc<str>, Bytes, Records);

impl<T: Sample> Sample for Option<Vec<T>> {
    fn sample(sampler: &mut Sampler, version: i16, form: bool) -> Self {
        (!form || !sampler.once_in(4)).then(|| Vec::sample(sampler, version, true))
    }
}

impl Sample for TopicRef {
    fn sample(sampler: &mut Sampler, version: i16, form: bool) -> Self {
        if form {
            Self::Id(Sample::sample(sampler, version, true))
        } else {
            Self::Name(Sample::sample(sampler, version, true))
        }
    }
}

/// Any request of an API and version, as a frame.
///
/// # Errors
/// Never, for a version that is served: every sample can be said.
pub fn request_frame(key: ApiKey, version: i16, sampler: &mut Sampler) -> Result<Encoded, EncodeError> {
    let client_id = Option::<Arc<str>>::sample(sampler, 0, true);
    Request::sample(key, version, sampler).encode(sampler.next() as i32, client_id.as_deref(), version)
}

/// Any response of an API and version, as a frame.
///
/// # Errors
/// Never, for a version that is served: every sample can be said.
pub fn response_frame(key: ApiKey, version: i16, sampler: &mut Sampler) -> Result<Encoded, EncodeError> {
    Response::sample(key, version, sampler).encode(sampler.next() as i32, version)
}

/// What a fuzzer calls with any bytes: they are read as a request, and as a response of an API and version that
/// they choose themselves. It returns whether they were either.
#[must_use]
pub fn exercise(bytes: &Bytes) -> bool {
    let request = decode_request(bytes).is_ok();
    let chosen = bytes.first().zip(bytes.get(1));
    let response = chosen.is_some_and(|(key, version)| {
        let Some(&key) = ApiKey::ALL.get(usize::from(*key) % ApiKey::ALL.len()) else { return false };
        let versions = key.spec().versions;
        let version = versions.min + i16::from(*version) % (versions.max - versions.min + 1);
        let rest = ottla_broker_core::record::share(bytes, 2..bytes.len()).unwrap_or_default();
        Response::decode(key, version, &rest).is_ok()
    });
    request || response
}
