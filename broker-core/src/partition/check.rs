//! What a batch must be before it may enter the log.

use super::Partition;
use crate::api::{Error, ErrorCode};
use crate::config::TopicConfig;
use crate::planted::is_planted;
use crate::record::{self, Batch, NO_TIMESTAMP, TimestampType};

/// Where a batch comes from, and so how far it is believed. The CRC is checked either way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// This process's own encoder: its header agrees with its records.
    Trusted,
    /// A client over the network: every record is looked at.
    Untrusted {
        /// How many bytes the records may decompress to, for the look.
        max_decompressed_bytes: usize,
    },
}

impl Partition {
    /// Checks all that can be known without the log's state, outside the lock.
    ///
    /// Source: Kafka's `LogValidator` and `UnifiedLog.analyzeAndValidateRecords`; KIP-937 for timestamps.
    pub(super) fn check(&self, batch: &Batch, config: &TopicConfig, origin: Origin) -> Result<(), Error> {
        let name = &self.name;
        let invalid = |code, reason: String| Err(Error::new(code, format!("batch for {name}: {reason}")));
        let (size, limit) = (batch.size_in_bytes(), config.max_message_bytes);
        if size > limit {
            return invalid(
                ErrorCode::MessageTooLarge,
                format!(
                    "it has {size} bytes and the topic takes {limit}: send smaller batches or raise `max.message.bytes`"
                ),
            );
        }
        if !is_planted("crc-not-checked") {
            batch.verify_crc().or_else(|error| invalid(ErrorCode::CorruptMessage, error.to_string()))?;
        }
        if batch.is_control() {
            return invalid(ErrorCode::InvalidRecord, "only brokers write control batches".to_owned());
        }
        if batch.is_transactional() {
            return invalid(
                ErrorCode::InvalidRecord,
                "it is transactional, and this broker has no transactions: send it without".to_owned(),
            );
        }
        if batch.record_count() < 1 {
            return invalid(ErrorCode::InvalidRecord, "it holds no record".to_owned());
        }
        if batch.last_offset_delta() != batch.record_count() - 1 {
            return invalid(ErrorCode::InvalidRecord, "its record count and last offset delta disagree".to_owned());
        }
        if batch.delete_horizon().is_some() {
            return invalid(ErrorCode::InvalidRecord, "only compaction sets a delete horizon".to_owned());
        }
        if batch.has_producer() && (batch.producer_epoch().0 < 0 || batch.base_sequence() < 0) {
            let id = batch.producer_id();
            return invalid(
                ErrorCode::InvalidRecord,
                format!("it names producer {id} without an epoch or a sequence number"),
            );
        }
        if let Origin::Untrusted { max_decompressed_bytes } = origin {
            batch.validate_records(max_decompressed_bytes).or_else(|error| {
                let code = match error {
                    record::Error::CodecDisabled { .. } => ErrorCode::UnsupportedCompressionType,
                    record::Error::DecompressedTooLarge { .. } => ErrorCode::MessageTooLarge,
                    _ => ErrorCode::InvalidRecord,
                };
                invalid(code, error.to_string())
            })?;
        }
        self.check_timestamps(batch, config)
    }

    fn check_timestamps(&self, batch: &Batch, config: &TopicConfig) -> Result<(), Error> {
        let name = &self.name;
        if batch.timestamp_type() == TimestampType::LogAppendTime {
            return Err(Error::new(
                ErrorCode::InvalidTimestamp,
                format!("batch for {name}: only brokers set `LogAppendTime`: send records with their create time"),
            ));
        }
        if config.timestamp_type == TimestampType::LogAppendTime {
            // The broker's clock replaces whatever the records say.
            return Ok(());
        }
        let millis = |duration: std::time::Duration| i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
        let now = self.env.wall_ms();
        let latest = config.timestamp_after_max.map_or(i64::MAX, |after| now.saturating_add(millis(after)));
        let earliest = config.timestamp_before_max.map_or(i64::MIN, |before| now.saturating_sub(millis(before)));
        let check = |timestamp: i64| {
            let (side, key) = if timestamp == NO_TIMESTAMP {
                return Ok(());
            } else if timestamp > latest {
                ("future", "message.timestamp.after.max.ms")
            } else if timestamp < earliest {
                ("past", "message.timestamp.before.max.ms")
            } else {
                return Ok(());
            };
            Err(Error::new(
                ErrorCode::InvalidTimestamp,
                format!(
                    "batch for {name}: timestamp {timestamp} lies too far in the {side} of the broker's {now}: mend the \
                     clock or raise the topic's `{key}`"
                ),
            ))
        };
        check(batch.max_timestamp())?;
        if config.timestamp_before_max.is_some() {
            // The header has the greatest, not the least: the records must say it.
            let undecodable =
                |error: record::Error| Error::new(ErrorCode::InvalidRecord, format!("batch for {name}: {error}"));
            for record in batch.records().map_err(undecodable)? {
                check(record.map_err(undecodable)?.timestamp_ms)?;
            }
        }
        Ok(())
    }
}
