//! What the members of a group tell each other through the broker, and what is kept of groups.

use std::sync::Arc;

use bytes::Bytes;
use ottla_broker_core::api::group::{
    Assignment, CommittedOffset, Generation, GroupMemberValue, GroupValue, OffsetValue, OffsetsKey, SnapshotMark,
    Subscription, TopicPartitions,
};
use ottla_broker_core::{LeaderEpoch, Offset, TopicName, TopicPartition};
use ottla_wire::testing::Sampler;

use super::Verdict;

/// Kinds of things.
const KINDS: u64 = 6;

struct Made<'a>(&'a mut Sampler);

impl Made<'_> {
    fn text(&mut self) -> Arc<str> {
        (0..1 + self.0.below(10)).map(|_| char::from(b'a' + self.0.below(26) as u8)).collect::<String>().into()
    }

    fn topic(&mut self) -> TopicName {
        TopicName::new(self.text()).unwrap_or_else(|_| TopicName::new("topic").unwrap_or_else(|_| unreachable!()))
    }

    fn bytes(&mut self) -> Bytes {
        (0..self.0.below(20)).map(|_| self.0.next() as u8).collect()
    }

    fn some<T>(&mut self, make: impl FnOnce(&mut Self) -> T) -> Option<T> {
        if self.0.once_in(3) { None } else { Some(make(self)) }
    }

    fn partitions(&mut self) -> Vec<TopicPartitions> {
        let one = |made: &mut Self| TopicPartitions {
            topic: made.topic(),
            partitions: (0..made.0.below(5)).map(|_| made.0.below(100) as i32).collect(),
        };
        (0..self.0.below(4)).map(|_| one(self)).collect()
    }

    fn number(&mut self) -> i32 {
        self.0.next() as i32 & i32::MAX
    }

    fn member(&mut self) -> GroupMemberValue {
        GroupMemberValue {
            member: (&*self.text()).into(),
            instance: self.some(|made| (&*made.text()).into()),
            client_id: self.text(),
            client_host: self.text(),
            rebalance_timeout_ms: self.number(),
            session_timeout_ms: self.number(),
            subscription: self.bytes(),
            assignment: self.bytes(),
        }
    }
}

/// A byte that says of which kind it is, and one of that kind.
pub(super) fn any(sampler: &mut Sampler) -> Vec<u8> {
    let kind = sampler.below(KINDS) as u8;
    let mut made = Made(sampler);
    let encoded = match kind {
        0 => Subscription {
            topics: (0..made.0.below(4)).map(|_| made.topic()).collect(),
            user_data: made.some(Made::bytes),
            owned: made.partitions(),
            generation: Generation(made.number()),
            rack: made.some(Made::text),
        }
        .encode(),
        1 => Assignment { partitions: made.partitions(), user_data: made.some(Made::bytes) }.encode(),
        2 => match made.0.below(3) {
            0 => OffsetsKey::Offset((&*made.text()).into(), TopicPartition::new(made.topic(), made.number())),
            1 => OffsetsKey::Group((&*made.text()).into()),
            _ => OffsetsKey::Snapshot(if made.0.once_in(2) { SnapshotMark::Begin } else { SnapshotMark::End }),
        }
        .encode(),
        3 => OffsetValue {
            committed: CommittedOffset {
                offset: Offset(made.number().into()),
                leader_epoch: made.some(|made| LeaderEpoch(made.number())),
                metadata: made.text(),
            },
            commit_time_ms: made.number().into(),
            expire_time_ms: None,
        }
        .encode(),
        4 => GroupValue {
            protocol_type: made.text(),
            generation: Generation(made.number()),
            protocol: made.some(Made::text),
            leader: made.some(|made| (&*made.text()).into()),
            state_since_ms: made.some(|made| made.number().into()),
            members: (0..made.0.below(4)).map(|_| made.member()).collect(),
        }
        .encode(),
        _ => Ok(SnapshotMark::encode_id(made.0.next())),
    };
    let mut bytes = vec![kind];
    bytes.extend_from_slice(&encoded.unwrap_or_default());
    bytes
}

pub(super) fn read(input: &Bytes) -> Result<Verdict, String> {
    /// What was read is written and read again.
    macro_rules! again {
        ($type:ty, $bytes:expr) => {
            match <$type>::decode($bytes) {
                Err(error) => {
                    let _ = error.to_string();
                    false
                }
                Ok(read) => {
                    let written = read.encode().map_err(|error| format!("{read:?} is not written: {error}"))?;
                    let same = <$type>::decode(&written).is_ok_and(|again| again == read);
                    if !same {
                        return Err(format!("{read:?} is another one when written and read again"));
                    }
                    true
                }
            }
        };
    }
    let Some(&kind) = input.first() else { return Ok(Verdict::Refused) };
    let bytes = &Bytes::copy_from_slice(input.get(1..).unwrap_or_default());
    let accepted = match u64::from(kind) % KINDS {
        0 => again!(Subscription, bytes),
        1 => again!(Assignment, bytes),
        // One of a kind that is not known is read as that, and never written.
        2 if matches!(OffsetsKey::decode(bytes), Ok(OffsetsKey::Unknown(_))) => true,
        2 => again!(OffsetsKey, bytes),
        3 => again!(OffsetValue, bytes),
        4 => again!(GroupValue, bytes),
        _ => SnapshotMark::decode_id(bytes).is_ok(),
    };
    Ok(accepted.into())
}
