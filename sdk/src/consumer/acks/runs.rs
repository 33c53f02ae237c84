//! From sequence numbers back to offsets.

use std::collections::VecDeque;

use ottla_broker_core::{LeaderEpoch, Offset};

use super::Position;

/// Messages without a gap between their offsets.
#[derive(Clone, Copy, Debug)]
struct Run {
    sequence: u64,
    offset: Offset,
    leader_epoch: LeaderEpoch,
}

impl Run {
    fn offset(&self, sequence: u64) -> Offset {
        self.offset.plus(i64::try_from(sequence.saturating_sub(self.sequence)).unwrap_or(i64::MAX))
    }
}

/// The runs that are still needed: a dense log has one, however much is out.
#[derive(Debug)]
pub(super) struct Runs {
    start: Position,
    runs: VecDeque<Run>,
    /// What was skipped after the messages before a sequence number. Only the latest matters: an
    /// earlier one is covered by the messages after it.
    skipped: Option<(u64, Position)>,
}

impl Runs {
    pub(super) fn new(start: Position) -> Self {
        Self { start, runs: VecDeque::new(), skipped: None }
    }

    pub(super) fn begin(&mut self, sequence: u64, offset: Offset, leader_epoch: LeaderEpoch) {
        self.runs.push_back(Run { sequence, offset, leader_epoch });
    }

    pub(super) fn skip_to(&mut self, sequence: u64, position: Position) {
        self.skipped = Some((sequence, position));
    }

    /// Forgets runs that end before `sequence - 1`, so that the front is what `position` asks for next.
    pub(super) fn forget_before(&mut self, sequence: u64) {
        while self.runs.get(1).is_some_and(|next| next.sequence < sequence) {
            self.runs.pop_front();
        }
    }

    /// The offset of a message that is still tracked.
    pub(super) fn offset(&self, sequence: u64) -> Option<Offset> {
        let at = self.runs.partition_point(|run| run.sequence <= sequence).checked_sub(1)?;
        self.runs.get(at).map(|run| run.offset(sequence))
    }

    /// The position after all messages before `sequence`.
    pub(super) fn position(&self, sequence: u64) -> Position {
        let after = match sequence.checked_sub(1) {
            None => self.start,
            Some(last) => {
                let at = self.runs.partition_point(|run| run.sequence <= last).checked_sub(1);
                at.and_then(|at| self.runs.get(at)).map_or(self.start, |run| Position {
                    offset: run.offset(last).next(),
                    leader_epoch: run.leader_epoch,
                })
            }
        };
        match self.skipped {
            Some((at, skipped)) if at == sequence && skipped.offset > after.offset => skipped,
            _ => after,
        }
    }
}
