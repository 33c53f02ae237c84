//! Verifies a log directory that nobody has open, and prints what it holds. Nothing is written there.
//!
//! ```text
//! cargo run --release --bin check_log -- /var/lib/app/log
//! ```
//!
//! It ends with 0 if all is whole, with 1 if something is damaged, and with 2 if the directory cannot be checked: it is
//! not there, or somebody has it open. Without an argument it shows itself: it makes a small log, checks it, changes
//! one bit in a copy, and finds it.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command-line program")]

use std::error::Error;
use std::fs::OpenOptions;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use ottla::{Client, Env, NewTopic, Record};
use ottla_backends::disk::check::{LogName, Report};
use ottla_backends::disk::{DiskBackend, DiskOptions, check};

const TOPIC: &str = "orders";
const RECORDS: usize = 2_000;

fn main() -> ExitCode {
    let outcome = match std::env::args_os().nth(1) {
        Some(directory) => verify(Path::new(&directory)).map(|report| report.is_sound()),
        None => show(),
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("check_log: {error}");
            ExitCode::from(2)
        }
    }
}

fn verify(directory: &Path) -> Result<Report, Box<dyn Error>> {
    let report = check(directory)?;
    println!("{report}");
    Ok(report)
}

/// Makes a log in a temporary directory, and removes it again.
fn show() -> Result<bool, Box<dyn Error>> {
    let directory = std::env::temp_dir().join(format!("ottla-check-log-{}", std::process::id()));
    let shown = show_in(&directory.join("log"), &directory.join("copy"));
    std::fs::remove_dir_all(&directory)?;
    shown
}

fn show_in(log: &Path, copy: &Path) -> Result<bool, Box<dyn Error>> {
    tokio::runtime::Runtime::new()?.block_on(write(log))?;
    println!("== a log of {RECORDS} records\n");
    let report = verify(log)?;
    let written = report.logs.iter().filter(|log| matches!(log.name, LogName::Records(_)));
    // One partition; the offsets after it are the coordinator's own topics', if there are any.
    let whole = report.is_sound() && report.clean && written.clone().any(|log| log.end.0 == RECORDS as i64);

    println!("\n== a copy of it, with one bit changed");
    let place = damage(log, copy, &report)?;
    println!("   {place}\n");
    let report = verify(copy)?;
    let found = report.damage.iter().any(|damage| damage.file.as_ref().is_some_and(|file| place.contains(file)));
    if !whole {
        eprintln!("check_log: the log that was just written and closed is not told as it is");
    }
    if !found {
        eprintln!("check_log: the changed bit was not found");
    }
    Ok(whole && found)
}

/// A topic with some records, written durably and closed.
async fn write(directory: &Path) -> Result<(), Box<dyn Error>> {
    let backend = DiskBackend::open(directory, DiskOptions::default(), &Env::system()).await?;
    let client = Client::over(backend.backend()).await?;
    client.admin().ensure_topic(NewTopic::new(TOPIC).partitions(1)).await?;
    let producer = client.producer().build().await?;
    let mut deliveries = Vec::new();
    for n in 0..RECORDS {
        deliveries.push(producer.enqueue(Record::to(TOPIC).key(format!("order-{n}")).value("paid")).await?);
    }
    for delivery in deliveries {
        delivery.await?;
    }
    // With it the broker and the storage.
    client.close(Duration::from_secs(30)).await?;
    Ok(())
}

/// Copies the directory and changes one bit in the middle of the records; says where.
fn damage(log: &Path, copy: &Path, report: &Report) -> Result<String, Box<dyn Error>> {
    std::fs::create_dir_all(copy)?;
    for entry in std::fs::read_dir(log)? {
        let entry = entry?;
        std::fs::copy(entry.path(), copy.join(entry.file_name()))?;
    }
    let largest = report.files.iter().max_by_key(|file| file.live).ok_or("a log with records has files")?;
    let path: PathBuf = copy.join(&largest.name);
    let file = OpenOptions::new().read(true).write(true).open(&path)?;
    let position = largest.used / 2;
    let mut byte = [0];
    file.read_exact_at(&mut byte, position)?;
    byte[0] ^= 0x10;
    file.write_all_at(&byte, position)?;
    Ok(format!("{}, byte {position}", largest.name))
}
