//! Sequence numbers of idempotent producers (KIP-98).

/// The base sequence of a batch that no idempotent producer wrote (−1).
pub const NO_SEQUENCE: i32 = -1;

/// The sequence number `n` after `sequence`, where 0 follows 2³¹ − 1.
///
/// Both MUST be at least 0; [`NO_SEQUENCE`] stays what it is.
#[must_use]
pub const fn sequence_after(sequence: i32, n: i32) -> i32 {
    if sequence < 0 {
        return NO_SEQUENCE;
    }
    // Dropping the sign bit is the arithmetic modulo 2^31.
    sequence.wrapping_add(n) & i32::MAX
}
