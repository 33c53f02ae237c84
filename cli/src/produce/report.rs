//! What is said of records that were sent.

use std::io::{self, Write};
use std::time::Duration;

use ottla::RecordMetadata;
use ottla_cli::measure::{bytes, figure};
use serde_json::json;

use super::lines::At;
use crate::output::say;

/// What somebody wants to know.
#[derive(Clone, Copy, Debug)]
pub(super) struct Told {
    pub(super) verbose: bool,
    pub(super) quiet: bool,
    pub(super) json: bool,
}

/// Tells of each record as it is acknowledged, if somebody wants to know.
#[derive(Debug)]
pub(super) struct Receipts {
    out: Option<io::BufWriter<io::Stdout>>,
    json: bool,
}

impl Receipts {
    pub(super) fn new(told: Told) -> Self {
        Self { out: told.verbose.then(|| io::BufWriter::new(io::stdout())), json: told.json }
    }

    /// Somebody who has read enough does not keep records from being sent.
    fn or_stop(&mut self, written: io::Result<()>) -> io::Result<()> {
        match written {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                self.out = None;
                Ok(())
            }
            written => written,
        }
    }

    pub(super) fn tell(&mut self, at: &At, receipt: &RecordMetadata) -> io::Result<()> {
        let Some(out) = &mut self.out else { return Ok(()) };
        let RecordMetadata { topic, partition, offset, timestamp_ms, durability, replicas } = receipt;
        let written = if self.json {
            let line = json!({
                "file": &*at.file,
                "line": at.line,
                "topic": topic.as_str(),
                "partition": partition,
                "offset": offset.map(|offset| offset.0),
                "timestamp": timestamp_ms,
                "durability": durability.to_string(),
                "replicas": replicas,
            });
            writeln!(out, "{line}")
        } else {
            let offset = offset.map_or_else(|| "?".to_owned(), |offset| offset.to_string());
            writeln!(out, "{at}: offset {offset} of {topic}-{partition} ({durability})")
        };
        self.or_stop(written)
    }

    /// Whoever reads has all that is known.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        let flushed = self.out.as_mut().map_or(Ok(()), Write::flush);
        self.or_stop(flushed)
    }
}

/// What became of all that was read.
#[derive(Debug, Default)]
pub(super) struct Summary {
    /// Records that were acknowledged.
    pub(super) records: u64,
    /// Their lines' bytes.
    pub(super) bytes: u64,
    /// The last of them.
    pub(super) last: Option<At>,
    /// The weakest that any of them has reached.
    pub(super) durability: Option<ottla::Durability>,
    /// Records that were not acknowledged.
    pub(super) failed: u64,
    /// Those of them that may be there all the same.
    pub(super) in_doubt: u64,
}

impl Summary {
    pub(super) fn acknowledged(&mut self, at: At, bytes: usize, receipt: &RecordMetadata) {
        self.records += 1;
        self.bytes += bytes as u64;
        self.last = Some(at);
        self.durability = Some(self.durability.map_or(receipt.durability, |least| least.min(receipt.durability)));
    }

    /// On stderr, so that receipts stay by themselves.
    pub(super) fn tell(&self, took: Duration, told: Told) {
        if told.quiet {
            return;
        }
        let seconds = took.as_secs_f64().max(1e-9);
        let rate = self.records as f64 / seconds;
        let durability = self.durability.map(|durability| durability.to_string());
        if told.json {
            let report = json!({
                "records": self.records,
                "bytes": self.bytes,
                "seconds": seconds,
                "records_per_second": rate,
                "bytes_per_second": self.bytes as f64 / seconds,
                "durability": durability,
            });
            say(&report.to_string());
        } else {
            let reached = durability.map_or_else(String::new, |durability| format!("; durability: {durability}"));
            let per_second = bytes(self.bytes as f64 / seconds);
            let (records, all) = (self.records, bytes(self.bytes as f64));
            let rate = figure(rate);
            say(&format!("{records} records acknowledged, {all} in {seconds:.2} s: {rate}/s, {per_second}/s{reached}"));
        }
    }

    /// How far it came, after a failure.
    pub(super) fn so_far(&self) -> String {
        let acknowledged = match (&self.last, self.records) {
            (None, _) => "nothing was acknowledged".to_owned(),
            (Some(at), records) => format!("{records} records were acknowledged, the last of them {at}"),
        };
        let others = match (self.failed, self.in_doubt) {
            (0, _) => String::new(),
            (failed, 0) => format!("; {failed} that were sent were not, and are not there"),
            (failed, doubt) => {
                format!("; {failed} that were sent were not, of which {doubt} may be there all the same")
            }
        };
        format!("{acknowledged}{others}")
    }
}
