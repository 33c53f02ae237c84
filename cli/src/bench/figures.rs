//! What a phase gave.

use std::time::Duration;

use ottla::Durability;
use ottla_cli::measure::{Samples, Spent};

use super::limit::Limit;

/// One phase of one round.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) records: u64,
    /// Of their values.
    pub(super) bytes: u64,
    pub(super) spent: Spent,
    /// In seconds; of a sample of the records.
    pub(super) latencies: Samples,
    /// The weakest of the receipts that were looked at.
    pub(super) durability: Option<Durability>,
}

impl Outcome {
    pub(super) fn new(records: u64, bytes: u64, spent: Spent) -> Self {
        Self { records, bytes, spent, latencies: Samples::default(), durability: None }
    }
}

/// One phase of all rounds.
#[derive(Debug, Default)]
pub(super) struct Figures {
    pub(super) rate: Samples,
    pub(super) bandwidth: Samples,
    /// Nanoseconds a record.
    pub(super) cpu: Samples,
    pub(super) latencies: Samples,
    /// Each round's share of its limit.
    pub(super) share: Samples,
    /// Of each round, in the unit that the limit has.
    pub(super) limit: Samples,
    /// What the limit is, or why there is none.
    pub(super) limited_by: Option<Result<String, String>>,
    pub(super) durability: Option<Durability>,
}

impl Figures {
    /// Adds a round.
    pub(super) fn add(&mut self, outcome: Outcome, limit: Limit) {
        let Outcome { records, bytes, spent, latencies, durability } = outcome;
        let seconds = spent.wall.max(Duration::from_nanos(1)).as_secs_f64();
        let rate = records as f64 / seconds;
        self.rate.push(rate);
        self.bandwidth.push(bytes as f64 / seconds);
        self.cpu.push(spent.cpu.as_nanos() as f64 / records.max(1) as f64);
        let median = latencies.median();
        self.latencies.append(latencies);
        self.durability = self.durability.into_iter().chain(durability).min();
        self.limited_by = Some(match limit {
            Limit::Rate { what, per_second } => {
                self.limit.push(per_second);
                self.share.push(rate / per_second);
                Ok(what)
            }
            Limit::Latency { what, seconds } => {
                self.limit.push(seconds);
                // As with rates: 1 is as good as the limit.
                self.share.push(seconds / median.max(1e-9));
                Ok(what)
            }
            Limit::NotMeasured(reason) => Err(reason),
        });
    }
}
