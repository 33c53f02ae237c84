//! The main job on real input: a text file goes line by line, keyed by a field, into a topic of several
//! partitions, is read back, and every line is compared with the original, in order per key.
//!
//! ```text
//! cargo run --release --bin ingest                                  # 100 MB made up by seed
//! cargo run --release --bin ingest -- /var/log/syslog --key-field 5
//! ```
//!
//! Exit code 0 means that every line came back, once, in the order of its key. Lines are bytes: any encoding does.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command-line program")]

use std::collections::VecDeque;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use bytes::Bytes;
use clap::Parser;
use indicatif::{ProgressBar, ProgressStyle};
use ottla::{At, Client, ErrorCode, Message, NewTopic, Record, TopicName};
use ottla_examples::generator;
use rustc_hash::FxHashMap;

type Error = Box<dyn std::error::Error + Send + Sync>;

/// Write a text file into a topic line by line, read it back, and compare.
#[derive(Debug, Parser)]
struct Options {
    /// The file; without one, a made-up access log.
    file: Option<PathBuf>,
    /// Where the log is kept.
    #[arg(long, default_value = "memory://")]
    url: String,
    /// The topic; it must not exist yet.
    #[arg(long, default_value = "lines")]
    topic: String,
    /// How many partitions.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(i32).range(1..))]
    partitions: i32,
    /// Which field of a line is its key, counted from 1 and parted by white space; a line without it has no key.
    #[arg(long, default_value = "2", value_parser = field)]
    key_field: usize,
    /// The seed of the made-up file.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// The size of the made-up file, in MB.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..=100_000))]
    megabytes: u64,
}

fn field(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) => Err("fields are counted from 1: the first one is 1".to_owned()),
        Ok(number) => Ok(number),
        Err(_) => Err("it is the number of a field, from 1 up".to_owned()),
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(&Options::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("ingest: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(options: &Options) -> Result<(), Error> {
    let client = Client::connect(&options.url).await?;
    let topic = TopicName::new(&options.topic)?;
    let input = input(options).await?;
    let created = client.admin().create_topic(NewTopic::new(&options.topic).partitions(options.partitions)).await;
    created.map_err(|error| match error.kafka_code() {
        Some(ErrorCode::TopicAlreadyExists) => {
            let (topic, url) = (&options.topic, &options.url);
            format!("{url} has a topic `{topic}` already, with lines of its own: name another with --topic").into()
        }
        _ => Error::from(error),
    })?;
    let written = write(&client, &topic, options, &input).await?;
    verify(&client, options, &input, written).await?;
    client.close(Duration::from_secs(10)).await?;
    Ok(())
}

/// The file's bytes, or made-up ones.
async fn input(options: &Options) -> Result<Bytes, Error> {
    let (name, input) = match &options.file {
        Some(path) => {
            let read = tokio::fs::read(path).await;
            let read = read.map_err(|e| format!("cannot read `{}`: {e}; give the path of a text file", path.display()));
            (path.display().to_string(), read?)
        }
        None => {
            let mut made = Vec::with_capacity(usize::try_from(options.megabytes * 1_000_000)? + 1024);
            generator::access_log(&mut made, options.megabytes * 1_000_000, options.seed)?;
            (format!("a made-up access log, seed {}", options.seed), made)
        }
    };
    if input.is_empty() {
        return Err(format!("`{name}` is empty: there is no line to write").into());
    }
    println!("input      {name}, {:.1} MB", input.len() as f64 / 1e6);
    Ok(input.into())
}

/// The lines of the input with their keys. What follows the last line feed is a line too, unless it is nothing.
fn lines(input: &Bytes, key_field: usize) -> impl Iterator<Item = (Option<&[u8]>, &[u8])> {
    let body = input.strip_suffix(b"\n").unwrap_or(input);
    body.split(|byte| *byte == b'\n').map(move |line| {
        let mut fields = line.split(u8::is_ascii_whitespace).filter(|field| !field.is_empty());
        (fields.nth(key_field.saturating_sub(1)), line)
    })
}

/// A bar on standard error; nothing is drawn where that is no terminal.
fn bar(label: &'static str, total: u64) -> Result<ProgressBar, Error> {
    let style = ProgressStyle::with_template("{prefix} {wide_bar} {bytes}/{total_bytes} {bytes_per_sec} {eta}")?;
    Ok(ProgressBar::new(total).with_style(style).with_prefix(label))
}

/// Sends every line; returns how many.
async fn write(client: &Client, topic: &TopicName, options: &Options, input: &Bytes) -> Result<u64, Error> {
    let producer = client.producer().build().await?;
    let progress = bar("writing  ", input.len() as u64)?;
    let (mut count, mut unseen) = (0_u64, 0_u64);
    for (key, line) in lines(input, options.key_field) {
        // Slices of the file: nothing is copied before the batch is built.
        let mut record = Record::to(topic).value(input.slice_ref(line));
        if let Some(key) = key {
            record = record.key(input.slice_ref(key));
        }
        // Waits for room only; `flush` says if a record whose delivery was dropped was not written.
        drop(producer.enqueue(record).await?);
        count += 1;
        unseen += line.len() as u64 + 1;
        if unseen > 1 << 20 {
            progress.inc(std::mem::take(&mut unseen));
        }
    }
    producer.flush().await?;
    progress.finish_and_clear();
    let (seconds, bytes) = (progress.elapsed().as_secs_f64(), input.len() as f64);
    let (rate, bandwidth) = (count as f64 / seconds / 1e6, bytes / seconds / 1e6);
    println!("written    {count} lines in {seconds:.2} s: {rate:.2} M lines/s, {bandwidth:.0} MB/s");
    Ok(count)
}

/// The lines that have not come back yet.
#[derive(Default)]
struct Expected<'a> {
    /// Those of a key come in order.
    keyed: FxHashMap<&'a [u8], VecDeque<&'a [u8]>>,
    /// Those without are spread over the partitions and keep no order among each other: how many of each.
    keyless: FxHashMap<&'a [u8], u64>,
}

impl<'a> Expected<'a> {
    fn of(input: &'a Bytes, key_field: usize) -> Self {
        let mut expected = Self::default();
        for (key, line) in lines(input, key_field) {
            match key {
                Some(key) => expected.keyed.entry(key).or_default().push_back(line),
                None => *expected.keyless.entry(line).or_default() += 1,
            }
        }
        expected
    }

    fn take(&mut self, message: &Message) -> Result<(), Error> {
        let place = || format!("offset {} of {}", message.offset(), message.topic_partition());
        let line = &**message.value().ok_or_else(|| format!("{} has no value", place()))?;
        let shown = String::from_utf8_lossy(line);
        match message.key() {
            Some(key) => match self.keyed.get_mut(&**key).and_then(VecDeque::pop_front) {
                Some(next) if next == line => Ok(()),
                Some(next) => {
                    let (key, next) = (String::from_utf8_lossy(key), String::from_utf8_lossy(next));
                    Err(format!("{} breaks the order of key `{key}`: expected `{next}`, read `{shown}`", place())
                        .into())
                }
                None => Err(format!("{} is one line too many of its key: `{shown}`", place()).into()),
            },
            None => match self.keyless.get_mut(line).filter(|left| **left > 0) {
                Some(left) => {
                    *left -= 1;
                    Ok(())
                }
                None => Err(format!("{} is no line of the input, or one too many: `{shown}`", place()).into()),
            },
        }
    }

    fn left(&self) -> u64 {
        let keyed: usize = self.keyed.values().map(VecDeque::len).sum();
        keyed as u64 + self.keyless.values().sum::<u64>()
    }
}

/// Reads the topic to its end and compares each record with the next line of its key.
async fn verify(client: &Client, options: &Options, input: &Bytes, written: u64) -> Result<(), Error> {
    let mut expected = Expected::of(input, options.key_field);
    let keys = expected.keyed.len();
    let mut reader = client.reader().topic(&options.topic).start(At::Earliest).to_end().build().await?;
    let progress = bar("verifying", input.len() as u64)?;
    let mut per_partition = vec![0_u64; usize::try_from(options.partitions)?];
    while let Some(batch) = reader.next_batch().await? {
        let partition = usize::try_from(batch.topic_partition().partition)?;
        let (mut bytes, mut records) = (0, 0);
        for message in batch {
            let message = message?;
            expected.take(&message)?;
            bytes += message.value().map_or(0, Bytes::len) as u64 + 1;
            records += 1;
        }
        *per_partition.get_mut(partition).ok_or_else(|| format!("there is a partition {partition}"))? += records;
        progress.inc(bytes);
    }
    progress.finish_and_clear();
    let (seconds, read, left) = (progress.elapsed().as_secs_f64(), per_partition.iter().sum::<u64>(), expected.left());
    if left > 0 || read != written {
        return Err(format!("{written} lines were written and {read} came back; {left} are missing").into());
    }
    println!("verified   {read} lines of {keys} keys in {seconds:.2} s: every line back, once, in order per key");
    println!("partitions {}", per_partition.iter().map(u64::to_string).collect::<Vec<_>>().join(" + "));
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    async fn on(content: &[u8], arguments: &[&str]) -> Result<(), String> {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(content).unwrap();
        let path = file.path().to_str().unwrap();
        let options = Options::try_parse_from(["ingest", path].iter().chain(arguments)).map_err(|e| e.to_string())?;
        run(&options).await.map_err(|e| e.to_string())
    }

    #[tokio::test]
    async fn any_bytes_come_back() {
        on(b"a 1\nb 1\n\n\n\xff\xfe\x00 2\r\nsame\nsame\na 1", &[]).await.unwrap();
        on(b"\n", &[]).await.unwrap();
    }

    #[tokio::test]
    async fn a_refusal_says_what_to_do() {
        let empty = on(b"", &[]).await.unwrap_err();
        assert!(empty.contains("is empty"), "{empty}");
        let zero = on(b"a", &["--key-field", "0"]).await.unwrap_err();
        assert!(zero.contains("counted from 1"), "{zero}");
        let _other = Client::connect("memory://ingest-test").await.unwrap();
        on(b"a", &["--url", "memory://ingest-test"]).await.unwrap();
        let exists = on(b"a", &["--url", "memory://ingest-test"]).await.unwrap_err();
        assert!(exists.contains("another with --topic"), "{exists}");
        let options = Options::try_parse_from(["ingest", "/no/such/file"]).unwrap();
        let missing = run(&options).await.unwrap_err().to_string();
        assert!(missing.contains("`/no/such/file`"), "{missing}");
    }

    #[tokio::test]
    async fn what_differs_is_seen() {
        let client = Client::connect("memory://").await.unwrap();
        let topic = TopicName::new("lines").unwrap();
        client.admin().create_topic(NewTopic::new("lines").partitions(1)).await.unwrap();
        let options = Options::try_parse_from(["ingest", "--partitions", "1", "--key-field", "1"]).unwrap();
        let input = Bytes::from_static(b"k 1\nk 2\n\n\n");
        assert_eq!(write(&client, &topic, &options, &input).await.unwrap(), 4);
        verify(&client, &options, &input, 4).await.unwrap();
        for (other, complaint) in [
            (&b"k 2\nk 1\n\n\n"[..], "breaks the order of key `k`"),
            (b"k 1\n\n\n", "one line too many of its key"),
            (b"k 1\nk 2\n\n", "or one too many"),
            (b"k 1\nk 2\n\n\n\n", "1 are missing"),
            (b"k 1\nk 2\n\n\nj 1", "1 are missing"),
        ] {
            let other = Bytes::copy_from_slice(other);
            let error = verify(&client, &options, &other, 4).await.unwrap_err().to_string();
            assert!(error.contains(complaint), "{error}");
        }
    }
}
