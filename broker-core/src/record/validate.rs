//! What a broker checks inside a batch from a client it does not know.

use super::NO_TIMESTAMP;
use super::attributes::TimestampType;
use super::batch::Batch;
use super::decode::Invalid;
use super::error::Error;

impl Batch {
    /// Checks all that a client could lie about: each record is well formed, the offset deltas are
    /// 0, 1, 2 …, the record count and the last offset delta agree with them, the max timestamp is the
    /// greatest of the records' (with `CreateTime`), and nothing follows the last record. Decompresses to at most
    /// `max_decompressed_bytes`; allocates nothing else.
    ///
    /// Batches in a log need not pass: compaction leaves gaps.
    ///
    /// # Errors
    /// [`Error::InvalidHeader`] or [`Error::InvalidRecord`], and what [`Batch::records_with_limit`] has.
    pub fn validate_records(&self, max_decompressed_bytes: usize) -> Result<(), Error> {
        let header = self.header();
        let invalid = |reason| Err(Error::InvalidHeader { base_offset: header.base_offset, reason });
        if header.record_count == 0 {
            return invalid("a produced batch must hold a record");
        }
        if header.last_offset_delta != header.record_count - 1 {
            return invalid("its record count and last offset delta disagree");
        }
        let mut max_timestamp = None;
        self.records_with_limit(max_decompressed_bytes)?.for_each_place(|index, place| {
            if place.offset_delta != index {
                return Err(Invalid("its offset delta is not the one after the last"));
            }
            max_timestamp = max_timestamp.max(Some(place.timestamp_ms));
            Ok(())
        })?;
        let max_timestamp = max_timestamp.unwrap_or(NO_TIMESTAMP);
        if header.timestamp_type() == TimestampType::CreateTime && header.max_timestamp != max_timestamp {
            return invalid("its max timestamp is not the greatest of its records'");
        }
        Ok(())
    }
}
