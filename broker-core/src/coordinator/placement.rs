//! Which partition of `__consumer_offsets` keeps a group.

use crate::api::group::GroupId;

/// The partition of `group` among `partitions`, as Kafka's own tools compute it:
/// `Utils.abs(groupId.hashCode()) % n`, where the hash is that of Java's `String` over UTF-16 units, and
/// `abs` maps −2³¹ to 0. (Not `& 0x7fffffff`, which Kafka uses to place keyed records.) 0 if there is none.
#[must_use]
pub fn partition_for(group: &GroupId, partitions: i32) -> i32 {
    let hash = group.as_str().encode_utf16().fold(0_i32, |hash, unit| hash.wrapping_mul(31).wrapping_add(unit.into()));
    hash.checked_abs().unwrap_or(0).checked_rem(partitions).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_lie_where_java_puts_them() {
        // Known values of `String.hashCode`: "hello" is 99162322, "polygenelubricants" is −2³¹, "Aa" and "BB" are 2112,
        // "consumer-group" is negative in 32 bits.
        assert_eq!(partition_for(&"hello".into(), 50), 99_162_322 % 50);
        assert_eq!(partition_for(&"polygenelubricants".into(), 50), 0);
        assert_eq!(partition_for(&"Aa".into(), 50), 2112 % 50);
        assert_eq!(partition_for(&"BB".into(), 50), 2112 % 50);
        // "drumwood boulderhead" hashes to 0 in Java's way, and a surrogate pair counts as two units.
        assert_eq!(partition_for(&"drumwood boulderhead".into(), 50), 0);
        assert_eq!(partition_for(&"\u{1F600}".into(), 7919), (0xD83D * 31 + 0xDE00) % 7919);
        // 31 · 31 · … overflows to a negative hash: its absolute value counts.
        let negative = "zzzzzzz".encode_utf16().fold(0_i32, |h, u| h.wrapping_mul(31).wrapping_add(u.into()));
        assert_eq!(partition_for(&"zzzzzzz".into(), 50), (i64::from(negative).abs() % 50) as i32);
        assert_eq!(partition_for(&"any".into(), 0), 0);
    }
}
