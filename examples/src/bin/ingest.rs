//! The main job on real input: a text file goes line by line, keyed by a field, into a topic of several
//! partitions, is read back, and every line is compared with the original, in order per key.
//!
//! ```text
//! cargo run --release --bin ingest                                  # 100 MB made up by seed
//! cargo run --release --bin ingest -- /var/log/syslog --key-field 5
//! ```
//!
//! Exit code 0 means that every line came back, once, in the order of its key.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command-line program")]

use std::collections::VecDeque;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use bytes::Bytes;
use clap::Parser;
use indicatif::{ProgressBar, ProgressStyle};
use ottla::{At, Client, NewTopic, Record};
use ottla_examples::generator;
use rustc_hash::FxHashMap;

type Error = Box<dyn std::error::Error + Send + Sync>;

/// Write a text file into a topic line by line, read it back, and compare.
#[derive(Debug, Parser)]
struct Options {
    /// The file; without one, a made-up access log of 100 MB.
    file: Option<PathBuf>,
    /// Where the log is kept.
    #[arg(long, default_value = "memory://")]
    url: String,
    /// The topic; it must not exist yet.
    #[arg(long, default_value = "lines")]
    topic: String,
    /// How many partitions.
    #[arg(long, default_value_t = 4)]
    partitions: i32,
    /// Which field of a line is its key, counted from 1 and parted by white space; a line without it has no key.
    #[arg(long, default_value_t = 2)]
    key_field: usize,
    /// The seed of the made-up file.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// The size of the made-up file, in MB.
    #[arg(long, default_value_t = 100)]
    megabytes: u64,
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(Options::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("ingest: {error}");
            ExitCode::FAILURE
        }
    }
}

/// A line of the input: shares the file's memory.
struct Line {
    key: Option<Bytes>,
    text: Bytes,
}

async fn run(options: Options) -> Result<(), Error> {
    let (name, input) = match &options.file {
        Some(path) => {
            let read = tokio::fs::read(path).await.map_err(|e| format!("cannot read {}: {e}", path.display()))?;
            (path.display().to_string(), Bytes::from(read))
        }
        None => {
            let mut made = Vec::with_capacity(((options.megabytes + 1) * 1_000_000) as usize);
            generator::access_log(&mut made, options.megabytes * 1_000_000, options.seed)?;
            (format!("a made-up access log, seed {}", options.seed), Bytes::from(made))
        }
    };
    println!("input      {name}, {:.1} MB", input.len() as f64 / 1e6);

    let client = Client::connect(&options.url).await?;
    client.admin().create_topic(NewTopic::new(&options.topic).partitions(options.partitions)).await?;

    let written = write(&client, &options, &input).await?;
    verify(&client, &options, &input, written).await?;
    client.close(Duration::from_secs(10)).await?;
    Ok(())
}

fn lines<'a>(input: &'a Bytes, key_field: usize) -> impl Iterator<Item = Line> + 'a {
    let body = input.strip_suffix(b"\n").unwrap_or(input);
    let empty = input.is_empty();
    body.split(|byte| *byte == b'\n').filter(move |_| !empty).map(move |line| {
        let field = line
            .split(u8::is_ascii_whitespace)
            .filter(|field| !field.is_empty())
            .nth(key_field.saturating_sub(1))
            .map(|field| input.slice_ref(field));
        Line { key: field, text: input.slice_ref(line) }
    })
}

fn bar(label: &'static str, total: u64) -> Result<ProgressBar, Error> {
    let style = ProgressStyle::with_template("{prefix} {wide_bar} {bytes}/{total_bytes} {bytes_per_sec} {eta}")?;
    Ok(ProgressBar::new(total).with_style(style).with_prefix(label))
}

/// Sends every line; returns how many.
async fn write(client: &Client, options: &Options, input: &Bytes) -> Result<u64, Error> {
    let producer = client.producer().build().await?;
    let progress = bar("writing  ", input.len() as u64)?;
    let (mut count, mut unseen) = (0_u64, 0_u64);
    for line in lines(input, options.key_field) {
        let size = line.text.len() as u64 + 1;
        let mut record = Record::to(options.topic.as_str()).value(line.text);
        if let Some(key) = line.key {
            record = record.key(key);
        }
        // Waits for room only; what happens to the record is told by `flush`.
        producer.enqueue(record).await?;
        count += 1;
        unseen += size;
        if unseen > 1 << 20 {
            progress.inc(std::mem::take(&mut unseen));
        }
    }
    let flushed = producer.flush().await?;
    progress.finish_and_clear();
    let seconds = progress.elapsed().as_secs_f64();
    if let Some(error) = flushed.first_error {
        return Err(format!("{} of {count} lines were not written; the first: {error}", flushed.failed).into());
    }
    println!("written    {count} lines in {seconds:.2} s: {:.2} M lines/s, {:.0} MB/s", count as f64 / seconds / 1e6, input.len() as f64 / seconds / 1e6);
    Ok(count)
}

/// Reads the topic to its end and compares each record with the next line of its key.
async fn verify(client: &Client, options: &Options, input: &Bytes, written: u64) -> Result<(), Error> {
    let mut expected: FxHashMap<Option<Bytes>, VecDeque<Bytes>> = FxHashMap::default();
    for line in lines(input, options.key_field) {
        expected.entry(line.key).or_default().push_back(line.text);
    }
    let keys = expected.len();

    let mut reader = client.reader().topic(&options.topic).start(At::Earliest).to_end().build().await?;
    let progress = bar("verifying", input.len() as u64)?;
    let mut read = 0_u64;
    let mut per_partition = vec![0_u64; usize::try_from(options.partitions)?];
    while let Some(batch) = reader.next_batch().await? {
        let mut bytes = 0;
        for message in batch {
            let message = message?;
            let place = format_args!("{}-{}@{}", message.topic(), message.partition(), message.offset());
            let key = message.key().cloned();
            let next = expected.get_mut(&key).and_then(VecDeque::pop_front);
            let value = message.value().ok_or_else(|| format!("{place} has no value"))?;
            match next {
                // Records without a key are spread over partitions: they keep no order among each other.
                Some(line) if line == *value => {}
                Some(line) if key.is_none() => {
                    let rest = expected.get_mut(&key).ok_or("no lines without key")?;
                    let at = rest.iter().position(|other| other == value).ok_or_else(|| format!("{place} is no line of the input"))?;
                    rest.remove(at);
                    rest.push_front(line);
                }
                Some(line) => {
                    return Err(format!("{place} is out of order for key {key:?}: expected {line:?}, read {value:?}").into());
                }
                None => return Err(format!("{place} is one line more than the input has for key {key:?}").into()),
            }
            if let Some(count) = usize::try_from(message.partition()).ok().and_then(|p| per_partition.get_mut(p)) {
                *count += 1;
            }
            bytes += value.len() as u64 + 1;
            read += 1;
        }
        progress.inc(bytes);
    }
    progress.finish_and_clear();
    let seconds = progress.elapsed().as_secs_f64();
    let missing: usize = expected.values().map(VecDeque::len).sum();
    if missing > 0 || read != written {
        return Err(format!("{written} lines were written and {read} came back; {missing} are missing").into());
    }
    println!("verified   {read} lines of {keys} keys in {seconds:.2} s: every line back, once, in order per key");
    println!("partitions {}", per_partition.iter().map(u64::to_string).collect::<Vec<_>>().join(" + "));
    Ok(())
}
