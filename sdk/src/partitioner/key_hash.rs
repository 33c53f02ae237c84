//! Partition by key.

use super::{Choice, Partitioner, crc32, murmur2};

/// Records of one key go to one partition, as long as the number of partitions stays. A record without
/// a key goes where [`Sticky`](super::Sticky) would send it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyHash(Function);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Function {
    Murmur2,
    Crc32,
}

impl KeyHash {
    /// Murmur2, bit for bit as the Java client's default (`BuiltInPartitioner.partitionForKey`): services
    /// in other languages agree on where a key lives. An empty key is a key.
    #[must_use]
    pub const fn murmur2() -> Self {
        Self(Function::Murmur2)
    }

    /// CRC-32, as librdkafka's default (`consistent_random`). An empty key is no key, as there.
    #[must_use]
    pub const fn crc32() -> Self {
        Self(Function::Crc32)
    }

    /// Where `key` goes among `partitions`, counted from 0: for a partitioner of your own that hashes some
    /// keys, or over some of the partitions. 0 if there are none to choose from.
    #[must_use]
    pub fn partition_of(self, key: &[u8], partitions: i32) -> i32 {
        let partitions = partitions.max(1);
        match self.0 {
            Function::Murmur2 => (murmur2::hash(key) & i32::MAX) % partitions,
            // A remainder below a positive i32 is one.
            Function::Crc32 => (crc32::checksum(key) % partitions.unsigned_abs()).cast_signed(),
        }
    }
}

impl Default for KeyHash {
    fn default() -> Self {
        Self::murmur2()
    }
}

impl Partitioner for KeyHash {
    fn partition(&self, choice: &Choice<'_>) -> i32 {
        // Over all partitions, not the available ones: a key must not move because a leader is away.
        match choice.key() {
            Some(key) if self.0 == Function::Murmur2 || !key.is_empty() => self.partition_of(key, choice.partitions()),
            _ => choice.sticky(),
        }
    }
}
