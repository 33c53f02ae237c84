//! What one request will meet, drawn when it arrives.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::faults::{Fault, Latency};
use super::request::Kind;

/// Numbers that follow from the seed, the kind of a request and its index (SplitMix64, Steele et al. 2014).
#[derive(Debug)]
pub(super) struct Draw(u64);

impl Draw {
    pub(super) fn new(kind: Kind, index: u64) -> Self {
        let mut draw = Self(kind as u64);
        draw.mix(index);
        draw
    }

    pub(super) fn mix(&mut self, value: u64) {
        self.0 = self.next() ^ value;
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// At least 0 and less than 1.
    pub(super) fn share(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn one_in(&mut self, n: u64) -> bool {
        let drawn = self.next();
        drawn.checked_rem(n) == Some(0)
    }
}

/// What a request meets.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) fault: Option<Fault>,
    /// Before the effect.
    pub(super) before: Duration,
    /// Between the effect and the answer.
    pub(super) after: Duration,
    pub(super) is_slow: bool,
    /// Between the end of the connection and an effect that comes late.
    pub(super) late: Duration,
    /// The share of a body that is sent before it is cut.
    pub(super) cut: f64,
    /// Whether a body that is cut ends with a reset, or as if all were sent.
    pub(super) cut_resets: bool,
    pub(super) latency: Latency,
}

impl Plan {
    pub(super) fn new(
        draw: &mut Draw,
        fault: Option<Fault>,
        latency: Latency,
        late: &RangeInclusive<Duration>,
        bytes_in: usize,
    ) -> Self {
        let is_slow = draw.one_in(latency.slow_one_in);
        let delay = if is_slow { latency.fixed.saturating_mul(latency.slow_times) } else { latency.fixed };
        let before = delay.mul_f64(draw.share());
        let spread = late.end().saturating_sub(*late.start());
        Self {
            fault,
            before: before.saturating_add(latency.transfer(bytes_in)),
            after: delay.saturating_sub(before),
            is_slow,
            late: late.start().saturating_add(spread.mul_f64(draw.share())),
            cut: draw.share(),
            cut_resets: draw.one_in(2),
            latency,
        }
    }
}
