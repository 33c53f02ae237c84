//! Leaving out the records of aborted transactions (KIP-98).

use std::collections::{BTreeSet, VecDeque};

use ottla_broker_core::ProducerId;
use ottla_broker_core::api::AbortedTransaction;
use ottla_broker_core::record::{Batch, ControlRecord};

/// Says batch by batch, in offset order, what a consumer must not see.
#[derive(Debug)]
pub(super) struct Aborted {
    /// Not begun yet, by first offset.
    ahead: VecDeque<AbortedTransaction>,
    /// Whose transaction is open at this place and will be aborted.
    open: BTreeSet<ProducerId>,
}

impl Aborted {
    pub(super) fn new(mut aborted: Vec<AbortedTransaction>) -> Self {
        aborted.sort_unstable_by_key(|transaction| transaction.first_offset);
        Self { ahead: aborted.into(), open: BTreeSet::new() }
    }

    /// Whether `batch` is to be left out: it is control, or of a transaction that was aborted.
    pub(super) fn skips(&mut self, batch: &Batch) -> bool {
        while let Some(transaction) =
            self.ahead.front().filter(|transaction| transaction.first_offset <= batch.last_offset())
        {
            self.open.insert(transaction.producer_id);
            self.ahead.pop_front();
        }
        if batch.is_control() {
            // A marker that cannot be read ends nothing: better to leave out too much of one producer
            // until the next answer than to show what was taken back.
            if let Ok(Some(ControlRecord::Abort { .. })) = ControlRecord::of_batch(batch) {
                self.open.remove(&batch.producer_id());
            }
            return true;
        }
        batch.is_transactional() && self.open.contains(&batch.producer_id())
    }
}

#[cfg(test)]
mod tests {
    use ottla_broker_core::record::{Builder, BuilderOptions, Flags, ProducerStamp};
    use ottla_broker_core::{LeaderEpoch, Offset, ProducerEpoch};

    use super::*;

    fn data(offset: i64, producer: i64, transactional: bool) -> Batch {
        let mut builder = Builder::new(BuilderOptions::default());
        builder.append(1, None, Some(b"v"), &[]).unwrap();
        let stamp = ProducerStamp { id: ProducerId(producer), epoch: ProducerEpoch(0), base_sequence: 0 };
        let batch = builder.finish(Some(stamp), Flags { transactional, control: false }).unwrap();
        batch.stamped(Offset(offset), LeaderEpoch(0))
    }

    fn marker(offset: i64, producer: i64, record: ControlRecord) -> Batch {
        record.to_batch(ProducerId(producer), ProducerEpoch(0), 1).unwrap().stamped(Offset(offset), LeaderEpoch(0))
    }

    #[test]
    fn only_the_aborted_range_of_the_producer_is_left_out() {
        let abort = ControlRecord::Abort { coordinator_epoch: 0 };
        let commit = ControlRecord::Commit { coordinator_epoch: 0 };
        let mut aborted =
            Aborted::new(vec![AbortedTransaction { producer_id: ProducerId(7), first_offset: Offset(2) }]);
        let seen = [
            data(0, 7, true),
            marker(1, 7, commit),
            data(2, 7, true),
            data(3, 8, true),
            data(4, 7, false),
            marker(5, 7, abort),
            data(6, 7, true),
        ]
        .map(|batch| aborted.skips(&batch));
        assert_eq!(seen, [false, true, true, false, false, true, false]);
    }
}
