//! Reading: whole batches, bounded by what may be seen.

use super::Partition;
use crate::api::{Error, ErrorCode, Fetched, IsolationLevel};
use crate::ids::{LeaderEpoch, Offset};
use crate::log::{self, Bounds, ErrorKind};
use crate::planted::is_planted;
use crate::record::Batch;

/// What is to be read of one partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Read {
    /// The first offset wanted.
    pub from: Offset,
    /// Bytes to return at most; one batch is returned however large.
    pub max_bytes: usize,
    /// Which records of transactions are seen.
    pub isolation: IsolationLevel,
    /// Whether a follower asks: it reads to the log's end, a consumer to the high watermark.
    pub as_replica: bool,
    /// The leader epoch that the reader knows (KIP-320); `None` skips the check.
    pub current_leader_epoch: Option<LeaderEpoch>,
}

impl Partition {
    /// Reads whole batches from the one that holds `read.from`, or else the first after it. Empty, and no
    /// error, between the last offset that may be seen and the log's end.
    ///
    /// # Errors
    /// `OFFSET_OUT_OF_RANGE` before the log's start and beyond its end; `FENCED_LEADER_EPOCH` and
    /// `UNKNOWN_LEADER_EPOCH`; `CORRUPT_MESSAGE`; those of a partition that has [ended](super::Status), unless only
    /// its writing did: what is durable on a poisoned storage is read.
    pub async fn read(&self, read: &Read) -> Result<Fetched, Error> {
        self.check_epoch(read.current_leader_epoch)?;
        self.check_readable()?;
        self.check_range(read.from, self.log.bounds())?;
        let until = self.visible_end(read);
        let mut fetched = self.fetched();
        if read.from < until {
            fetched.batches = self.read_log(read.from, until, read.max_bytes).await?;
            debug_assert!(
                fetched.batches.iter().all(|batch| batch.next_offset() <= until),
                "invariant 4: a reader of {} would see beyond {until}",
                self.name
            );
        }
        Ok(fetched)
    }

    /// One past the last offset that `read` may see.
    pub(super) fn visible_end(&self, read: &Read) -> Offset {
        if read.as_replica || is_planted("read-beyond-hw") {
            return self.log.bounds().end;
        }
        self.consumer_end(read.isolation)
    }

    /// One past the last offset that a consumer may see.
    pub(super) fn consumer_end(&self, isolation: IsolationLevel) -> Offset {
        match isolation {
            IsolationLevel::ReadUncommitted => self.high_watermark(),
            IsolationLevel::ReadCommitted => self.last_stable_offset(),
        }
    }

    /// An answer without batches.
    pub(super) fn fetched(&self) -> Fetched {
        Fetched {
            high_watermark: self.high_watermark(),
            last_stable_offset: self.last_stable_offset(),
            log_start_offset: self.log.bounds().start,
            batches: Vec::new(),
            aborted: Vec::new(),
        }
    }

    pub(super) async fn read_log(&self, from: Offset, until: Offset, max_bytes: usize) -> Result<Vec<Batch>, Error> {
        self.log.read(from, until, max_bytes).await.map_err(|error| self.read_failed(from, &error))
    }

    fn read_failed(&self, from: Offset, error: &log::Error) -> Error {
        if error.kind() == ErrorKind::OutOfRange
            && let Err(out_of_range) = self.check_range(from, self.log.bounds())
        {
            // It was trimmed in between.
            return out_of_range;
        }
        match error.kind() {
            // A medium that does not answer a read may answer the next one: nothing is in doubt.
            ErrorKind::Unavailable => self.log_error(&format!("read at offset {from}"), error),
            _ => {
                let failed = self.log_failed(&format!("read at offset {from}"), error);
                // Closed by ourselves in between, it is no failure of the storage.
                self.check_readable().err().unwrap_or(failed)
            }
        }
    }

    fn check_range(&self, offset: Offset, bounds: Bounds) -> Result<(), Error> {
        if offset >= bounds.start && offset <= bounds.end {
            return Ok(());
        }
        let (name, Bounds { start, end, .. }) = (&self.name, bounds);
        let message = format!("offset {offset} of {name} is out of range: the log has {start} to {end}");
        Err(Error::new(ErrorCode::OffsetOutOfRange, message))
    }

    /// Fences both ways (KIP-320): who knows an older leader, and who knows a newer one than this.
    ///
    /// # Errors
    /// `FENCED_LEADER_EPOCH`, `UNKNOWN_LEADER_EPOCH`.
    pub fn check_epoch(&self, known: Option<LeaderEpoch>) -> Result<(), Error> {
        let (name, epoch) = (&self.name, self.epoch);
        // Elections that the storage did not follow: the same leader has the same log.
        let known = known.map(|known| if known > epoch && known <= self.elected() { epoch } else { known });
        match known.filter(|_| !is_planted("leader-epoch-unchecked")) {
            Some(known) if known < epoch => Err(Error::new(
                ErrorCode::FencedLeaderEpoch,
                format!(
                    "partition {name} is led at epoch {epoch}, and the request knows {known}: refresh the metadata"
                ),
            )),
            Some(known) if known > epoch => Err(Error::new(
                ErrorCode::UnknownLeaderEpoch,
                format!("partition {name} is led at epoch {epoch} here, and the request knows {known}: try again"),
            )),
            _ => Ok(()),
        }
    }
}
