//! Which leader wrote which part of a log.
//!
//! Source: KIP-101, KIP-279; Kafka's `LeaderEpochFileCache`.

use crate::api::EpochEnd;
use crate::ids::{LeaderEpoch, Offset};
use crate::producer::Damaged;
use crate::record::Reader;

/// The leader epochs of a log, each with the offset of its first record.
///
/// ```text
///  epoch      3           5      6
///        ┃━━━━━━━━━━━┃━━━━━━━━┃━━━━━━━━━┃
///      start                          end
/// ```
///
/// Epochs and offsets strictly increase. An epoch that wrote nothing is not in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EpochHistory(Vec<(LeaderEpoch, Offset)>);

impl EpochHistory {
    /// Notes that the batch at `start` was written at `epoch`. What the history had from there on
    /// names records that are no more.
    pub fn assign(&mut self, epoch: LeaderEpoch, start: Offset) {
        if epoch <= LeaderEpoch::NONE || self.latest().is_some_and(|latest| latest >= epoch) {
            return;
        }
        self.truncate(start);
        if self.0.is_empty() {
            // Most partitions only ever have one: no room for four.
            self.0.reserve_exact(1);
        }
        self.0.push((epoch, start));
    }

    /// The newest epoch that wrote.
    #[must_use]
    pub fn latest(&self) -> Option<LeaderEpoch> {
        self.0.last().map(|&(epoch, _)| epoch)
    }

    /// The epoch that wrote the record at `offset`, or would have, in a gap.
    #[must_use]
    pub fn at(&self, offset: Offset) -> Option<LeaderEpoch> {
        let after = self.0.partition_point(|&(_, start)| start <= offset);
        after.checked_sub(1).and_then(|at| self.0.get(at)).map(|&(epoch, _)| epoch)
    }

    /// The largest epoch at or below `epoch`, and one past its last offset in a log that ends at `log_end`.
    /// With none such: no epoch, and where the oldest known begins, before which nothing is shared.
    #[must_use]
    pub fn end_for(&self, epoch: LeaderEpoch, log_end: Offset) -> EpochEnd {
        let after = self.0.partition_point(|&(known, _)| known <= epoch);
        EpochEnd {
            epoch: after.checked_sub(1).and_then(|at| self.0.get(at)).map(|&(known, _)| known),
            end: self.0.get(after).map_or(log_end, |&(_, start)| start),
        }
    }

    /// Forgets what lies at or after `end`.
    pub fn truncate(&mut self, end: Offset) {
        let keep = self.0.partition_point(|&(_, start)| start < end);
        self.0.truncate(keep);
    }

    /// Forgets what lies before `before`; the epoch there begins there now.
    pub fn trim(&mut self, before: Offset) {
        let gone = self.0.partition_point(|&(_, start)| start <= before);
        if let Some(last) = gone.checked_sub(1) {
            self.0.drain(..last);
            if let Some((_, start)) = self.0.first_mut() {
                *start = before;
            }
        }
    }

    /// The history as a replay of the log from `start` on would need it as its base: the epoch that
    /// wrote what precedes `start`. What begins there or later, the log tells.
    #[must_use]
    pub fn up_to(&self, start: Offset) -> Self {
        let mut base = self.clone();
        base.truncate(start);
        base.trim(start);
        base
    }

    /// The epochs and where each begins.
    #[must_use]
    pub fn entries(&self) -> &[(LeaderEpoch, Offset)] {
        &self.0
    }

    /// Appends `count u32`, then each `epoch i32 │ start i64`, big-endian.
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&u32::try_from(self.0.len()).unwrap_or(u32::MAX).to_be_bytes());
        for (epoch, start) in &self.0 {
            out.extend_from_slice(&epoch.0.to_be_bytes());
            out.extend_from_slice(&start.0.to_be_bytes());
        }
    }

    pub(super) fn decode(reader: &mut Reader<'_>) -> Result<Self, Damaged> {
        let count = usize::try_from(reader.try_u32()?).unwrap_or(usize::MAX);
        if count > reader.remaining() / 12 {
            return Err(Damaged("it counts more epochs than its bytes can hold"));
        }
        let mut entries: Vec<(LeaderEpoch, Offset)> = Vec::with_capacity(count);
        for _ in 0..count {
            let (epoch, start) = (LeaderEpoch(reader.try_i32()?), Offset(reader.try_i64()?));
            let (last_epoch, last_start) = entries.last().copied().unwrap_or((LeaderEpoch::NONE, Offset(-1)));
            if epoch <= last_epoch || start <= last_start {
                return Err(Damaged("its epochs are not in order"));
            }
            entries.push((epoch, start));
        }
        Ok(Self(entries))
    }
}

#[cfg(test)]
mod tests;
