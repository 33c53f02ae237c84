//! `ottla copy`.

use std::io::IsTerminal;

use indicatif::{ProgressBar, ProgressStyle};
use ottla::copy::{Copy, Progress, Report, Stage};
use ottla_cli::measure::bytes;
use serde_json::json;

use crate::connect::Context;
use crate::error::Error;
use crate::place::url_of;
use crate::signals::Signals;

const AFTER_HELP: &str = "\
Examples:
  ottla copy file:///var/lib/app/log s3://bucket/orders
  ottla copy /var/lib/app/log /mnt/new/log --verify

Everything goes over: topics with their ids and configs, records with their offsets, groups' offsets, producers' state.
Nobody may have either of the two open. If it is stopped, the same command goes on where it ended; until then nobody can
connect there. Records alone, also from and to kafka://:
  ottla -u $OLD consume orders --json | ottla -u $NEW produce orders --format json";

/// Copies a whole log to an empty place.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Args {
    /// The URL of the log, or its directory.
    from: String,
    /// Where it is to go: a URL, or a directory.
    to: String,
    /// Reads both again at the end, and compares them.
    #[arg(long)]
    verify: bool,
}

pub(crate) async fn run(args: Args, context: &Context) -> Result<(), Error> {
    let (from, to) = (url_of(&args.from)?, url_of(&args.to)?);
    if to.trim().split_once("://").is_some_and(|(scheme, _)| scheme.eq_ignore_ascii_case("memory")) {
        let reason = "a copy in memory would be gone with this command: name a directory, or a prefix of a bucket";
        return Err(Error::Usage(reason.to_owned()));
    }
    let mut signals = Signals::new().map_err(Error::Runtime)?;
    let bar = bar()?;
    let shown = bar.clone();
    let copy = Copy::new(&from, &to).settings(&context.document()?).map_err(|error| context.refused(error))?;
    let copy = copy.env(context.env.clone()).verify(args.verify).progress(move |progress| show(&shown, &progress));
    let copied = tokio::select! {
        biased;
        signal = signals.next() => {
            bar.abandon();
            return Err(Error::Failed(format!("stopped by {signal}: the same command goes on where it ended")));
        }
        copied = Box::pin(copy.run()) => copied,
    };
    bar.finish_and_clear();
    let report = copied?.report().clone();
    let document = json!({
        "from": from,
        "to": to,
        "cluster_id": report.cluster_id,
        "topics": report.topics,
        "partitions": report.partitions,
        "records": report.records,
        "batches": report.batches,
        "bytes": report.bytes,
        "resumed": report.resumed,
        "verified": report.verified,
    });
    context.out.show(&document, |_| in_words(&report))
}

fn in_words(report: &Report) -> String {
    format!(
        "{} topics with {} partitions: {} records, {} copied{}{}",
        report.topics,
        report.partitions,
        report.records,
        bytes(report.bytes as f64),
        if report.resumed { ", after what was there" } else { "" },
        if report.verified { "; both sides read again, and the same" } else { "" },
    )
}

/// On stderr, and only for people.
fn bar() -> Result<ProgressBar, Error> {
    if !std::io::stderr().is_terminal() {
        return Ok(ProgressBar::hidden());
    }
    let style = ProgressStyle::with_template("{msg:9} {wide_bar} {percent} % {eta}");
    let style = style.map_err(|error| Error::Failed(error.to_string()))?;
    Ok(ProgressBar::new(STEPS).with_style(style))
}

/// Of the bar.
const STEPS: u64 = 1_000;

fn show(bar: &ProgressBar, progress: &Progress) {
    bar.set_message(match progress.stage {
        Stage::Copying => "copying",
        Stage::Verifying => "verifying",
        Stage::Finished => "finished",
    });
    bar.set_position((progress.fraction() * STEPS as f64) as u64);
}
