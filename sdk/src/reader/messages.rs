//! A whole batch at once.

use std::sync::Arc;

use ottla_broker_core::record::{Batch, Records};
use ottla_broker_core::{Offset, TopicPartition};

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
}

impl Messages {
    /// The batch's records within `from..until`. Its CRC MUST have been checked.
    pub(super) fn new(source: Arc<TopicPartition>, batch: &Batch, from: Offset, until: Offset) -> Result<Self, Error> {
        let records = batch.records().map_err(|error| Error::Corrupt {
            partition: TopicPartition::clone(&source),
            offset: from.max(batch.base_offset()),
            next: batch.next_offset(),
            source: error,
        })?;
        let end = batch.next_offset().min(until);
        Ok(Self { source, records, from, until, end, position: from, done: false })
    }

    /// Topic and partition that all of them are of.
    #[must_use]
    pub fn topic_partition(&self) -> &TopicPartition {
        &self.source
    }

    /// The offset after the last message that it may have.
    pub(super) const fn end(&self) -> Offset {
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
