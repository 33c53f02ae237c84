//! The few changes that need a new CRC, and so a copy of the batch.

use bytes::Bytes;

use super::attributes::TimestampType;
use super::batch::Batch;
use super::header::Header;
use crate::ids::{ProducerEpoch, ProducerId};

impl Batch {
    /// The same records under the broker's clock, as a topic with `message.timestamp.type=LogAppendTime`
    /// wants it (KIP-32): only the type and the max timestamp change, so compressed records stay as they are.
    #[must_use]
    pub fn with_log_append_time(&self, timestamp_ms: i64) -> Self {
        let mut header = *self.header();
        header.attributes = header.attributes.with_timestamp_type(TimestampType::LogAppendTime);
        header.max_timestamp = timestamp_ms;
        self.rewritten(header)
    }

    /// The same records from another producer incarnation: a producer whose epoch was bumped sends
    /// again what it has queued (KIP-360).
    #[must_use]
    pub fn with_producer(&self, id: ProducerId, epoch: ProducerEpoch, base_sequence: i32) -> Self {
        let mut header = *self.header();
        header.producer_id = id;
        header.producer_epoch = epoch;
        header.base_sequence = base_sequence;
        self.rewritten(header)
    }

    fn rewritten(&self, mut header: Header) -> Self {
        let mut bytes = Vec::with_capacity(self.size_in_bytes());
        bytes.extend_from_slice(&self.prefix());
        bytes.extend_from_slice(self.body());
        let sealed = header.seal(&mut bytes);
        debug_assert!(sealed.is_ok(), "a batch is as long as its length field says");
        Self::from_parts(Bytes::from(bytes), header)
    }
}
