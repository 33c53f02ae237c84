//! A batch of one record that holds one number and one value.
//!
//! ```text
//! key    0 ┃ version: u8 = 0 ┃
//!        1 ┃ number: i64     ┃ what the value is of: a position, or an end offset
//! value    ┃ …               ┃
//! ```
//!
//! Integers are big-endian. The number is in the key although a batch has a base offset, because a batch's CRC
//! leaves the base offset out. Another version is refused: it may mean anything.

use bytes::Bytes;
use ottla_broker_core::log::{Error, ErrorKind};
use ottla_broker_core::planted::is_planted;
use ottla_broker_core::record::{Batch, Builder, BuilderOptions, Flags, Header, NO_TIMESTAMP, Reader, Truncated};
use ottla_broker_core::{LeaderEpoch, Offset};

const VERSION: u8 = 0;
const KEY_BYTES: usize = 9;

/// The most bytes that a value may have: a batch states its length in 31 bits, its header and the record's
/// own fields with it.
pub(super) const MAX_VALUE_BYTES: usize = i32::MAX as usize - 1024;

/// What was put into one batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Cell {
    pub(super) number: i64,
    pub(super) value: Bytes,
}

/// Refuses a value that no record can hold. Nothing was written, so it is a `Full`.
pub(super) fn check_size(what: &str, bytes: usize) -> Result<(), Error> {
    if bytes <= MAX_VALUE_BYTES {
        return Ok(());
    }
    let message = format!("{what} of {bytes} bytes is too large for one record, which holds {MAX_VALUE_BYTES}");
    Err(Error::new(ErrorKind::Full, message))
}

/// Encodes the batch, without its place in the log.
pub(super) fn encode(what: &str, number: i64, value: &[u8]) -> Result<Batch, Error> {
    check_size(what, value.len())?;
    let mut key = [VERSION; KEY_BYTES];
    for (to, from) in key.iter_mut().skip(1).zip(number.to_be_bytes()) {
        *to = from;
    }
    let capacity = Header::SIZE + Builder::record_size(Some(&key), Some(value), &[]);
    let mut builder = Builder::new(BuilderOptions { capacity, ..BuilderOptions::default() });
    builder
        .append(NO_TIMESTAMP, Some(&key), Some(value), &[])
        .and_then(|_| builder.finish(None, Flags::default()))
        .map_err(|error| Error::new(ErrorKind::Full, format!("{what} does not fit a record")).with_source(error))
}

/// The batch at its place.
pub(super) const fn placed(batch: Batch, at: Offset, epoch: LeaderEpoch) -> Batch {
    batch.stamped(at, epoch)
}

/// Decodes a batch that was read back. The storage has checked it already; checking the CRC once more guards
/// what must never be served damaged, at a cost that nobody notices at these sizes.
pub(super) fn decode(what: &str, batch: &Batch) -> Result<Cell, Error> {
    let damaged = |why: &str| {
        let message = format!("the batch at {} of {what} is damaged: {why}", batch.base_offset());
        Error::new(ErrorKind::Corrupt, message)
    };
    if !is_planted("over-log-crc-unchecked") {
        batch.verify_crc().map_err(|error| damaged(&error.to_string()))?;
    }
    let mut records = batch.records().map_err(|error| damaged(&error.to_string()))?;
    let record = records.next().ok_or_else(|| damaged("it has no record"))?;
    let record = record.map_err(|error| damaged(&error.to_string()))?;
    if records.next().is_some() || batch.last_offset_delta() != 0 {
        return Err(damaged("it is not of one record"));
    }
    let (Some(key), Some(value)) = (record.key, record.value) else {
        return Err(damaged("its record has no key or no value"));
    };
    let mut key = Reader::new(&key);
    let truncated = |error: Truncated| damaged(&error.to_string());
    let version = key.try_u8().map_err(truncated)?;
    if version != VERSION {
        return Err(damaged(&format!("its version {version} is unknown, this build reads {VERSION}")));
    }
    let number = key.try_i64().map_err(truncated)?;
    if !key.is_empty() {
        return Err(damaged("its key is too long"));
    }
    Ok(Cell { number, value })
}
