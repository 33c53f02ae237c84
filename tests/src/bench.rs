//! What benches share: rounds that alternate their sides, the spread of what was measured, and CPU time.
//!
//! A time on a shared machine says little; a ratio to a limit taken in the same round says much. So a
//! bench runs its limit and its cases in turn, several times, and prints the median with the least and the greatest.
#![expect(clippy::disallowed_methods, reason = "a bench reads the machine's clock")]

use std::fmt;
use std::time::{Duration, Instant};

/// What several rounds of one case gave.
#[derive(Clone, Debug, Default)]
pub struct Samples(Vec<f64>);

impl Samples {
    /// Adds a round's figure.
    pub fn push(&mut self, figure: f64) {
        self.0.push(figure);
    }

    fn sorted(&self) -> Vec<f64> {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        sorted
    }

    /// The middle figure; 0 without any.
    #[must_use]
    pub fn median(&self) -> f64 {
        self.quantile(0.5)
    }

    /// The figure below which the share `q` of them lies; 0 without any.
    #[must_use]
    pub fn quantile(&self, q: f64) -> f64 {
        let sorted = self.sorted();
        let at = (sorted.len().saturating_sub(1) as f64 * q).round() as usize;
        sorted.get(at).copied().unwrap_or(0.0)
    }

    /// The least and the greatest figure.
    #[must_use]
    pub fn spread(&self) -> (f64, f64) {
        (self.quantile(0.0), self.quantile(1.0))
    }

    /// Each figure so many times.
    #[must_use]
    pub fn scaled(&self, factor: f64) -> Self {
        Self(self.0.iter().map(|figure| figure * factor).collect())
    }

    /// Each figure over the one of the same round in `limit`.
    #[must_use]
    pub fn over(&self, limit: &Self) -> Self {
        Self(self.0.iter().zip(&limit.0).map(|(a, b)| a / b).collect())
    }
}

impl fmt::Display for Samples {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (least, greatest) = self.spread();
        write!(f, "{} ({}–{})", figure(self.median()), figure(least), figure(greatest))
    }
}

/// A figure with three digits that matter and a unit's prefix.
#[must_use]
pub fn figure(value: f64) -> String {
    let (scaled, prefix) = match value.abs() {
        v if v >= 1e9 => (value / 1e9, "G"),
        v if v >= 1e6 => (value / 1e6, "M"),
        v if v >= 1e3 => (value / 1e3, "k"),
        _ => (value, ""),
    };
    let digits = match scaled.abs() {
        v if v >= 100.0 => 0,
        v if v >= 10.0 => 1,
        _ => 2,
    };
    format!("{scaled:.digits$}{prefix}")
}

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

    #[test]
    fn the_median_has_its_spread() {
        let mut samples = Samples::default();
        for figure in [3.0, 1.0, 2.0, 5.0, 4.0] {
            samples.push(figure);
        }
        assert_eq!((samples.median(), samples.spread()), (3.0, (1.0, 5.0)));
        assert_eq!(figure(1_234_567.0), "1.23M");
        assert_eq!(samples.to_string(), "3.00 (1.00–5.00)");
    }

    #[test]
    fn a_process_has_memory_and_one_that_is_not_there_has_none() {
        let own = resident(std::process::id());
        assert!(own.now > 1 << 20 && own.peak >= own.now, "{own:?}");
        assert_eq!(resident(u32::MAX), Resident::default());
    }
}
