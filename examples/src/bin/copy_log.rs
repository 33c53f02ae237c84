//! Moves a log: all that is at one URL goes to another, with its offsets, groups and producers.
//!
//! ```text
//! cargo run --release --bin copy_log -- file:///var/lib/app/log file:///mnt/new/log --verify
//! ```
//!
//! Nobody may have either of them open. If it is stopped, the same command goes on where it ended. Without
//! arguments it shows itself: it makes a log on disk, stops a copy of it half-way, goes on with it, and
//! sees a group of consumers continue there.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command-line program")]

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Parser;
use indicatif::{ProgressBar, ProgressStyle};
use ottla::copy::{Copy, Progress, Report, Stage};
use ottla::{At, Client, NewTopic, Offset, Record, TopicName, TopicPartition};
use tokio::sync::Notify;

type Error = Box<dyn std::error::Error + Send + Sync>;

const RECORDS: i64 = 200_000;
const HANDLED: i64 = 150_000;
const LIMIT: Duration = Duration::from_secs(30);

/// Copy a whole log from one URL to another, empty one.
#[derive(Debug, Parser)]
struct Options {
    /// Where the log is.
    #[arg(requires = "to")]
    from: Option<String>,
    /// Where it is to go.
    to: Option<String>,
    /// Read both again at the end, and compare.
    #[arg(long)]
    verify: bool,
}

#[tokio::main]
async fn main() -> ExitCode {
    let options = Options::parse();
    let result = match (&options.from, &options.to) {
        (Some(from), Some(to)) => copy(from, to, options.verify).await.map(|_| ()),
        _ => show().await,
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("copy_log: {error}");
            ExitCode::FAILURE
        }
    }
}

fn bar() -> Result<ProgressBar, Error> {
    let style = ProgressStyle::with_template("{msg:9} {wide_bar} {percent} % {eta}")?;
    Ok(ProgressBar::new(1_000).with_style(style))
}

fn show_progress(bar: &ProgressBar, progress: &Progress) {
    bar.set_message(match progress.stage {
        Stage::Copying => "copying",
        Stage::Verifying => "verifying",
        Stage::Finished => "finished",
    });
    bar.set_position((progress.fraction() * 1_000.0) as u64);
}

async fn copy(from: &str, to: &str, verify: bool) -> Result<Report, Error> {
    let bar = bar()?;
    let shown = bar.clone();
    let copy = Copy::new(from, to).verify(verify).progress(move |progress| show_progress(&shown, &progress));
    let copied = copy.run().await?;
    bar.finish_and_clear();
    let report = copied.report().clone();
    println!(
        "{} topics with {} partitions: {} records, {:.1} MB copied{}{}",
        report.topics,
        report.partitions,
        report.records,
        report.bytes as f64 / 1e6,
        if report.resumed { ", after what was there" } else { "" },
        if report.verified { "; both sides read again, and the same" } else { "" },
    );
    Ok(report)
}

async fn show() -> Result<(), Error> {
    let directory = tempfile::tempdir()?;
    let url = |name: &str| format!("file://{}/{name}", directory.path().display());
    let (old, new) = (url("old"), url("new"));
    write(&old).await?;

    println!("== a copy that is stopped on its way");
    let half = Arc::new(Notify::new());
    let tell = Arc::clone(&half);
    let copying = Copy::new(&old, &new).progress(move |progress| {
        if progress.fraction() > 0.3 {
            tell.notify_one();
        }
    });
    tokio::select! {
        biased;
        () = half.notified() => {}
        ended = copying.run() => return Err(format!("it was done before it was half done: {ended:?}").into()),
    }
    match Client::connect(&new).await {
        Err(refused) => println!("nobody can connect there: {refused}"),
        Ok(_) => return Err("a client could connect to half a log".into()),
    }

    println!("\n== the same copy once more");
    let report = copy(&old, &new, true).await?;
    if !report.resumed || report.records >= RECORDS as u64 {
        return Err(format!("it began again: {report:?}").into());
    }

    println!("\n== the service goes on there");
    read(&new).await
}

/// Wide enough that a copy takes many reads.
fn value(n: i64) -> String {
    format!("{n:0200}")
}

/// A topic of records, and a group that has handled some of them.
async fn write(url: &str) -> Result<(), Error> {
    let client = Client::connect(url).await?;
    client.admin().ensure_topic(NewTopic::new("orders").partitions(1)).await?;
    let producer = client.producer().build().await?;
    for n in 0..RECORDS {
        drop(producer.enqueue(Record::to("orders").key("customer").value(value(n))).await?);
    }
    producer.flush().await?;
    let place = TopicPartition::new(TopicName::new("orders")?, 0);
    client.admin().alter_group_offsets("billing", [(place, Offset(HANDLED))]).await?;
    client.close(LIMIT).await?;
    println!("{RECORDS} records in {url}, of which the group `billing` has handled {HANDLED}\n");
    Ok(())
}

/// The group's next record is the one after those that it has handled.
async fn read(url: &str) -> Result<(), Error> {
    let client = Client::connect(url).await?;
    let mut consumer = client.consumer("billing").topics(["orders"]).if_no_offset(At::Earliest).build().await?;
    let next = consumer.next().await?.ok_or("the consumer ended")?;
    let found = next.value().map(|value| String::from_utf8_lossy(value).into_owned());
    println!("`billing` goes on at offset {}", next.offset());
    if next.offset() != Offset(HANDLED) || found != Some(value(HANDLED)) {
        return Err(format!("it should have gone on at {HANDLED}").into());
    }
    drop((next, consumer));
    client.close(LIMIT).await?;
    Ok(())
}
