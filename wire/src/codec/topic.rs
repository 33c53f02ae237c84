//! A topic as a message refers to it.

use std::fmt;
use std::sync::Arc;

use ottla_broker_core::{TopicId, TopicName};
use uuid::Uuid;

use super::decoder::Decoder;
use super::encoder::Encoder;
use super::error::DecodeError;
use super::field::Field;

/// A topic by its name or, in later versions of some messages, by its id (KIP-516).
///
/// The wire does not know which topic it is: a name may break Kafka's rules, and an id may be nobody's.
/// Whoever has the metadata resolves it, and answers `INVALID_TOPIC_EXCEPTION`,
/// `UNKNOWN_TOPIC_OR_PARTITION` or `UNKNOWN_TOPIC_ID`; the answer repeats the reference as it came.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TopicRef {
    /// By name, unchecked.
    Name(Arc<str>),
    /// By id.
    Id(TopicId),
}

impl Default for TopicRef {
    fn default() -> Self {
        Self::Name(Arc::default())
    }
}

impl TopicRef {
    /// The name, where a message has nothing but names.
    pub(crate) fn into_name(self) -> Arc<str> {
        match self {
            Self::Name(name) => name,
            Self::Id(id) => Arc::from(id.to_string()),
        }
    }
}

impl From<&TopicName> for TopicRef {
    fn from(name: &TopicName) -> Self {
        Self::Name(Arc::from(name.as_str()))
    }
}

impl From<TopicId> for TopicRef {
    fn from(id: TopicId) -> Self {
        Self::Id(id)
    }
}

impl fmt::Debug for TopicRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => fmt::Debug::fmt(name, f),
            Self::Id(id) => fmt::Display::fmt(id, f),
        }
    }
}

impl fmt::Display for TopicRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Id(id) => fmt::Display::fmt(id, f),
        }
    }
}

/// Its later form is the id.
impl Field for TopicRef {
    fn read(decoder: &mut Decoder<'_>, form: bool) -> Result<Self, DecodeError> {
        if form { TopicId::read(decoder, form).map(Self::Id) } else { Field::read(decoder, true).map(Self::Name) }
    }

    fn write(&self, encoder: &mut Encoder, form: bool) {
        match self {
            Self::Name(name) if !form => encoder.text(Some(name)),
            Self::Id(id) if form => id.write(encoder, form),
            Self::Name(_) => {
                encoder.not_in_version("topics have ids in this version, and this one has a name only");
                TopicId(Uuid::nil()).write(encoder, form);
            }
            Self::Id(_) => {
                encoder.not_in_version("topics have names in this version, and this one has an id only");
                encoder.text(Some(""));
            }
        }
    }
}
