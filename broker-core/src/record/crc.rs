//! CRC-32C (Castagnoli, RFC 3720) of a batch: of a whole one, and of one that is still being written.
//!
//! What the sum covers begins with the header, whose last fields are known at the end only. Records are summed as they
//! come, while they are in the processor's cache, and put behind the header's sum afterwards: a sum over two runs of
//! bytes follows from the sum of each and the length of the second.
//!
//! Going through a batch's bytes is half of what a cold read costs, so the carry-less multiplication of new
//! processors counts: with it (AVX-512) `crc-fast` takes a third of the time of the `crc32` instruction that
//! the `crc32c` crate is bound by, and without it no more. Short runs elsewhere keep to that smaller crate.

use crc_fast::{CrcAlgorithm, Digest};

use self::shift::shifted;
use crate::planted::is_planted;

mod shift;

const CASTAGNOLI: CrcAlgorithm = CrcAlgorithm::Crc32Iscsi;

/// Bytes that are summed at a time. Enough for the fast path; few enough to be still in the nearest caches where a
/// thousand batches grow by turns.
const STEP: usize = 4096;

/// The CRC of `bytes`.
pub(super) fn crc32c(bytes: &[u8]) -> u32 {
    crc_fast::crc32_iscsi(bytes)
}

/// The sum of what was written behind the header so far.
#[derive(Clone, Copy, Debug)]
pub(super) struct Running {
    start: usize,
    /// Bytes from `start` on that are in `sum`.
    summed: usize,
    sum: Digest,
}

impl Running {
    /// Sums what lies behind the first `start` bytes.
    pub(super) fn new(start: usize) -> Self {
        Self { start, summed: 0, sum: Digest::new(CASTAGNOLI) }
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
        self.sum.update(buffer.get(from..from + bytes).unwrap_or_default());
        self.summed += if is_planted("running-sum-skips-a-step") { bytes.max(STEP) } else { bytes };
    }

    /// The sum over `front` and all that lies behind the first `start` bytes of `buffer`. `front` may have changed
    /// since; the rest may not.
    pub(super) fn finish(mut self, front: &[u8], buffer: &[u8]) -> u32 {
        if self.summed == 0 {
            // A small batch: joining two sums costs more than this.
            let front = crc32c::crc32c(front);
            return crc32c::crc32c_append(front, buffer.get(self.start..).unwrap_or_default());
        }
        self.take(buffer, buffer.len().saturating_sub(self.start + self.summed));
        // Its upper half is empty: the sum has 32 bits.
        let behind = u32::try_from(self.sum.finalize()).unwrap_or(u32::MAX);
        shifted(crc32c::crc32c(front), self.summed) ^ behind
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn two_implementations_agree(bytes in proptest::collection::vec(any::<u8>(), 0..5000), skip in 0_usize..64) {
            let bytes = bytes.get(skip..).unwrap_or_default();
            prop_assert_eq!(super::crc32c(bytes), crc32c::crc32c(bytes));
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
    fn it_is_castagnolis() {
        assert_eq!(super::crc32c(b"123456789"), 0xE306_9283);
        assert_eq!(super::crc32c(&[]), 0);
        let long: Vec<u8> = (0..1_u32 << 20).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
        assert_eq!(super::crc32c(&long), crc32c::crc32c(&long));
    }
}
