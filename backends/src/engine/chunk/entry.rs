//! What happened to one log, as a chunk's directory has it.

use ottla_broker_core::log::TrimBase;
use ottla_broker_core::record::{Reader, Truncated};
use ottla_broker_core::{LeaderEpoch, Offset, PartitionId, TopicId};
use uuid::Uuid;

use super::bad::Bad;
use super::item::MIN_ITEM_BYTES;
use crate::engine::{Key, Space};

/// The bytes of the shortest entry: its kind and its key.
pub(super) const MIN_ENTRY_BYTES: usize = 22;

const RUN: u8 = 1;
const OPEN: u8 = 2;
const TRIM: u8 = 3;
const RESET: u8 = 4;
const TRUNCATE: u8 = 5;
const REMOVE: u8 = 6;

/// One change of one log. A chunk's entries are applied in their order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Entry {
    /// Batches were appended.
    Run(Run),
    /// The log was opened for leading; the first one creates it.
    Open { key: Key, epoch: LeaderEpoch },
    /// What lies before `start` is gone.
    Trim { key: Key, start: Offset, base: TrimBase },
    /// All that was there is gone; the log goes on at `at`.
    Reset { key: Key, at: Offset, base: TrimBase },
    /// What lies at and behind `end` is gone.
    Truncate { key: Key, end: Offset },
    /// The log is gone.
    Remove { key: Key },
}

/// Consecutive batches of one log, whose items lie in the chunk's data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Run {
    pub(crate) key: Key,
    /// The base offset of the first batch.
    pub(crate) base: Offset,
    /// One past the last offset.
    pub(crate) next: Offset,
    /// Batches, one at least.
    pub(crate) batches: u32,
    /// Bytes of the items.
    pub(crate) bytes: u32,
    /// The greatest timestamp of the batches.
    pub(crate) max_timestamp: i64,
}

impl Entry {
    /// The log it is about.
    pub(crate) const fn key(&self) -> Key {
        match self {
            Self::Run(Run { key, .. })
            | Self::Open { key, .. }
            | Self::Trim { key, .. }
            | Self::Reset { key, .. }
            | Self::Truncate { key, .. }
            | Self::Remove { key } => *key,
        }
    }

    pub(super) fn write(&self, to: &mut Vec<u8>) {
        let mut head = |kind: u8| {
            to.push(kind);
            to.extend_from_slice(&key_bytes(&self.key()));
        };
        match self {
            Self::Run(run) => {
                head(RUN);
                to.extend_from_slice(&run.base.0.to_be_bytes());
                to.extend_from_slice(&run.next.0.to_be_bytes());
                to.extend_from_slice(&run.batches.to_be_bytes());
                to.extend_from_slice(&run.bytes.to_be_bytes());
                to.extend_from_slice(&run.max_timestamp.to_be_bytes());
            }
            Self::Open { epoch, .. } => {
                head(OPEN);
                to.extend_from_slice(&epoch.0.to_be_bytes());
            }
            Self::Trim { start, base, .. } => {
                head(TRIM);
                to.extend_from_slice(&start.0.to_be_bytes());
                write_base(base, to);
            }
            Self::Reset { at, base, .. } => {
                head(RESET);
                to.extend_from_slice(&at.0.to_be_bytes());
                write_base(base, to);
            }
            Self::Truncate { end, .. } => {
                head(TRUNCATE);
                to.extend_from_slice(&end.0.to_be_bytes());
            }
            Self::Remove { .. } => head(REMOVE),
        }
    }

    /// Reads one entry. The inner error is for what the bytes say, the outer one for too few of them.
    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Result<Self, Bad>, Truncated> {
        let kind = reader.try_u8()?;
        let Some(key) = read_key(reader)? else {
            return Ok(Err(Bad::Structure("an entry is of a space that is not known")));
        };
        let entry = match kind {
            RUN => {
                let run = Run {
                    key,
                    base: Offset(reader.try_i64()?),
                    next: Offset(reader.try_i64()?),
                    batches: reader.try_u32()?,
                    bytes: reader.try_u32()?,
                    max_timestamp: reader.try_i64()?,
                };
                if let Err(bad) = run.check() {
                    return Ok(Err(bad));
                }
                Self::Run(run)
            }
            OPEN => Self::Open { key, epoch: LeaderEpoch(reader.try_i32()?) },
            TRIM => Self::Trim { key, start: Offset(reader.try_i64()?), base: read_base(reader)? },
            RESET => Self::Reset { key, at: Offset(reader.try_i64()?), base: read_base(reader)? },
            TRUNCATE => Self::Truncate { key, end: Offset(reader.try_i64()?) },
            REMOVE => Self::Remove { key },
            _ => return Ok(Err(Bad::Structure("an entry is of a kind that is not known"))),
        };
        Ok(Ok(entry))
    }
}

impl Run {
    fn check(&self) -> Result<(), Bad> {
        if self.next <= self.base {
            return Err(Bad::Structure("a run ends before it begins"));
        }
        if self.batches == 0 || u64::from(self.bytes) < u64::from(self.batches) * MIN_ITEM_BYTES as u64 {
            return Err(Bad::Structure("a run has more batches than its bytes can hold"));
        }
        Ok(())
    }
}

/// A key as it is written everywhere: space, topic id, partition.
pub(crate) fn key_bytes(key: &Key) -> [u8; 21] {
    let mut bytes = [0; 21];
    let [space, rest @ ..] = &mut bytes;
    *space = key.space.code();
    let (topic, partition) = rest.split_at_mut_checked(16).unwrap_or_default();
    topic.copy_from_slice(key.id.topic.0.as_bytes());
    partition.copy_from_slice(&key.id.partition.to_be_bytes());
    bytes
}

/// The inverse of [`key_bytes`]; `None` for a space that is not known.
pub(crate) fn read_key(reader: &mut Reader<'_>) -> Result<Option<Key>, Truncated> {
    let space = reader.try_u8()?;
    let topic = TopicId(Uuid::from_bytes(reader.try_array()?));
    let partition = reader.try_i32()?;
    let id = PartitionId { topic, partition };
    Ok(Space::from_code(space).map(|space| Key { space, id }))
}

fn write_base(base: &TrimBase, to: &mut Vec<u8>) {
    // A state is bounded far below by the broker; one that were not would make a chunk that is refused.
    debug_assert!(u32::try_from(base.state.len()).is_ok(), "a trim base beyond 4 GiB");
    to.extend_from_slice(&base.start.0.to_be_bytes());
    to.extend_from_slice(&u32::try_from(base.state.len()).unwrap_or(u32::MAX).to_be_bytes());
    to.extend_from_slice(&base.state);
}

fn read_base(reader: &mut Reader<'_>) -> Result<TrimBase, Truncated> {
    let start = Offset(reader.try_i64()?);
    let bytes = usize::try_from(reader.try_u32()?).unwrap_or(usize::MAX);
    // A copy: what outlives recovery must not hold a whole chunk.
    Ok(TrimBase { start, state: bytes::Bytes::copy_from_slice(reader.try_take(bytes)?) })
}
