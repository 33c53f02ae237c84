//! What a field's type looks like as bytes.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use ottla_broker_core::api::IsolationLevel;
use ottla_broker_core::error::ErrorCode;
use ottla_broker_core::{BrokerId, LeaderEpoch, Offset, ProducerEpoch, ProducerId, TopicId};
use uuid::Uuid;

use super::decoder::Decoder;
use super::encoder::Encoder;
use super::error::DecodeError;

/// A type that stands in messages.
///
/// Some types have two forms, and the version says which: a text that may be null from some version on,
/// a topic that is named until some version and identified from then on. `form` is whether the later
/// one is in force; other types take no notice.
pub trait Field: Sized {
    /// Reads one.
    ///
    /// # Errors
    /// [`DecodeError`], if the bytes are none.
    fn read(decoder: &mut Decoder<'_>, form: bool) -> Result<Self, DecodeError>;

    /// Writes it.
    fn write(&self, encoder: &mut Encoder, form: bool);
}

/// A type that has a null of its own, and is wrapped in an `Option` for it.
pub trait Nullable: Sized {
    /// What it is called in errors.
    const KIND: &'static str;

    /// Reads one, or null.
    ///
    /// # Errors
    /// [`DecodeError`], if the bytes are neither.
    fn read_nullable(decoder: &mut Decoder<'_>) -> Result<Option<Self>, DecodeError>;

    /// Writes one, or null.
    fn write_nullable(value: Option<&Self>, encoder: &mut Encoder);
}

impl Nullable for Arc<str> {
    const KIND: &'static str = "text";

    fn read_nullable(decoder: &mut Decoder<'_>) -> Result<Option<Self>, DecodeError> {
        decoder.text()
    }

    fn write_nullable(value: Option<&Self>, encoder: &mut Encoder) {
        encoder.text(value.map(AsRef::as_ref));
    }
}

impl Nullable for Bytes {
    const KIND: &'static str = "byte string";

    fn read_nullable(decoder: &mut Decoder<'_>) -> Result<Option<Self>, DecodeError> {
        decoder.bytes()
    }

    fn write_nullable(value: Option<&Self>, encoder: &mut Encoder) {
        encoder.bytes(value);
    }
}

impl<T: Field> Nullable for Vec<T> {
    const KIND: &'static str = "list";

    fn read_nullable(decoder: &mut Decoder<'_>) -> Result<Option<Self>, DecodeError> {
        decoder.list()
    }

    fn write_nullable(value: Option<&Self>, encoder: &mut Encoder) {
        encoder.length(value.map(Vec::len), true);
        for entry in value.into_iter().flatten() {
            entry.write(encoder, true);
        }
    }
}

impl<T: Nullable> Field for Option<T> {
    fn read(decoder: &mut Decoder<'_>, form: bool) -> Result<Self, DecodeError> {
        match T::read_nullable(decoder)? {
            None if !form => Err(DecodeError::Null(T::KIND)),
            value => Ok(value),
        }
    }

    fn write(&self, encoder: &mut Encoder, form: bool) {
        if self.is_none() && !form {
            encoder.not_in_version("null");
        }
        T::write_nullable(self.as_ref(), encoder);
    }
}

macro_rules! never_null {
    ($($type:ty),*) => {
        $(never_null!(@ [] $type);)*
    };
    (@ [$($generic:tt)*] $type:ty) => {
        impl<$($generic)*> Field for $type {
            fn read(decoder: &mut Decoder<'_>, _form: bool) -> Result<Self, DecodeError> {
                Self::read_nullable(decoder)?.ok_or(DecodeError::Null(<Self as Nullable>::KIND))
            }

            fn write(&self, encoder: &mut Encoder, _form: bool) {
                Self::write_nullable(Some(self), encoder);
            }
        }
    };
}

never_null!(Arc<str>, Bytes);
never_null!(@ [T: Field] Vec<T>);

macro_rules! numbers {
    ($($type:ty: $read:ident;)*) => {
        $(impl Field for $type {
            fn read(decoder: &mut Decoder<'_>, _form: bool) -> Result<Self, DecodeError> {
                Ok(decoder.reader().$read()?)
            }

            fn write(&self, encoder: &mut Encoder, _form: bool) {
                encoder.put(&self.to_be_bytes());
            }
        })*
    };
}

numbers! {
    i8: try_i8;
    i16: try_i16;
    u16: try_u16;
    i32: try_i32;
    i64: try_i64;
}

macro_rules! newtypes {
    ($($type:ident($inner:ty);)*) => {
        $(impl Field for $type {
            fn read(decoder: &mut Decoder<'_>, form: bool) -> Result<Self, DecodeError> {
                <$inner>::read(decoder, form).map($type)
            }

            fn write(&self, encoder: &mut Encoder, form: bool) {
                self.0.write(encoder, form);
            }
        })*
    };
}

newtypes! {
    Offset(i64);
    LeaderEpoch(i32);
    ProducerId(i64);
    ProducerEpoch(i16);
    BrokerId(i32);
    TopicId(Uuid);
}

impl Field for bool {
    fn read(decoder: &mut Decoder<'_>, _form: bool) -> Result<Self, DecodeError> {
        Ok(decoder.reader().try_u8()? != 0)
    }

    fn write(&self, encoder: &mut Encoder, _form: bool) {
        encoder.put(&[u8::from(*self)]);
    }
}

impl Field for Uuid {
    fn read(decoder: &mut Decoder<'_>, _form: bool) -> Result<Self, DecodeError> {
        Ok(Self::from_bytes(decoder.reader().try_array()?))
    }

    fn write(&self, encoder: &mut Encoder, _form: bool) {
        encoder.put(self.as_bytes());
    }
}

/// An error code; `None` is 0.
impl Field for Option<ErrorCode> {
    fn read(decoder: &mut Decoder<'_>, _form: bool) -> Result<Self, DecodeError> {
        Ok(ErrorCode::from_code(decoder.reader().try_i16()?))
    }

    fn write(&self, encoder: &mut Encoder, _form: bool) {
        encoder.put(&self.map_or(0, ErrorCode::code).to_be_bytes());
    }
}

/// Numbers of which −1 means "none". Any other negative one is read as none too, as Kafka does.
macro_rules! minus_one_is_none {
    ($($type:ident($inner:ty);)*) => {
        $(impl Field for Option<$type> {
            fn read(decoder: &mut Decoder<'_>, form: bool) -> Result<Self, DecodeError> {
                Ok(Some($type::read(decoder, form)?).filter(|value| value.0 >= 0))
            }

            fn write(&self, encoder: &mut Encoder, form: bool) {
                self.unwrap_or($type(-1)).write(encoder, form);
            }
        })*
    };
}

minus_one_is_none! {
    LeaderEpoch(i32);
    BrokerId(i32);
    Offset(i64);
}

/// Milliseconds in 32 bits. A negative number is read as no time at all, and more than 24 days are written as 24 days.
impl Field for Duration {
    fn read(decoder: &mut Decoder<'_>, _form: bool) -> Result<Self, DecodeError> {
        Ok(Self::from_millis(u64::try_from(decoder.reader().try_i32()?).unwrap_or(0)))
    }

    fn write(&self, encoder: &mut Encoder, _form: bool) {
        encoder.put(&i32::try_from(self.as_millis()).unwrap_or(i32::MAX).to_be_bytes());
    }
}

/// 0 for all records, 1 for committed ones (KIP-98).
impl Field for IsolationLevel {
    fn read(decoder: &mut Decoder<'_>, _form: bool) -> Result<Self, DecodeError> {
        match decoder.reader().try_i8()? {
            0 => Ok(Self::ReadUncommitted),
            1 => Ok(Self::ReadCommitted),
            other => Err(DecodeError::BadValue { field: "isolation level", value: i64::from(other) }),
        }
    }

    fn write(&self, encoder: &mut Encoder, form: bool) {
        i8::from(matches!(self, Self::ReadCommitted)).write(encoder, form);
    }
}
