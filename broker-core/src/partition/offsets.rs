//! Looking offsets up: by name, by time, by leader epoch.

use super::Partition;
use super::open::PAGE_BYTES;
use crate::api::{EpochEnd, Error, ErrorCode, IsolationLevel, ListedOffset, OffsetSpec};
use crate::ids::{LeaderEpoch, Offset};
use crate::planted::is_planted;
use crate::record::{Batch, NO_TIMESTAMP, Record};

impl Partition {
    /// Answers ListOffsets. Nothing at or beyond what a consumer of `isolation` may see is told.
    ///
    /// # Errors
    /// `OFFSET_NOT_AVAILABLE` while a new leader's high watermark has not reached its epoch (KIP-207);
    /// `CORRUPT_MESSAGE`; those of a partition that has [ended](super::Status).
    pub async fn list_offset(&self, spec: OffsetSpec, isolation: IsolationLevel) -> Result<ListedOffset, Error> {
        self.check_readable()?;
        let end = self.consumer_end(isolation);
        match spec {
            OffsetSpec::Earliest => Ok(self.listed(self.bounds().start, None)),
            OffsetSpec::Latest => {
                if self.high_watermark() < self.epoch_start {
                    let message = format!(
                        "partition {} is being taken over: its high watermark has yet to reach {}: try again",
                        self.name, self.epoch_start
                    );
                    return Err(Error::new(ErrorCode::OffsetNotAvailable, message));
                }
                Ok(ListedOffset { leader_epoch: Some(self.epoch), ..self.listed(end, None) })
            }
            OffsetSpec::Timestamp(at) => self.first_at_or_after(at, end).await,
            OffsetSpec::MaxTimestamp => self.with_max_timestamp(end).await,
        }
    }

    /// Where a leader epoch ends in this log (KIP-101): that of the largest epoch at or below it.
    ///
    /// # Errors
    /// Those of a partition that has [ended](super::Status), and those of [`Partition::check_epoch`].
    pub fn end_of_epoch(&self, epoch: LeaderEpoch, current: Option<LeaderEpoch>) -> Result<EpochEnd, Error> {
        self.check_epoch(current)?;
        self.check_readable()?;
        let bounds = self.log.bounds();
        if epoch >= self.epoch {
            // This leader's own, whether or not it has written. A later one it does not know.
            let known = epoch == self.epoch;
            return Ok(EpochEnd { epoch: known.then_some(epoch), end: bounds.end });
        }
        let found = self.derived().epochs.end_for(epoch, bounds.end);
        Ok(EpochEnd { end: found.end.max(bounds.start), ..found })
    }

    fn listed(&self, offset: Offset, timestamp_ms: Option<i64>) -> ListedOffset {
        ListedOffset { offset: Some(offset), timestamp_ms, leader_epoch: self.derived().epochs.at(offset) }
    }

    const NOTHING: ListedOffset = ListedOffset { offset: None, timestamp_ms: None, leader_epoch: None };

    /// The first record at or after a time, below `end`.
    async fn first_at_or_after(&self, at: i64, end: Offset) -> Result<ListedOffset, Error> {
        let found =
            self.log.offset_for_timestamp(at).await.map_err(|error| self.log_error("look a time up", &error))?;
        let start = self.log.bounds().start;
        let Some(mut from) = found.map(|from| from.max(start)).filter(|&from| from < end) else {
            return Ok(Self::NOTHING);
        };
        // The batch that was found holds the answer, unless it straddles the log's start and the record
        // is one of those deleted: then a later batch does.
        loop {
            let page = self.read_log(from, end, PAGE_BYTES).await?;
            let Some(last) = page.last() else {
                return Ok(Self::NOTHING);
            };
            from = last.next_offset();
            for batch in &page {
                self.check_bytes(batch)?;
                if batch.max_timestamp() < at {
                    continue;
                }
                for record in self.records(batch)? {
                    let record = self.decoded(batch, record)?;
                    if record.timestamp_ms >= at && record.offset >= start {
                        return Ok(self.found(batch, &record));
                    }
                }
            }
            if from >= end {
                return Ok(Self::NOTHING);
            }
        }
    }

    /// The first of the records with the greatest timestamp, below `end` (KIP-734).
    async fn with_max_timestamp(&self, end: Offset) -> Result<ListedOffset, Error> {
        let start = self.log.bounds().start;
        // Latest spans first: the index says which can hold a greater one than was found.
        let mut spans = self.derived().sizes.spans().to_vec();
        let ends: Vec<Offset> = spans
            .iter()
            .skip(1)
            .map(|span| span.base)
            .chain(std::iter::once(end))
            .map(|until| until.min(end))
            .collect();
        let mut spans: Vec<_> = spans.drain(..).zip(ends).collect();
        spans.sort_by_key(|(span, _)| (std::cmp::Reverse(span.max_timestamp), span.base));
        let mut best = Self::NOTHING;
        for (span, until) in spans {
            let best_timestamp = best.timestamp_ms.unwrap_or(NO_TIMESTAMP);
            let is_earlier = best.offset.is_some_and(|offset| span.base < offset);
            if span.max_timestamp < best_timestamp || (span.max_timestamp == best_timestamp && !is_earlier) {
                continue;
            }
            self.max_timestamp_between(span.base.max(start), until, &mut best).await?;
        }
        Ok(best)
    }

    async fn max_timestamp_between(&self, from: Offset, until: Offset, best: &mut ListedOffset) -> Result<(), Error> {
        let (start, mut next) = (from, from);
        while next < until {
            let page = self.read_log(next, until, PAGE_BYTES).await?;
            let Some(last) = page.last() else { break };
            next = last.next_offset();
            for batch in &page {
                self.check_bytes(batch)?;
                if batch.max_timestamp() == NO_TIMESTAMP || Some(batch.max_timestamp()) < best.timestamp_ms {
                    continue;
                }
                for record in self.records(batch)? {
                    let record = self.decoded(batch, record)?;
                    let greater = best.timestamp_ms.is_none_or(|known| {
                        record.timestamp_ms > known
                            || (record.timestamp_ms == known
                                && best.offset.is_some_and(|offset| record.offset < offset))
                    });
                    if greater && record.offset >= start && record.timestamp_ms != NO_TIMESTAMP {
                        *best = self.found(batch, &record);
                    }
                }
            }
        }
        Ok(())
    }

    fn found(&self, batch: &Batch, record: &Record) -> ListedOffset {
        ListedOffset {
            offset: Some(record.offset),
            timestamp_ms: Some(record.timestamp_ms),
            leader_epoch: Some(batch.leader_epoch()).filter(|&epoch| epoch > LeaderEpoch::NONE),
        }
    }

    /// The client does not see the batch and cannot check it: a wrong bit here is a wrong offset there (invariant 9).
    fn check_bytes(&self, batch: &Batch) -> Result<(), Error> {
        if is_planted("time-look-up-trusts-bytes") {
            return Ok(());
        }
        batch.verify_crc().map_err(|error| self.undecodable(batch, &error))
    }

    fn records(&self, batch: &Batch) -> Result<crate::record::Records, Error> {
        batch.records().map_err(|error| self.undecodable(batch, &error))
    }

    fn decoded(&self, batch: &Batch, record: Result<Record, crate::record::Error>) -> Result<Record, Error> {
        record.map_err(|error| self.undecodable(batch, &error))
    }

    fn undecodable(&self, batch: &Batch, error: &crate::record::Error) -> Error {
        let message = format!(
            "partition {} has at offset {} a batch that cannot be decoded: {error}",
            self.name,
            batch.base_offset()
        );
        Error::new(ErrorCode::CorruptMessage, message)
    }
}
