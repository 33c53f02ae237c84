//! What consumers of a group say to each other (Kafka's `ConsumerProtocolSubscription` and
//! `ConsumerProtocolAssignment`; KIP-429 for version 1, KIP-792 for 2, KIP-881 for 3).
//!
//! A newer version than is known is read as the newest that is: versions only ever add fields at the end.

use std::sync::Arc;

use bytes::Bytes;

use super::codec::{DecodeError, FieldTooLong, FieldWriter, Fields};
use super::ids::Generation;
use crate::ids::TopicName;

/// The protocol type of consumer groups.
pub const CONSUMER: &str = "consumer";

/// The newest version of both messages.
const NEWEST: i16 = 3;

/// Partitions of one topic.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TopicPartitions {
    /// The topic.
    pub topic: TopicName,
    /// The partitions' numbers.
    pub partitions: Vec<i32>,
}

/// What a member wants and has.
///
/// ```text
/// version i16 │ topics [string] │ user data bytes? │ v1+: owned [topic, [i32]] │ v2+: generation i32 │ v3+: rack string?
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscription {
    /// The topics that it wants.
    pub topics: Vec<TopicName>,
    /// Whatever its assignor adds.
    pub user_data: Option<Bytes>,
    /// What it has: an assignor that keeps owners leaves it there (version 1 and later).
    pub owned: Vec<TopicPartitions>,
    /// The generation in which it got that; [`Generation::NONE`] for none (version 2 and later).
    pub generation: Generation,
    /// Where it stands (version 3 and later).
    pub rack: Option<Arc<str>>,
}

impl Subscription {
    /// A subscription to `topics` that owns nothing.
    #[must_use]
    pub fn to(topics: Vec<TopicName>) -> Self {
        Self { topics, user_data: None, owned: Vec::new(), generation: Generation::NONE, rack: None }
    }

    /// Writes the newest version.
    ///
    /// # Errors
    /// [`FieldTooLong`] when a text or list does not fit its length field.
    pub fn encode(&self) -> Result<Bytes, FieldTooLong> {
        self.encode_version(NEWEST)
    }

    /// Writes one version, 0 to 3 (any other is taken for the nearest), leaving out what it has no field for.
    ///
    /// # Errors
    /// [`FieldTooLong`] when a text or list does not fit its length field.
    pub fn encode_version(&self, version: i16) -> Result<Bytes, FieldTooLong> {
        let version = version.clamp(0, NEWEST);
        let mut writer = FieldWriter::default();
        writer.i16(version);
        writer.count(self.topics.len());
        for topic in &self.topics {
            writer.str(topic.as_str());
        }
        writer.nullable_bytes(self.user_data.as_deref());
        if version >= 1 {
            write_partitions(&mut writer, &self.owned);
        }
        if version >= 2 {
            writer.i32(self.generation.0);
        }
        if version >= 3 {
            writer.nullable_str(self.rack.as_deref());
        }
        writer.finish()
    }

    /// Reads any version.
    ///
    /// # Errors
    /// [`DecodeError`] with the reason.
    pub fn decode(bytes: &Bytes) -> Result<Self, DecodeError> {
        let mut fields = Fields::new(bytes);
        let version = read_version(&mut fields)?;
        let topics = fields.list(2, Fields::topic)?;
        let user_data = fields.nullable_bytes()?;
        // As the Java client: some old clients announced version 1 and left its field out.
        let owned = if version >= 1 && !(version == 1 && fields.is_empty()) {
            read_partitions(&mut fields)?
        } else {
            Vec::new()
        };
        let generation = if version >= 2 { Generation(fields.i32()?) } else { Generation::NONE };
        let rack = if version >= 3 { fields.nullable_str()?.map(Arc::from) } else { None };
        if version <= NEWEST {
            fields.finish()?;
        }
        Ok(Self { topics, user_data, owned, generation, rack })
    }
}

/// What a member gets.
///
/// ```text
/// version i16 │ assigned [topic, [i32]] │ user data bytes?
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Assignment {
    /// The partitions.
    pub partitions: Vec<TopicPartitions>,
    /// Whatever the assignor adds.
    pub user_data: Option<Bytes>,
}

impl Assignment {
    /// Writes the newest version.
    ///
    /// # Errors
    /// [`FieldTooLong`] when a text or list does not fit its length field.
    pub fn encode(&self) -> Result<Bytes, FieldTooLong> {
        self.encode_version(NEWEST)
    }

    /// Writes one version, 0 to 3 (any other is taken for the nearest). They differ in nothing else.
    ///
    /// # Errors
    /// [`FieldTooLong`] when a text or list does not fit its length field.
    pub fn encode_version(&self, version: i16) -> Result<Bytes, FieldTooLong> {
        let mut writer = FieldWriter::default();
        writer.i16(version.clamp(0, NEWEST));
        write_partitions(&mut writer, &self.partitions);
        writer.nullable_bytes(self.user_data.as_deref());
        writer.finish()
    }

    /// Reads any version. No bytes at all are an empty assignment: that of a member which the leader left out.
    ///
    /// # Errors
    /// [`DecodeError`] with the reason.
    pub fn decode(bytes: &Bytes) -> Result<Self, DecodeError> {
        if bytes.is_empty() {
            return Ok(Self::default());
        }
        let mut fields = Fields::new(bytes);
        let version = read_version(&mut fields)?;
        let partitions = read_partitions(&mut fields)?;
        let user_data = fields.nullable_bytes()?;
        if version <= NEWEST {
            fields.finish()?;
        }
        Ok(Self { partitions, user_data })
    }
}

fn read_version(fields: &mut Fields<'_>) -> Result<i16, DecodeError> {
    match fields.i16()? {
        version if version < 0 => Err(DecodeError::UnknownVersion(version)),
        version => Ok(version),
    }
}

fn read_partitions(fields: &mut Fields<'_>) -> Result<Vec<TopicPartitions>, DecodeError> {
    fields.list(6, |fields| Ok(TopicPartitions { topic: fields.topic()?, partitions: fields.list(4, Fields::i32)? }))
}

fn write_partitions(writer: &mut FieldWriter, topics: &[TopicPartitions]) {
    writer.count(topics.len());
    for TopicPartitions { topic, partitions } in topics {
        writer.str(topic.as_str());
        writer.count(partitions.len());
        for partition in partitions {
            writer.i32(*partition);
        }
    }
}
