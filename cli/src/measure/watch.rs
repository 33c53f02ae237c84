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
    cpu_time_of(std::process::id())
}

/// The CPU time of a process so far, to 10 ms; zero where `/proc` does not tell.
#[must_use]
pub fn cpu_time_of(process: u32) -> Duration {
    let Ok(stat) = std::fs::read_to_string(format!("/proc/{process}/stat")) else { return Duration::ZERO };
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

/// Bytes of memory that a process has resident.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Resident {
    /// Now.
    pub now: usize,
    /// The most so far.
    pub peak: usize,
}

/// What a process has resident; nothing where `/proc` does not tell.
#[must_use]
pub fn resident(process: u32) -> Resident {
    let Ok(status) = std::fs::read_to_string(format!("/proc/{process}/status")) else { return Resident::default() };
    let of = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        line.and_then(|rest| rest.split_whitespace().next()?.parse::<usize>().ok()).unwrap_or(0) << 10
    };
    Resident { now: of("VmRSS:"), peak: of("VmHWM:") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_os = "linux")]
    #[test]
    fn a_process_has_memory_and_one_that_is_not_there_has_none() {
        let own = resident(std::process::id());
        assert!(own.now > 1 << 20 && own.peak >= own.now, "{own:?}");
        assert_eq!(resident(u32::MAX), Resident::default());
        assert_eq!(cpu_time_of(u32::MAX), Duration::ZERO);
    }
}
