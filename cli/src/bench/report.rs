//! What was measured, for people and for programs.

use std::time::Duration;

use ottla_cli::measure::{Samples, bytes, figure, time};
use serde::Serialize;
use serde_json::{Value, json};

use super::Phase;
use super::figures::Figures;
use super::load::Payload;
use super::rounds::{Bench, Measured};
use crate::output::table;

/// All of it.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    url: String,
    records: u64,
    size: usize,
    payload: Payload,
    keys: usize,
    partitions: Option<i32>,
    producers: usize,
    consumers: usize,
    rate: Option<u64>,
    rounds: u16,
    durability: Option<String>,
    phases: Vec<PhaseReport>,
}

#[derive(Debug, Serialize)]
struct PhaseReport {
    phase: &'static str,
    records_per_second: Spread,
    bytes_per_second: Spread,
    /// Of this process.
    cpu_nanoseconds_per_record: Spread,
    latency_seconds: Option<Latency>,
    limit: Value,
    #[serde(skip)]
    row: [String; 9],
    #[serde(skip)]
    limited_by: String,
}

#[derive(Debug, Serialize)]
struct Spread {
    median: f64,
    least: f64,
    greatest: f64,
}

impl From<&Samples> for Spread {
    fn from(samples: &Samples) -> Self {
        let (least, greatest) = samples.spread();
        Self { median: samples.median(), least, greatest }
    }
}

#[derive(Debug, Serialize)]
struct Latency {
    samples: usize,
    p50: f64,
    p99: f64,
    p999: f64,
    max: f64,
}

impl Latency {
    fn of(samples: &Samples) -> Option<Self> {
        let [p50, p99, p999, max] = samples.quantiles([0.5, 0.99, 0.999, 1.0]);
        (!samples.is_empty()).then_some(Self { samples: samples.len(), p50, p99, p999, max })
    }
}

impl Report {
    pub(super) fn new(bench: &Bench, url: &str, rounds: u16, measured: Measured) -> Self {
        let durability = measured.iter().filter_map(|(_, figures)| figures.durability).min();
        Self {
            url: url.to_owned(),
            records: bench.load.records,
            size: bench.load.size,
            payload: bench.load.payload,
            keys: bench.load.keys(),
            partitions: bench.topic.is_none().then_some(bench.partitions),
            producers: bench.producers,
            consumers: bench.consumers,
            rate: bench.load.rate,
            rounds,
            durability: durability.map(|durability| durability.to_string()),
            phases: measured.into_iter().map(|(phase, figures)| PhaseReport::new(phase, &figures)).collect(),
        }
    }

    pub(super) fn in_words(&self) -> String {
        let durability =
            self.durability.as_ref().map_or_else(String::new, |reached| format!("; durability: {reached}"));
        let header =
            ["phase", "#records/s", "#bytes/s", "#cpu/record", "#p50", "#p99", "#p99.9", "#max", "#of the limit"];
        let mut text = format!(
            "{}: {} records of {} B, {} round(s), medians (least–greatest){durability}\n\n{}\n",
            self.url,
            figure(self.records as f64),
            self.size,
            self.rounds,
            table(&header, self.phases.iter().map(|phase| phase.row.clone())),
        );
        for phase in &self.phases {
            text.push_str(&format!("\nlimit of {}: {}", phase.phase, phase.limited_by));
        }
        text
    }
}

impl PhaseReport {
    fn new(phase: Phase, figures: &Figures) -> Self {
        let is_latency = phase == Phase::Lone;
        let (limit, limited_by, share) = match &figures.limited_by {
            Some(Ok(what)) => {
                let (name, shown) = if is_latency {
                    ("seconds", time(seconds(figures.limit.median())))
                } else {
                    ("records_per_second", format!("{}/s", figures.limit))
                };
                let limit = Spread::from(&figures.limit);
                (
                    json!({ "what": what, name: limit, "ratio": Spread::from(&figures.share) }),
                    format!("{shown}: {what}"),
                    figures.share.to_string(),
                )
            }
            Some(Err(reason)) => (json!({ "not_measured": reason }), format!("not measured: {reason}"), "–".to_owned()),
            None => (Value::Null, String::new(), "–".to_owned()),
        };
        let latency = Latency::of(&figures.latencies);
        let shown = |pick: fn(&Latency) -> f64| {
            latency.as_ref().map_or_else(|| "–".to_owned(), |latency| time(seconds(pick(latency))))
        };
        let row = [
            phase.name().to_owned(),
            figures.rate.to_string(),
            bytes(figures.bandwidth.median()),
            time(Duration::from_nanos(figures.cpu.median() as u64)),
            shown(|latency| latency.p50),
            shown(|latency| latency.p99),
            shown(|latency| latency.p999),
            shown(|latency| latency.max),
            share,
        ];
        Self {
            phase: phase.name(),
            records_per_second: Spread::from(&figures.rate),
            bytes_per_second: Spread::from(&figures.bandwidth),
            cpu_nanoseconds_per_record: Spread::from(&figures.cpu),
            latency_seconds: latency,
            limit,
            row,
            limited_by,
        }
    }
}

fn seconds(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or(Duration::ZERO)
}
