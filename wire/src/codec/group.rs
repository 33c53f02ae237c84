//! What groups and their members are called.

use std::sync::Arc;

use bytes::Bytes;
use ottla_broker_core::api::group::{Generation, GroupId, InstanceId, MemberId};
use ottla_broker_core::planted::is_planted;

use super::decoder::Decoder;
use super::encoder::Encoder;
use super::error::DecodeError;
use super::field::{Field, Nullable};

/// Bytes that a group keeps as long as it likes: apart from the frame that they came in, whose storage would stay with them.
pub(crate) fn apart(bytes: &Bytes) -> Bytes {
    if is_planted("metadata-keeps-its-frame") { bytes.clone() } else { Bytes::copy_from_slice(bytes) }
}

macro_rules! text {
    ($($type:ident),*) => {
        $(impl Field for $type {
            fn read(decoder: &mut Decoder<'_>, form: bool) -> Result<Self, DecodeError> {
                <Arc<str>>::read(decoder, form).map(Self::from)
            }

            fn write(&self, encoder: &mut Encoder, _form: bool) {
                encoder.text(Some(self.as_str()));
            }
        })*
    };
}

text!(GroupId, MemberId);

/// A member without a name is nameless, not null.
impl Field for Option<MemberId> {
    fn read(decoder: &mut Decoder<'_>, form: bool) -> Result<Self, DecodeError> {
        Ok(Some(MemberId::read(decoder, form)?).filter(|member| !member.as_str().is_empty()))
    }

    fn write(&self, encoder: &mut Encoder, _form: bool) {
        encoder.text(Some(self.as_ref().map_or("", MemberId::as_str)));
    }
}

impl Nullable for InstanceId {
    const KIND: &'static str = "group instance id";

    fn read_nullable(decoder: &mut Decoder<'_>) -> Result<Option<Self>, DecodeError> {
        Ok(decoder.text()?.map(Self::from))
    }

    fn write_nullable(value: Option<&Self>, encoder: &mut Encoder) {
        encoder.text(value.map(Self::as_str));
    }
}

impl Field for Generation {
    fn read(decoder: &mut Decoder<'_>, form: bool) -> Result<Self, DecodeError> {
        i32::read(decoder, form).map(Self)
    }

    fn write(&self, encoder: &mut Encoder, form: bool) {
        self.0.write(encoder, form);
    }
}

#[cfg(any(test, feature = "testing"))]
mod sample {
    use super::{Arc, Generation, GroupId, InstanceId, MemberId};
    use crate::testing::{Sample, Sampler, nullable};

    macro_rules! from {
        ($($type:ident: $inner:ty),*) => {
            $(impl Sample for $type {
                fn sample(sampler: &mut Sampler, version: i16, form: bool) -> Self {
                    Self::from(<$inner>::sample(sampler, version, form))
                }
            })*
        };
    }

    from!(GroupId: Arc<str>, MemberId: Arc<str>, InstanceId: Arc<str>);
    nullable!(InstanceId);

    impl Sample for Generation {
        fn sample(sampler: &mut Sampler, version: i16, form: bool) -> Self {
            Self(i32::sample(sampler, version, form))
        }
    }

    impl Sample for Option<MemberId> {
        fn sample(sampler: &mut Sampler, version: i16, form: bool) -> Self {
            Some(MemberId::sample(sampler, version, form)).filter(|member| !member.as_str().is_empty())
        }
    }
}
