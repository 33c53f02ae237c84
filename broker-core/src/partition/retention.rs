//! Forgetting: what is too old, too much, or asked to be deleted.

use std::time::Duration;

use super::Partition;
use super::checkpoint::Checkpoint;
use super::open::{PAGE_BYTES, stored_bytes};
use crate::api::{DeletedRecords, Error, ErrorCode};
use crate::ids::Offset;
use crate::log::{Bounds, TrimBase};
use crate::planted::is_planted;

impl Partition {
    /// Deletes the records before `before`; [`Offset::MAX`] means all that are committed. No effect at
    /// or below the log's start. Durable when it returns.
    ///
    /// # Errors
    /// `OFFSET_OUT_OF_RANGE` beyond the high watermark or below 0; those of the storage and of a partition
    /// that has [ended](super::Status).
    pub async fn delete_records(&self, before: Offset) -> Result<DeletedRecords, Error> {
        self.check_leading()?;
        let high_watermark = self.high_watermark();
        let before = if before == Offset::MAX { high_watermark } else { before };
        if before < Offset::ZERO || before > high_watermark {
            let message = format!(
                "records of {} cannot be deleted before offset {before}: those from {} to {high_watermark} are committed",
                self.name,
                self.log.bounds().start
            );
            return Err(Error::new(ErrorCode::OffsetOutOfRange, message));
        }
        self.trim(before).await?;
        Ok(DeletedRecords { low_watermark: self.log.bounds().start })
    }

    /// Applies `retention.ms` and `retention.bytes` as they are in force, whole batches at a time, never
    /// beyond the high watermark. Returns the log's new start, if it moved.
    ///
    /// - By time: from the oldest on, batches whose max timestamp is more than `retention.ms` before
    ///   `now_ms`, up to the first that is not. One without timestamps is as old as its append.
    /// - By size: from the oldest on, batches without which `retention.bytes` are still left.
    ///
    /// # Errors
    /// Those of the storage and of a partition that has [ended](super::Status).
    pub async fn enforce_retention(&self, now_ms: i64) -> Result<Option<Offset>, Error> {
        self.check_leading()?;
        self.settle();
        self.count_again().await?;
        let config = self.config();
        let start = self.log.bounds().start;
        let mut before = start;
        if let Some(retention) = config.retention {
            before = before.max(self.expired_before(now_ms, retention).await?);
        }
        if let Some(bytes) = config.retention_bytes {
            before = before.max(self.excess_before(bytes).await?);
        }
        if before <= start {
            return Ok(None);
        }
        self.trim(before).await?;
        Ok(Some(self.log.bounds().start).filter(|&moved| moved > start))
    }

    /// Forgets idempotent producers that have not written for `expiration`
    /// (`producer.id.expiration.ms`). Returns how many.
    pub fn expire_producers(&self, now_ms: i64, expiration: Duration) -> usize {
        let mut derived = self.derived();
        let expired = derived.producers.expire(now_ms, expiration);
        let left = derived.producers.len();
        derived.share.set(left);
        expired
    }

    /// Where the batches end that are too old.
    async fn expired_before(&self, now_ms: i64, retention: Duration) -> Result<Offset, Error> {
        let cutoff = now_ms.saturating_sub(i64::try_from(retention.as_millis()).unwrap_or(i64::MAX));
        // The index answers for a log that has nothing to expire, and for batches without timestamps.
        let (oldest, untimed) = {
            let derived = self.derived();
            let spans = derived.sizes.spans();
            (spans.first().copied(), spans.iter().find(|span| span.untimed_ms >= cutoff).map(|span| span.base))
        };
        if oldest.is_none() {
            return Ok(Offset::ZERO);
        }
        let kept = self.log.offset_for_timestamp(cutoff).await;
        let kept = kept.map_err(|error| self.log_error("look a time up", &error))?;
        let high_watermark = self.high_watermark();
        Ok(kept.unwrap_or(high_watermark).min(untimed.unwrap_or(high_watermark)).min(high_watermark))
    }

    /// Where the batches end without which `retention_bytes` are still left.
    async fn excess_before(&self, retention_bytes: u64) -> Result<Offset, Error> {
        let high_watermark = self.high_watermark();
        let (mut excess, spans) = {
            let derived = self.derived();
            match derived.sizes.total().checked_sub(retention_bytes) {
                None | Some(0) => return Ok(Offset::ZERO),
                Some(excess) => (excess, derived.sizes.spans().to_vec()),
            }
        };
        let start = self.log.bounds().start;
        // Whole spans first; where they all go, up to the high watermark.
        let mut before = high_watermark;
        for span in spans {
            if span.bytes > excess {
                before = span.base.max(start);
                break;
            }
            excess -= span.bytes;
        }
        // Within the span that the boundary lies in, batch by batch.
        while before < high_watermark {
            let page = self.read_log(before, high_watermark, PAGE_BYTES).await?;
            if page.is_empty() {
                break;
            }
            for batch in page {
                let size = u64::try_from(batch.size_in_bytes()).unwrap_or(u64::MAX);
                if size > excess {
                    return Ok(before.min(high_watermark));
                }
                excess -= size;
                before = batch.next_offset();
            }
        }
        Ok(before.min(high_watermark))
    }

    /// Trims the log, saving with it what would be lost: the producers and the epoch at the new start.
    async fn trim(&self, before: Offset) -> Result<(), Error> {
        let _one_at_a_time = self.trimming.lock().await;
        self.check_leading()?;
        let start = self.log.bounds().start;
        if before <= start {
            return Ok(());
        }
        self.count_again().await?;
        let cut = self.bytes_cut(start, before).await?;
        let checkpoint = self.derived().base_at(before);
        let checkpoint = if is_planted("trim-loses-producers") {
            Checkpoint { producers: crate::producer::Producers::default(), ..checkpoint }
        } else {
            checkpoint
        };
        let base = TrimBase { start: before, state: checkpoint.encode() };
        self.log
            .trim_prefix(before, base)
            .await
            .map_err(|error| self.log_failed(&format!("delete records before offset {before}"), &error))?;
        let mut derived = self.derived();
        let end = derived.next_offset;
        derived.epochs.trim(before);
        derived.sizes.trim(before, cut, end);
        Ok(())
    }

    /// Puts the index right after a trim whose request was dropped when the log had done it and the index had
    /// not: bytes that are gone would make retention by size delete what is to be kept.
    async fn count_again(&self) -> Result<(), Error> {
        let Bounds { start, durable_end, .. } = self.log.bounds();
        let cut = self.derived().sizes.cut_by(start, durable_end);
        let Some((cut, until)) = cut.filter(|_| !is_planted("retention-counts-what-is-gone")) else { return Ok(()) };
        let left = stored_bytes(self.log.as_ref(), start, until).await;
        let left = left.map_err(|error| self.log_failed("count its bytes", &error))?;
        let mut derived = self.derived();
        derived.sizes.begin_at(start, cut, left);
        derived.epochs.trim(start);
        Ok(())
    }

    /// The bytes of the batches before `before` that the index counts together with the one at `before`.
    async fn bytes_cut(&self, start: Offset, before: Offset) -> Result<u64, Error> {
        let Some(span) = self.derived().sizes.span_of(before) else {
            return Ok(0);
        };
        let (mut next, mut cut) = (span.base.max(start), 0);
        while next < before {
            // A batch that straddles `before` stays, and does not end by it.
            let page = self.read_log(next, before, PAGE_BYTES).await?;
            let Some(last) = page.last() else { break };
            next = last.next_offset();
            cut += page.iter().map(|batch| u64::try_from(batch.size_in_bytes()).unwrap_or_default()).sum::<u64>();
        }
        Ok(cut)
    }
}
