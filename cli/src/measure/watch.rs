//! Wall and CPU time.
#![expect(clippy::disallowed_methods, reason = "whoever measures reads the machine's clock")]

use std::time::{Duration, Instant};

/// Wall and CPU time of a piece of work.
#[derive(Clone, Copy, Debug)]
pub struct Spent {
    /// By the clock.
    pub wall: Duration,
    /// By all threads of the process, in user and kernel; to 10 ms.
    pub cpu: Duration,
}

/// A running measurement.
#[derive(Clone, Copy, Debug)]
pub struct Watch {
    start: Instant,
    cpu: Duration,
}

impl Watch {
    /// Starts to measure.
    #[must_use]
    pub fn start() -> Self {
        Self { cpu: cpu_time(), start: Instant::now() }
    }

    /// The time since the start.
    #[must_use]
    pub fn stop(self) -> Spent {
        Spent { wall: self.start.elapsed(), cpu: cpu_time().saturating_sub(self.cpu) }
    }
}

/// The CPU time of this process so far; zero where `/proc` does not tell.
#[must_use]
pub fn cpu_time() -> Duration {
    let Ok(stat) = std::fs::read_to_string("/proc/self/stat") else { return Duration::ZERO };
    // The name in brackets may hold spaces: count fields from behind it. 14 and 15 are user and system ticks of 10 ms.
    let ticks: u64 = stat
        .rsplit(')')
        .next()
        .into_iter()
        .flat_map(|rest| rest.split_whitespace().skip(11).take(2))
        .filter_map(|field| field.parse::<u64>().ok())
        .sum();
    Duration::from_millis(ticks * 10)
}
