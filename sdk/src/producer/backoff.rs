//! How long to wait before trying again.

use std::time::Duration;

const FIRST: Duration = Duration::from_millis(50);
const MOST: Duration = Duration::from_secs(1);

/// The pause after the given number of failures in a row (from 1): 50 ms, doubling up to a second, and
/// up to a fifth of it more or less, so that producers that failed together do not return together
/// (KIP-580). `random` is any random number.
pub(super) fn delay(failures: u32, random: u64) -> Duration {
    let doubled = FIRST.saturating_mul(1 << failures.saturating_sub(1).min(5)).min(MOST);
    let percent = u32::try_from(80 + random % 41).unwrap_or(100);
    doubled * percent / 100
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_up_to_a_second_with_jitter() {
        assert_eq!(delay(1, 20), Duration::from_millis(50));
        assert_eq!(delay(2, 20), Duration::from_millis(100));
        assert_eq!(delay(60, 20), Duration::from_secs(1));
        assert_eq!(delay(1, 0), Duration::from_millis(40));
        assert_eq!(delay(1, 40), Duration::from_millis(60));
    }
}
