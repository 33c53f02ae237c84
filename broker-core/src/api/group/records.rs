//! The records of `__consumer_offsets`, in Kafka's schema (`OffsetCommitKey`, `OffsetCommitValue`,
//! `GroupMetadataKey`, `GroupMetadataValue`), so that its tools read ours and we read its.
//!
//! The last record of a key counts; one without value deletes. Values are written in version 3, the
//! newest that brokers of every age read, and read in versions 0 to 4.

use std::sync::Arc;

use bytes::Bytes;

use super::codec::{DecodeError, FieldTooLong, FieldWriter, Fields};
use super::ids::{Generation, GroupId, InstanceId, MemberId};
use super::offsets::CommittedOffset;
use crate::ids::{LeaderEpoch, Offset, TopicPartition};

const OFFSET_KEY: i16 = 1;
const GROUP_KEY: i16 = 2;
/// Far from where Kafka numbers its own: its coordinators skip keys of types that they do not know.
const SNAPSHOT_KEY: i16 = 30_000;
const WRITTEN_VALUE: i16 = 3;
const NEWEST_VALUE: i16 = 4;
const FIRST_FLEXIBLE: i16 = 4;

/// What a record is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum OffsetsKey {
    /// A committed offset ([`OffsetValue`]).
    Offset(GroupId, TopicPartition),
    /// A group ([`GroupValue`]).
    Group(GroupId),
    /// A mark around a snapshot. Ours alone: the value names the snapshot, and readers that know
    /// nothing of it miss nothing.
    Snapshot(SnapshotMark),
    /// A type of record that this version does not know, by its number. To be skipped.
    Unknown(i16),
}

/// The ends of a snapshot.
///
/// Between them every live key of the partition is written once more, in any order and mixed with
/// ordinary records: so what precedes the begin adds nothing, once the end is committed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SnapshotMark {
    /// Before the first.
    Begin,
    /// After the last.
    End,
}

impl SnapshotMark {
    /// The value of a mark: the number that begin and end of one snapshot share.
    #[must_use]
    pub fn encode_id(id: u64) -> Bytes {
        Bytes::copy_from_slice(&id.to_be_bytes())
    }

    /// Reads the value of a mark.
    ///
    /// # Errors
    /// [`DecodeError`] if it is not eight bytes.
    pub fn decode_id(value: &Bytes) -> Result<u64, DecodeError> {
        let mut fields = Fields::new(value);
        let id = fields.i64()?.cast_unsigned();
        fields.finish()?;
        Ok(id)
    }
}

impl OffsetsKey {
    /// Writes it as a record's key.
    ///
    /// # Errors
    /// [`FieldTooLong`] when a name is longer than 32,767 bytes.
    pub fn encode(&self) -> Result<Bytes, FieldTooLong> {
        let mut writer = FieldWriter::default();
        match self {
            Self::Offset(group, partition) => {
                writer.i16(OFFSET_KEY);
                writer.str(group.as_str());
                writer.str(partition.topic.as_str());
                writer.i32(partition.partition);
            }
            Self::Group(group) => {
                writer.i16(GROUP_KEY);
                writer.str(group.as_str());
            }
            Self::Snapshot(mark) => {
                writer.i16(SNAPSHOT_KEY);
                writer.i16(match mark {
                    SnapshotMark::Begin => 0,
                    SnapshotMark::End => 1,
                });
            }
            Self::Unknown(version) => writer.i16(*version),
        }
        writer.finish()
    }

    /// Reads a record's key.
    ///
    /// # Errors
    /// [`DecodeError`] with the reason; a key of an unknown type is not one.
    pub fn decode(bytes: &Bytes) -> Result<Self, DecodeError> {
        let mut fields = Fields::new(bytes);
        let key = match fields.i16()? {
            0 | OFFSET_KEY => {
                let group = GroupId::from(fields.str()?);
                let topic = fields.topic()?;
                Self::Offset(group, TopicPartition::new(topic, fields.i32()?))
            }
            GROUP_KEY => Self::Group(GroupId::from(fields.str()?)),
            SNAPSHOT_KEY => match fields.i16()? {
                0 => Self::Snapshot(SnapshotMark::Begin),
                1 => Self::Snapshot(SnapshotMark::End),
                other => return Err(DecodeError::UnknownVersion(other)),
            },
            unknown => return Ok(Self::Unknown(unknown)),
        };
        fields.finish()?;
        Ok(key)
    }
}

/// A committed offset as it is stored.
///
/// ```text
/// version i16 │ offset i64 │ v3+: leader epoch i32 │ metadata string │ commit time i64 │ v1 only: expire time i64
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OffsetValue {
    /// What was committed.
    pub committed: CommittedOffset,
    /// When, in ms since 1970.
    pub commit_time_ms: i64,
    /// When it ends whatever its group does, in ms since 1970: clients of before 2.1 could say so.
    pub expire_time_ms: Option<i64>,
}

impl OffsetValue {
    /// Writes version 3, or version 1 if it has an end of its own (which has no leader epoch).
    ///
    /// # Errors
    /// [`FieldTooLong`] when the metadata is longer than 32,767 bytes.
    pub fn encode(&self) -> Result<Bytes, FieldTooLong> {
        self.encode_version(if self.expire_time_ms.is_some() { 1 } else { WRITTEN_VALUE })
    }

    /// Writes one version, 0 to 3 (any other is taken for the nearest), leaving out what it has no field for.
    ///
    /// # Errors
    /// [`FieldTooLong`] when the metadata is longer than 32,767 bytes.
    pub fn encode_version(&self, version: i16) -> Result<Bytes, FieldTooLong> {
        let version = version.clamp(0, WRITTEN_VALUE);
        let mut writer = FieldWriter::default();
        writer.i16(version);
        writer.i64(self.committed.offset.0);
        if version >= 3 {
            writer.i32(self.committed.leader_epoch.unwrap_or(LeaderEpoch::NONE).0);
        }
        writer.str(&self.committed.metadata);
        writer.i64(self.commit_time_ms);
        if version == 1 {
            writer.i64(self.expire_time_ms.unwrap_or(-1));
        }
        writer.finish()
    }

    /// Reads versions 0 to 4.
    ///
    /// # Errors
    /// [`DecodeError`] with the reason.
    pub fn decode(bytes: &Bytes) -> Result<Self, DecodeError> {
        let mut fields = Fields::new(bytes);
        let version = value_version(&mut fields)?;
        let offset = Offset(fields.i64()?);
        let leader_epoch = if version >= 3 { epoch(fields.i32()?) } else { None };
        let metadata = fields.shared_str()?;
        let commit_time_ms = fields.i64()?;
        let expire_time_ms = if version == 1 { Some(fields.i64()?).filter(|ms| *ms >= 0) } else { None };
        fields.tags()?;
        fields.finish()?;
        Ok(Self { committed: CommittedOffset { offset, leader_epoch, metadata }, commit_time_ms, expire_time_ms })
    }
}

fn epoch(value: i32) -> Option<LeaderEpoch> {
    (value >= 0).then_some(LeaderEpoch(value))
}

fn value_version(fields: &mut Fields<'_>) -> Result<i16, DecodeError> {
    match fields.i16()? {
        version @ 0..=NEWEST_VALUE => {
            fields.set_flexible(version >= FIRST_FLEXIBLE);
            Ok(version)
        }
        version => Err(DecodeError::UnknownVersion(version)),
    }
}

/// A group as it is stored: after each completed rebalance, and when it has become empty.
///
/// ```text
/// version i16 │ protocol type string │ generation i32 │ protocol string? │ leader string? │ v2+: state since i64 │ [member]
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupValue {
    /// What kind of group it is; empty for none.
    pub protocol_type: Arc<str>,
    /// Its generation.
    pub generation: Generation,
    /// The chosen protocol; `None` without members.
    pub protocol: Option<Arc<str>>,
    /// The leader; `None` without members.
    pub leader: Option<MemberId>,
    /// Since when it has been in its state, in ms since 1970.
    pub state_since_ms: Option<i64>,
    /// Its members.
    pub members: Vec<GroupMemberValue>,
}

/// A member as it is stored.
///
/// ```text
/// id string │ v3+: instance string? │ client id string │ client host string │ v1+: rebalance ms i32 │ session ms i32
/// │ subscription bytes │ assignment bytes
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupMemberValue {
    /// Its name.
    pub member: MemberId,
    /// Its static name.
    pub instance: Option<InstanceId>,
    /// The client's own name of itself.
    pub client_id: Arc<str>,
    /// Where it calls from.
    pub client_host: Arc<str>,
    /// How long a rebalance waits for it, in ms.
    pub rebalance_timeout_ms: i32,
    /// How long it may be silent, in ms.
    pub session_timeout_ms: i32,
    /// What it said under the chosen protocol.
    pub subscription: Bytes,
    /// Its share.
    pub assignment: Bytes,
}

impl GroupValue {
    /// Writes version 3.
    ///
    /// # Errors
    /// [`FieldTooLong`] when a text is longer than 32,767 bytes.
    pub fn encode(&self) -> Result<Bytes, FieldTooLong> {
        self.encode_version(WRITTEN_VALUE)
    }

    /// Writes one version, 0 to 3 (any other is taken for the nearest), leaving out what it has no field for.
    ///
    /// # Errors
    /// [`FieldTooLong`] when a text is longer than 32,767 bytes.
    pub fn encode_version(&self, version: i16) -> Result<Bytes, FieldTooLong> {
        let version = version.clamp(0, WRITTEN_VALUE);
        let mut writer = FieldWriter::default();
        writer.i16(version);
        writer.str(&self.protocol_type);
        writer.i32(self.generation.0);
        writer.nullable_str(self.protocol.as_deref());
        writer.nullable_str(self.leader.as_ref().map(MemberId::as_str));
        if version >= 2 {
            writer.i64(self.state_since_ms.unwrap_or(-1));
        }
        writer.count(self.members.len());
        for member in &self.members {
            writer.str(member.member.as_str());
            if version >= 3 {
                writer.nullable_str(member.instance.as_ref().map(InstanceId::as_str));
            }
            writer.str(&member.client_id);
            writer.str(&member.client_host);
            if version >= 1 {
                writer.i32(member.rebalance_timeout_ms);
            }
            writer.i32(member.session_timeout_ms);
            writer.bytes(&member.subscription);
            writer.bytes(&member.assignment);
        }
        writer.finish()
    }

    /// Reads versions 0 to 4.
    ///
    /// # Errors
    /// [`DecodeError`] with the reason.
    pub fn decode(bytes: &Bytes) -> Result<Self, DecodeError> {
        let mut fields = Fields::new(bytes);
        let version = value_version(&mut fields)?;
        let protocol_type = fields.shared_str()?;
        let generation = Generation(fields.i32()?);
        let protocol = fields.nullable_str()?.map(Arc::from);
        let leader = fields.nullable_str()?.map(MemberId::from);
        let state_since_ms = if version >= 2 { Some(fields.i64()?).filter(|ms| *ms >= 0) } else { None };
        // The flexible form has one-byte lengths: three texts, two byte strings, the instance, tags, one time-out or two.
        let least = if version >= FIRST_FLEXIBLE { 15 } else { 18 };
        let members = fields.list(least, |fields| GroupMemberValue::decode(fields, version))?;
        fields.tags()?;
        fields.finish()?;
        Ok(Self { protocol_type, generation, protocol, leader, state_since_ms, members })
    }
}

impl GroupMemberValue {
    fn decode(fields: &mut Fields<'_>, version: i16) -> Result<Self, DecodeError> {
        let member = MemberId::from(fields.str()?);
        let instance = if version >= 3 { fields.nullable_str()?.map(InstanceId::from) } else { None };
        let client_id = fields.shared_str()?;
        let client_host = fields.shared_str()?;
        let rebalance_timeout_ms = if version >= 1 { Some(fields.i32()?) } else { None };
        let session_timeout_ms = fields.i32()?;
        let subscription = fields.bytes()?;
        let assignment = fields.bytes()?;
        fields.tags()?;
        Ok(Self {
            member,
            instance,
            client_id,
            client_host,
            // Before version 1 the one time-out was both, as Kafka reads it.
            rebalance_timeout_ms: rebalance_timeout_ms.unwrap_or(session_timeout_ms),
            session_timeout_ms,
            subscription,
            assignment,
        })
    }
}
