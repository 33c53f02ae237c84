//! What a run reached: idle hours prove nothing.

use std::collections::BTreeMap;
use std::fmt;

/// Counts by name, and the simulated time.
#[derive(Clone, Debug, Default)]
pub struct Stats {
    counts: BTreeMap<&'static str, u64>,
    /// Simulated seconds, over all seeds.
    pub seconds: f64,
}

/// What a run of many seeds has to reach, each at least once: every kind of fault, and every state worth having been in.
pub const REQUIRED: &[&str] = &[
    "acked",
    "read",
    "in doubt",
    "lost in a crash",
    "recovered from a crash state",
    "bucket taken over",
    "bucket write in doubt",
    "bucket write refused",
    "bucket conflict",
    "bucket name was taken",
    "bucket writer fenced",
    "bucket write of the dead",
    "bucket silent",
    "bucket opened anew",
    "bucket segment",
    "bucket object deleted",
    "request failed",
    "answer lost",
    "answer late",
    "answer never",
    "leader moved",
    "not leader",
    "cut off by a crash",
    "crash",
    "restart",
    "start failed",
    "superseded",
    "sent to the old broker",
    "duplicate answered",
    "epoch bump",
    "fenced at the storage",
    "partition reopened",
    "storage full",
    "append failed",
    "append answer lost",
    "read failed",
    "bit flipped",
    "corruption told",
    "open failed",
    "trim answer lost",
    "metadata failed",
    "metadata answer lost",
    "snapshot failed",
    "poisoned",
    "commits held",
    "clock jumped",
    "trimmed",
    "topic recreated",
    "producer crashed",
    "producer closed",
    "reader rebuilt",
    "member joined",
    "member crashed",
    "member left",
    "member stalled",
    "rebalance",
    "commit",
    "commit refused to an old generation",
    "coordinator moved",
    "offset taken over",
    "consumed",
    "assigned",
    "revoked",
    "lost",
    "consumer rebalance",
    "consumer took over an offset",
    "consumer crashed",
    "consumer dropped",
    "consumer shut down",
    "consumer fenced",
    "coordinator silent",
    "poll breach",
    "listener too slow",
    "static rejoin",
    "static member replaced",
    "message acked",
    "ack too late",
    "acks withheld",
    "sought",
    "paused",
    "partitions added",
];

/// What it has to reach besides when its bucket is behind HTTP.
pub const OVER_HTTP: &[&str] = &["http request", "http fault", "http effect came late"];

/// Of so many crashes one, at least, has to leave a disk half-done: on it the seeds with a disk depend.
const CRASHES_FOR_A_RECOVERY: u64 = 20;
/// The same for a bucket that is taken over: on it the seeds with a bucket depend.
const CRASHES_FOR_A_TAKEOVER: u64 = 20;

impl Stats {
    pub(super) fn add(&mut self, name: &'static str, count: u64) {
        debug_assert!(REQUIRED.contains(&name) || OVER_HTTP.contains(&name), "{name} is not listed");
        *self.counts.entry(name).or_default() += count;
    }

    /// How often something came.
    #[must_use]
    pub fn get(&self, name: &str) -> u64 {
        self.counts.get(name).copied().unwrap_or(0)
    }

    /// Adds the counts of another run.
    pub fn merge(&mut self, other: &Self) {
        for (name, count) in &other.counts {
            *self.counts.entry(name).or_default() += count;
        }
        self.seconds += other.seconds;
    }

    /// What was required and never came, or too seldom.
    #[must_use]
    pub fn missing(&self) -> Vec<&'static str> {
        REQUIRED.iter().copied().filter(|name| self.get(name) < self.least(name)).collect()
    }

    /// What a run with a bucket behind HTTP in every seed required, and never came: there are no disks in it.
    #[must_use]
    pub fn missing_over_http(&self) -> Vec<&'static str> {
        let buckets = REQUIRED.iter().filter(|name| name.starts_with("bucket"));
        buckets.chain(OVER_HTTP).copied().filter(|name| self.get(name) < self.least(name)).collect()
    }

    fn least(&self, name: &str) -> u64 {
        match name {
            "recovered from a crash state" => (self.get("crash") / CRASHES_FOR_A_RECOVERY).max(1),
            "bucket taken over" => (self.get("crash") / CRASHES_FOR_A_TAKEOVER).max(1),
            // One in doubt in each that was taken over, on average.
            "bucket write in doubt" => self.get("bucket taken over").max(1),
            _ => 1,
        }
    }
}

impl fmt::Display for Stats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let over_http = OVER_HTTP.iter().filter(|name| self.get(name) > 0);
        for name in REQUIRED.iter().chain(over_http) {
            writeln!(f, "  {name:<36} {:>10}", self.get(name))?;
        }
        let rate = self.get("acked") as f64 / self.seconds.max(1.0);
        write!(f, "  {rate:.1} records acknowledged a simulated second, over {:.0} of them", self.seconds)
    }
}
