//! Zigzag varints of 64 bits, as a record has them, and differences of neighbours.

use ottla_broker_core::record::Reader;

use crate::engine::chunk::Bad;

const WHAT: &str = "a checkpoint's body";

/// Appends a signed number.
pub(super) fn put(value: i64, to: &mut Vec<u8>) {
    let mut rest = ((value << 1) ^ (value >> 63)).cast_unsigned();
    while rest >= 0x80 {
        to.push(rest.to_le_bytes()[0] | 0x80);
        rest >>= 7;
    }
    to.push(rest.to_le_bytes()[0]);
}

/// Appends an unsigned number.
pub(super) fn put_unsigned(value: u64, to: &mut Vec<u8>) {
    put(value.cast_signed(), to);
}

/// Appends how far `value` is from `from`; wraps around, so that every pair has a difference.
pub(super) fn put_delta(value: i64, from: i64, to: &mut Vec<u8>) {
    put(value.wrapping_sub(from), to);
}

/// [`put_delta`] of unsigned numbers.
pub(super) fn put_delta_unsigned(value: u64, from: u64, to: &mut Vec<u8>) {
    put(value.wrapping_sub(from).cast_signed(), to);
}

/// The inverse of [`put`].
pub(super) fn take(reader: &mut Reader<'_>) -> Result<i64, Bad> {
    reader.try_varlong().map_err(|malformed| Bad::number(WHAT, malformed))
}

/// The inverse of [`put_unsigned`].
pub(super) fn take_unsigned(reader: &mut Reader<'_>) -> Result<u64, Bad> {
    take(reader).map(i64::cast_unsigned)
}

/// The inverse of [`put_delta`].
pub(super) fn take_delta(reader: &mut Reader<'_>, from: i64) -> Result<i64, Bad> {
    take(reader).map(|delta| from.wrapping_add(delta))
}

/// The inverse of [`put_delta_unsigned`].
pub(super) fn take_delta_unsigned(reader: &mut Reader<'_>, from: u64) -> Result<u64, Bad> {
    take(reader).map(|delta| from.wrapping_add(delta.cast_unsigned()))
}

/// A count of things of at least `min_bytes` each, no more than the bytes that remain can hold.
pub(super) fn take_count(reader: &mut Reader<'_>, min_bytes: usize) -> Result<usize, Bad> {
    let count = usize::try_from(take(reader)?).unwrap_or(usize::MAX);
    if count > reader.remaining() / min_bytes.max(1) {
        return Err(Bad::Structure("a checkpoint counts more than its bytes can hold"));
    }
    Ok(count)
}
