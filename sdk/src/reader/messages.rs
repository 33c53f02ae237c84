//! A whole batch at once.

use std::sync::Arc;

use ottla_broker_core::record::{Batch, Records};
use ottla_broker_core::{LeaderEpoch, Offset, TopicPartition};

use super::error::Error;
use super::message::Message;

/// The messages of one batch of one partition: an iterator that decodes as it goes and allocates
/// nothing per message.
///
/// The reader's position is after the whole batch as soon as it was handed over.
#[derive(Clone, Debug)]
pub struct Messages {
    source: Arc<TopicPartition>,
    records: Records,
    /// Records before this are in the batch and were not asked for.
    from: Offset,
    /// Records from here on were not asked for.
    until: Offset,
    /// The offset after the batch.
    end: Offset,
    /// The next offset that may come.
    position: Offset,
    done: bool,
    leader_epoch: LeaderEpoch,
    /// Whether every offset of the batch is a record: nothing was compacted away.
    dense: bool,
}

impl Messages {
    /// The batch's records within `from..until`. Its CRC MUST have been checked.
    pub(crate) fn new(source: Arc<TopicPartition>, batch: &Batch, from: Offset, until: Offset) -> Result<Self, Error> {
        let records = batch.records().map_err(|error| Error::Corrupt {
            partition: TopicPartition::clone(&source),
            offset: from.max(batch.base_offset()),
            next: batch.next_offset(),
            source: error,
        })?;
        let end = batch.next_offset().min(until);
        let position = from.max(batch.base_offset());
        let span = batch.next_offset().0 - batch.base_offset().0;
        let dense = i64::from(batch.record_count()) == span;
        let leader_epoch = batch.leader_epoch();
        Ok(Self { source, records, from, until, end, position, done: false, leader_epoch, dense })
    }

    /// The epoch of the leader that took the batch.
    pub(crate) const fn leader_epoch(&self) -> LeaderEpoch {
        self.leader_epoch
    }

    /// How many messages are to come, if the batch says so without being decoded.
    pub(crate) fn dense_count(&self) -> Option<u64> {
        self.dense.then(|| u64::try_from(self.end.0 - self.position.0).unwrap_or(0))
    }

    /// Cuts off what lies from `offset` on, and returns it.
    pub(crate) fn split_at(&mut self, offset: Offset) -> Self {
        let mut rest = self.clone();
        rest.from = rest.from.max(offset);
        rest.position = rest.position.max(offset);
        self.until = self.until.min(offset);
        self.end = self.end.min(offset);
        rest
    }

    /// Whether every offset up to the end is a record.
    pub(crate) const fn is_dense(&self) -> bool {
        self.dense
    }

    /// Where the reader stood when the batch was opened, or the batch's begin before that.
    pub(crate) const fn from(&self) -> Offset {
        self.from
    }

    /// Whether an error came, after which nothing more does.
    pub(crate) fn has_failed(&self) -> bool {
        self.done && self.position < self.end
    }

    /// Nothing more comes.
    pub(crate) const fn exhaust(&mut self) {
        self.done = true;
        self.position = self.end;
    }

    /// Topic and partition that all of them are of.
    #[must_use]
    pub fn topic_partition(&self) -> &TopicPartition {
        &self.source
    }

    /// The offset after the last message that it may have.
    pub(crate) const fn end(&self) -> Offset {
        self.end
    }

    /// The offset that the next message has at least; after the last one, where the batch ends.
    #[must_use]
    pub const fn next_offset(&self) -> Offset {
        self.position
    }
}

impl Iterator for Messages {
    type Item = Result<Message, Error>;

    /// The next message. After an error there is nothing more.
    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        while !self.done {
            match self.records.next() {
                Some(Ok(record)) if record.offset < self.from => {}
                Some(Ok(record)) if record.offset < self.until => {
                    self.position = record.offset.next();
                    return Some(Ok(Message::new(Arc::clone(&self.source), record)));
                }
                Some(Err(source)) => {
                    self.done = true;
                    return Some(Err(Error::Corrupt {
                        partition: TopicPartition::clone(&self.source),
                        offset: self.position,
                        next: self.end,
                        source,
                    }));
                }
                Some(Ok(_)) | None => {
                    self.done = true;
                    self.position = self.end;
                }
            }
        }
        None
    }
}

impl std::iter::FusedIterator for Messages {}
