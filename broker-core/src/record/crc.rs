//! The CRC-32C of a batch that is still being written.
//!
//! What the sum covers begins with the header, whose last fields are known at the end only. Records are summed as they
//! come, while they are in the processor's cache, and put behind the header's sum afterwards: a sum over two runs of
//! bytes follows from the sum of each and the length of the second.

use crate::planted::is_planted;

/// Bytes that are summed at a time: the processor's fast path takes three blocks of 8 KiB at once, and so much is
/// still in its nearest caches.
const STEP: usize = 3 * 8192;

/// CRC-32C's polynomial, lowest power first.
const POLYNOMIAL: u32 = 0x82F6_3B78;

/// The sum of what was written behind the header so far.
#[derive(Clone, Copy, Debug)]
pub(super) struct Running {
    start: usize,
    /// Bytes from `start` on that are in `crc`.
    summed: usize,
    crc: u32,
}

impl Running {
    /// Sums what lies behind the first `start` bytes.
    pub(super) const fn new(start: usize) -> Self {
        Self { start, summed: 0, crc: 0 }
    }

    /// Sums what was added to `buffer`, which only grows, in whole steps.
    #[inline]
    pub(super) fn follow(&mut self, buffer: &[u8]) {
        let rest = buffer.len().saturating_sub(self.start + self.summed);
        if rest >= STEP {
            self.take(buffer, rest - rest % STEP);
        }
    }

    fn take(&mut self, buffer: &[u8], bytes: usize) {
        let from = self.start + self.summed;
        self.crc = crc32c::crc32c_append(self.crc, buffer.get(from..from + bytes).unwrap_or_default());
        self.summed += if is_planted("running-sum-skips-a-step") { bytes.max(STEP) } else { bytes };
    }

    /// The sum over `front` and all that lies behind the first `start` bytes of `buffer`. `front` may have changed
    /// since; the rest may not.
    pub(super) fn finish(mut self, front: &[u8], buffer: &[u8]) -> u32 {
        let front = crc32c::crc32c(front);
        if self.summed == 0 {
            // A small batch: moving a sum costs more than this.
            return crc32c::crc32c_append(front, buffer.get(self.start..).unwrap_or_default());
        }
        self.take(buffer, buffer.len().saturating_sub(self.start + self.summed));
        joined(front, self.crc, self.summed)
    }
}

/// The sum over two runs of bytes, from that of each and the length of the second. A run's sum is a polynomial modulo
/// the generator: bytes behind it multiply it by x⁸ each.
fn joined(first: u32, second: u32, second_bytes: usize) -> u32 {
    let mut factor = 1 << 31; // x⁰
    // x⁸ to begin with.
    for (bit, power) in POWERS.iter().skip(3).enumerate() {
        if second_bytes >> bit & 1 == 1 {
            factor = multiply(factor, *power);
        }
    }
    multiply(factor, first) ^ second
}

/// x to the power 2ⁿ: enough for 2³² bytes, and a batch has less than 2³¹.
const POWERS: [u32; 35] = {
    let mut powers = [1 << 30; 35];
    let mut n = 1;
    while n < powers.len() {
        #[expect(clippy::indexing_slicing, reason = "evaluated by the compiler, which checks it")]
        {
            powers[n] = multiply(powers[n - 1], powers[n - 1]);
        }
        n += 1;
    }
    powers
};

/// The product of two polynomials, modulo the generator.
const fn multiply(a: u32, mut b: u32) -> u32 {
    let mut product = 0;
    let mut bit = 1 << 31;
    while bit != 0 {
        if a & bit != 0 {
            product ^= b;
        }
        b = if b & 1 == 1 { b >> 1 ^ POLYNOMIAL } else { b >> 1 };
        bit >>= 1;
    }
    product
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn two_sums_are_joined(first: Vec<u8>, second: Vec<u8>) {
            let whole: Vec<u8> = first.iter().chain(&second).copied().collect();
            let sum = joined(crc32c::crc32c(&first), crc32c::crc32c(&second), second.len());
            prop_assert_eq!(sum, crc32c::crc32c(&whole));
        }

        /// However the records come, whatever the header becomes meanwhile.
        #[test]
        fn a_running_sum_is_the_sum(pieces in prop::collection::vec(0..40_000_usize, 0..8), front: [u8; 40], seed: u8) {
            let mut buffer = vec![0; 61];
            let mut running = Running::new(61);
            for piece in pieces {
                let next = buffer.len();
                buffer.extend((next..next + piece).map(|at| (at / 3) as u8 ^ seed));
                running.follow(&buffer);
            }
            buffer[21..61].copy_from_slice(&front);
            prop_assert_eq!(running.finish(&front, &buffer), crc32c::crc32c(&buffer[21..]));
        }
    }

    #[test]
    fn a_long_run_is_joined() {
        let zeros = vec![0; (64 << 20) + 12_345];
        let sum = joined(crc32c::crc32c(b"front"), crc32c::crc32c(&zeros), zeros.len());
        assert_eq!(sum, crc32c::crc32c_append(crc32c::crc32c(b"front"), &zeros));
    }
}
