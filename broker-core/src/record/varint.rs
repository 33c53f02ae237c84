//! Variable-length integers, as in Protocol Buffers: seven bits a byte, lowest first, and zigzag for
//! signed ones (Kafka's `ByteUtils`).

/// The most bytes of a 32-bit varint.
pub(super) const MAX_LEN_32: usize = 5;
/// The most bytes of a 64-bit varint.
pub(super) const MAX_LEN_64: usize = 10;

/// Maps small magnitudes to small numbers: 0, −1, 1, −2 … to 0, 1, 2, 3 …
pub(super) const fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)) as u64
}

/// The inverse of [`zigzag`].
pub(super) const fn unzigzag(value: u64) -> i64 {
    (value >> 1) as i64 ^ -((value & 1) as i64)
}

/// The encoded length of a signed number, in bytes. One of 32 bits is encoded just as in 64.
pub(super) const fn len(value: i64) -> usize {
    len_unsigned(zigzag(value))
}

/// The encoded length of an unsigned number, in bytes.
pub(super) const fn len_unsigned(value: u64) -> usize {
    // Seven bits a byte, and one byte for 0.
    let bits = 64 - (value | 1).leading_zeros() as usize;
    bits.div_ceil(7)
}

/// A few fields gathered on the stack, so that the hot path appends to the buffer once for them all.
///
/// `N` must be the sum of the fields' greatest lengths: what does not fit is a bug, caught by a
/// debug assertion.
pub(super) struct Scratch<const N: usize> {
    bytes: [u8; N],
    len: usize,
}

impl<const N: usize> Scratch<N> {
    pub(super) const fn new() -> Self {
        Self { bytes: [0; N], len: 0 }
    }

    #[inline]
    pub(super) fn byte(&mut self, byte: u8) {
        debug_assert!(self.len < N, "scratch is too small");
        if let Some(slot) = self.bytes.get_mut(self.len) {
            *slot = byte;
            self.len += 1;
        }
    }

    #[inline]
    pub(super) fn varint(&mut self, value: i64) {
        let mut rest = zigzag(value);
        while rest >= 0x80 {
            self.byte(rest as u8 | 0x80);
            rest >>= 7;
        }
        self.byte(rest as u8);
    }

    #[inline]
    pub(super) fn as_slice(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }
}

/// Appends one signed varint.
#[inline]
pub(super) fn put(buffer: &mut Vec<u8>, value: i64) {
    if let Ok(byte @ 0..0x80) = u8::try_from(zigzag(value)) {
        buffer.push(byte);
        return;
    }
    let mut scratch = Scratch::<MAX_LEN_64>::new();
    scratch.varint(value);
    buffer.extend_from_slice(scratch.as_slice());
}
