//! Places in a partition, as a person would name them.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ottla_broker_core::Offset;

/// A place in a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum At {
    /// The first record that is still there.
    Earliest,
    /// After the last record that is committed: only what is written from now on.
    Latest,
    /// This offset.
    Offset(Offset),
    /// The first record whose timestamp is at or after this, in ms since 1970; as [`At::Latest`] if none is.
    Time(i64),
    /// So many offsets before the end, or at the first record if there are fewer. Where the log has
    /// gaps that is fewer records.
    Tail(u64),
}

impl At {
    /// [`At::Time`] of a wall clock's time. Times before 1970 count as 1970.
    #[must_use]
    pub fn time(time: SystemTime) -> Self {
        let since = time.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        Self::Time(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }
}

impl From<Offset> for At {
    fn from(offset: Offset) -> Self {
        Self::Offset(offset)
    }
}

/// What a reader does when its offset is not in the log: retention or DeleteRecords took it away, or
/// it lies after the end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OutOfRange {
    /// Yields [`reader::Error::OutOfRange`](super::Error::OutOfRange), again and again until a
    /// [`seek`](super::Reader::seek). The default: a program should know that it missed records.
    #[default]
    Fail,
    /// Goes on at the first record that is there.
    Earliest,
    /// Goes on at the end.
    Latest,
}
