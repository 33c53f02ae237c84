//! Appending: dedup, offset and submit as one critical section.

use std::collections::VecDeque;
use std::sync::Arc;

use super::check::Origin;
use super::epochs::EpochHistory;
use super::pending::{AppendPending, Condition};
use super::sizes::Sizes;
use super::status::Ended;
use super::{Derived, LastBatch, Partition};
use crate::api::{Acks, Appended, Error, ErrorCode};
use crate::config::TopicConfig;
use crate::ids::Offset;
use crate::log::{self, Durability, Ticket};
use crate::planted::is_planted;
use crate::producer::{Decision, Kept, Producers, Sequenced, Share};
use crate::record::{Batch, Header, TimestampType};

/// Appends whose tickets had not resolved when last looked at, in order: what a retry of one joins.
#[derive(Debug, Default)]
pub(super) struct InFlight(VecDeque<(Offset, Ticket)>);

impl InFlight {
    fn push(&mut self, end: Offset, ticket: Ticket) {
        self.0.push_back((end, ticket));
    }

    /// The ticket of the append that wrote `offset`; a resolved one if it is durable already.
    fn ticket_of(&self, offset: Offset) -> Ticket {
        let at = self.0.partition_point(|(end, _)| *end <= offset);
        self.0.get(at).map_or_else(|| Ticket::ready(Ok(())), |(_, ticket)| ticket.clone())
    }

    /// The ticket of the last append; a resolved one if nothing is in flight.
    pub(super) fn last(&self) -> Ticket {
        self.0.back().map_or_else(|| Ticket::ready(Ok(())), |(_, ticket)| ticket.clone())
    }

    /// Drops what has become durable.
    ///
    /// # Errors
    /// What the first that failed did with. It stays.
    pub(super) fn settle(&mut self) -> Result<(), log::Error> {
        while let Some((_, ticket)) = self.0.front() {
            match ticket.peek() {
                None => return Ok(()),
                Some(result) => result?,
            }
            self.0.pop_front();
        }
        // An idle partition keeps no memory of its busier days.
        if self.0.capacity() > 0 {
            self.0 = VecDeque::new();
        }
        Ok(())
    }
}

impl Derived {
    pub(super) fn new(share: Share) -> Self {
        Self {
            next_offset: Offset::ZERO,
            producers: Producers::default(),
            share,
            epochs: EpochHistory::default(),
            sizes: Sizes::default(),
            last_batch: None,
            in_flight: InFlight::default(),
            unsaved_bytes: 0,
        }
    }

    /// Takes over what `header` says, of a batch that is in the log.
    pub(super) fn record(&mut self, header: &Header, now_ms: i64) {
        if let Some(sequenced) = Sequenced::of(header) {
            let is_new = self.producers.get(sequenced.producer).is_none();
            if is_new && self.share.is_used_up() && !is_planted("producers-unbounded") {
                self.producers.shed();
            }
            self.producers.record(&sequenced, now_ms);
            self.share.set(self.producers.len());
        }
        self.unsaved_bytes += u64::try_from(header.size_in_bytes()).unwrap_or_default();
        self.epochs.assign(header.leader_epoch, header.base_offset);
        self.sizes.add(header, now_ms);
        self.last_batch = Some(LastBatch { base_offset: header.base_offset, crc: header.crc });
        self.next_offset = if is_planted("offset-reused") { header.last_offset() } else { header.next_offset() };
    }
}

impl Partition {
    /// Takes a client's batch, *in the order of the calls*: when this returns, its offset is fixed and
    /// it is submitted; only durability is waited for, in the [`AppendPending`].
    ///
    /// A batch that is in the log already (by producer, epoch and sequence) is not written again: its
    /// answer is the original's, under the same condition of `acks`.
    ///
    /// # Errors
    /// Nothing was written. `MESSAGE_TOO_LARGE`, `CORRUPT_MESSAGE`, `INVALID_RECORD`, `INVALID_TIMESTAMP`,
    /// `UNSUPPORTED_COMPRESSION_TYPE`, `NOT_ENOUGH_REPLICAS`, `OUT_OF_ORDER_SEQUENCE_NUMBER`,
    /// `INVALID_PRODUCER_EPOCH`; of a partition that has [ended](super::Status) or whose storage is full,
    /// `KAFKA_STORAGE_ERROR` or `NOT_LEADER_OR_FOLLOWER`.
    pub fn append(self: &Arc<Self>, batch: Batch, acks: Acks, origin: Origin) -> Result<AppendPending, Error> {
        self.check_leading()?;
        let config = self.config();
        if acks == Acks::All {
            self.check_in_sync(&config, ErrorCode::NotEnoughReplicas)?;
        }
        self.check(&batch, &config, origin)?;
        let append_time = (config.timestamp_type == TimestampType::LogAppendTime).then(|| self.env.wall_ms());
        let batch = match append_time {
            Some(now_ms) => batch.with_log_append_time(now_ms),
            None => batch,
        };
        let now_ms = append_time.unwrap_or_else(|| self.env.wall_ms());

        let submitted = self.submit(batch, now_ms)?;
        let appended = Appended {
            base_offset: Some(submitted.written.base_offset),
            log_append_time_ms: append_time.map(|_| submitted.written.timestamp_ms),
            log_start_offset: self.log.bounds().start,
            durability: self.durability,
            replicas: u32::try_from(self.in_sync_replicas()).unwrap_or(u32::MAX),
        };
        Ok(match acks {
            // The answer says nothing about success.
            Acks::None => AppendPending::ready(Ok(Appended {
                base_offset: None,
                durability: Durability::Unknown,
                replicas: 0,
                ..appended
            })),
            Acks::Leader | Acks::All => {
                let condition = Condition { end: submitted.written.last_offset().next(), acks };
                AppendPending::waiting(self, submitted.ticket, condition, appended)
            }
        })
    }

    /// Asks the storage whether this is still the partition's writer.
    ///
    /// # Errors
    /// `NOT_LEADER_OR_FOLLOWER` if it was fenced, `KAFKA_STORAGE_ERROR` if it failed; it has [ended](super::Status) then.
    pub async fn check_writer(&self) -> Result<(), Error> {
        self.log.confirm().await.map_err(|error| self.log_failed("ask whether it is written here", &error))
    }

    /// The critical section.
    fn submit(&self, mut batch: Batch, now_ms: i64) -> Result<Submitted, Error> {
        let mut derived = self.derived();
        // Again, under the lock: what ended in between must not be appended to.
        self.check_leading()?;
        derived.in_flight.settle().map_err(|error| self.log_failed("append", &error))?;

        let sequenced = Sequenced::of(batch.header());
        if let Some(sequenced) = &sequenced {
            match derived.producers.decide(sequenced) {
                Decision::Accept => {}
                Decision::Duplicate(original) => {
                    let ticket = if is_planted("duplicate-acked-early") {
                        Ticket::ready(Ok(()))
                    } else {
                        derived.in_flight.ticket_of(original.last_offset())
                    };
                    return Ok(Submitted { written: original, ticket });
                }
                refused => return Err(self.refuse(sequenced, refused)),
            }
        }

        let base_offset = derived.next_offset;
        if base_offset.0.checked_add(i64::from(batch.last_offset_delta())).is_none_or(|last| last == i64::MAX) {
            let message = format!("partition {} has no offsets left after {base_offset}", self.name);
            return Err(Error::new(ErrorCode::KafkaStorageError, message));
        }
        debug_assert_eq!(
            self.log.epoch(),
            self.epoch,
            "invariant 6: {} is written by another leader's handle",
            self.name
        );
        batch.stamp(base_offset, self.epoch);
        let header = *batch.header();
        let end = self.log.bounds().end;
        if is_planted("state-ahead-of-log")
            && let Some(sequenced) = Sequenced::of(&header)
        {
            derived.producers.record(&sequenced, now_ms);
        }
        let ticket = self.log.append(batch).map_err(|error| self.append_refused(base_offset, &error))?;
        // Only of what the log took: the end of a fenced one is where the newer leader has brought it.
        let is_lost = matches!(ticket.peek(), Some(Err(_)));
        debug_assert!(
            base_offset >= end || is_lost || is_planted("offset-reused"),
            "invariant 2: offset {base_offset} of {} was used again",
            self.name
        );
        derived.record(&header, now_ms);
        if !matches!(ticket.peek(), Some(Ok(()))) {
            derived.in_flight.push(header.next_offset(), ticket.clone());
        }
        let written = Kept {
            base_offset,
            timestamp_ms: header.max_timestamp,
            base_sequence: header.base_sequence,
            last_offset_delta: header.last_offset_delta,
        };
        Ok(Submitted { written, ticket })
    }

    fn append_refused(&self, base_offset: Offset, error: &log::Error) -> Error {
        if error.kind() == log::ErrorKind::OutOfRange {
            // Somebody else moved the end of a log that only we write.
            self.end(Ended::Failed(error.clone()));
            let message = format!("partition {} could not append at offset {base_offset}: {error}", self.name);
            return Error::new(ErrorCode::KafkaStorageError, message);
        }
        self.log_failed(&format!("append at offset {base_offset}"), error)
    }

    fn refuse(&self, batch: &Sequenced, decision: Decision) -> Error {
        let (name, producer, epoch) = (&self.name, batch.producer, batch.epoch);
        match decision {
            Decision::Fenced { current } => Error::new(
                ErrorCode::InvalidProducerEpoch,
                format!("producer {producer} wrote to {name} at epoch {current}: its epoch {epoch} is fenced"),
            ),
            Decision::OutOfOrder { expected } => Error::new(
                ErrorCode::OutOfOrderSequenceNumber,
                format!(
                    "producer {producer} (epoch {epoch}) sent {name} a batch from sequence {} on, where {expected} is next",
                    batch.base_sequence
                ),
            ),
            Decision::Accept | Decision::Duplicate(_) => Error::from(ErrorCode::UnknownServerError),
        }
    }

    /// Whether enough replicas are in sync for `acks=all`.
    pub(super) fn check_in_sync(&self, config: &TopicConfig, code: ErrorCode) -> Result<(), Error> {
        let (have, need) = (self.in_sync_replicas(), config.min_insync_replicas);
        if have >= need {
            return Ok(());
        }
        let name = &self.name;
        Err(Error::new(
            code,
            format!("partition {name} has {have} replica in sync and `min.insync.replicas` asks for {need}"),
        ))
    }
}

/// What was submitted, now or as the original of a duplicate.
struct Submitted {
    written: Kept,
    ticket: Ticket,
}
