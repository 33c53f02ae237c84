//! Control records: the broker's own entries in a partition's log (KIP-98).

use super::batch::Batch;
use super::builder::{Builder, BuilderOptions, Flags, ProducerStamp};
use super::error::Error;
use super::reader::{Reader, Truncated};
use super::records::Record;
use super::sequence::NO_SEQUENCE;
use crate::ids::{ProducerEpoch, ProducerId};

/// What a control record says.
///
/// ```text
/// key    version: i16 (0)   type: i16 (0 abort, 1 commit)
/// value  version: i16 (0)   coordinator epoch: i32
/// ```
///
/// Later versions append fields; those read here stay where they are.
///
/// Source: Kafka's `ControlRecordType` and `EndTransactionMarker`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ControlRecord {
    /// The producer's open transaction was aborted: its records before this one never happened.
    Abort {
        /// The epoch of the transaction coordinator that decided.
        coordinator_epoch: i32,
    },
    /// The producer's open transaction was committed.
    Commit {
        /// The epoch of the transaction coordinator that decided.
        coordinator_epoch: i32,
    },
    /// A type that means nothing to a partition of this broker. Readers MUST skip it.
    Unknown {
        /// The number of the type.
        type_id: i16,
    },
}

const VERSION: i16 = 0;
const ABORT: i16 = 0;
const COMMIT: i16 = 1;

impl ControlRecord {
    /// A batch of this one record, as a transaction's end is written: transactional, control, no
    /// sequence number. `timestamp_ms` is in ms since 1970.
    ///
    /// # Errors
    /// [`Error::InvalidAppend`] for [`ControlRecord::Unknown`].
    pub fn to_batch(self, id: ProducerId, epoch: ProducerEpoch, timestamp_ms: i64) -> Result<Batch, Error> {
        let (type_id, coordinator_epoch) = match self {
            Self::Abort { coordinator_epoch } => (ABORT, coordinator_epoch),
            Self::Commit { coordinator_epoch } => (COMMIT, coordinator_epoch),
            Self::Unknown { .. } => {
                return Err(Error::InvalidAppend { reason: "a control record of unknown type cannot be written" });
            }
        };
        let [v0, v1] = VERSION.to_be_bytes();
        let [t0, t1] = type_id.to_be_bytes();
        let [e0, e1, e2, e3] = coordinator_epoch.to_be_bytes();
        let mut builder = Builder::new(BuilderOptions { capacity: 128, ..BuilderOptions::default() });
        builder.append(timestamp_ms, Some(&[v0, v1, t0, t1]), Some(&[v0, v1, e0, e1, e2, e3]), &[])?;
        let producer = ProducerStamp { id, epoch, base_sequence: NO_SEQUENCE };
        builder.finish(Some(producer), Flags { transactional: true, control: true })
    }

    /// What a record of a control batch says.
    ///
    /// # Errors
    /// [`Truncated`] when key or value is shorter than its type has it, or null.
    pub fn decode(record: &Record) -> Result<Self, Truncated> {
        let mut key = Reader::new(record.key.as_deref().unwrap_or_default());
        key.try_i16()?;
        let type_id = key.try_i16()?;
        if type_id != ABORT && type_id != COMMIT {
            return Ok(Self::Unknown { type_id });
        }
        let mut value = Reader::new(record.value.as_deref().unwrap_or_default());
        value.try_i16()?;
        let coordinator_epoch = value.try_i32()?;
        Ok(if type_id == ABORT { Self::Abort { coordinator_epoch } } else { Self::Commit { coordinator_epoch } })
    }

    /// What a batch says, if it is a control batch: the first of its records, of which it has one.
    /// `None` for a batch of data, and for one that compaction emptied.
    ///
    /// # Errors
    /// As [`Batch::records`], and [`Error::InvalidRecord`] when the record is cut short.
    pub fn of_batch(batch: &Batch) -> Result<Option<Self>, Error> {
        if !batch.is_control() {
            return Ok(None);
        }
        let Some(record) = batch.records()?.next().transpose()? else {
            return Ok(None);
        };
        Self::decode(&record).map(Some).map_err(|_| Error::InvalidRecord {
            base_offset: batch.base_offset(),
            index: 0,
            reason: "a control record is cut short",
        })
    }
}
