//! The log in a bucket: a producer, a consumer that keeps up, one that comes later, and what the requests of all that cost.
//!
//! ```text
//! # AWS, with keys from the environment:
//! AWS_ACCESS_KEY_ID=… AWS_SECRET_ACCESS_KEY=… AWS_REGION=eu-central-1 \
//!     cargo run --release -p ottla-examples --features object-store --bin s3_embedded -- s3://my-bucket/demo
//! # Any other store that speaks S3, such as the one of the tests (`cargo run -p ottla-tests --bin s3 -- --port 9000 --bucket logs`):
//! AWS_ACCESS_KEY_ID=me AWS_SECRET_ACCESS_KEY=secret \
//!     cargo run --release -p ottla-examples --features object-store --bin s3_embedded -- s3://logs/demo --endpoint http://127.0.0.1:9000
//! ```
//!
//! Exit code 0 means that every record came back to both consumers, once and in order. What the run wrote stays in the
//! bucket: the next run goes on behind it.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command-line program")]

use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use ottla::connect::{BucketStats, ObjectStoreOptions, StorageStats};
use ottla::{At, Client, Env, NewTopic, Record};

type Error = Box<dyn std::error::Error + Send + Sync>;

const TOPIC: &str = "orders";
/// Far more than anything here takes: to end with a message where something hangs.
const LIMIT: Duration = Duration::from_mins(2);

/// Write a log into a bucket, read it back, and say what the requests cost.
#[derive(Debug, Parser)]
struct Options {
    /// The bucket and a prefix in it: `s3://bucket/prefix`, `gs://bucket/prefix` or `az://container/prefix`.
    url: String,
    /// Where the store is, if not at its maker's: `http://127.0.0.1:9000`, say.
    #[arg(long)]
    endpoint: Option<String>,
    /// Takes the prefix from whoever has it.
    #[arg(long)]
    take_over: bool,
    /// How many records.
    #[arg(long, default_value_t = 20_000, value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    records: u32,
    /// The size of each, in bytes.
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    bytes: u32,
    /// How many partitions; the requests are as many with one as with a thousand.
    #[arg(long, default_value_t = 12, value_parser = clap::value_parser!(i32).range(1..=10_000))]
    partitions: i32,
    /// The price of 1,000 PUTs or LISTs, in dollars.
    #[arg(long, default_value_t = 0.005)]
    put_price: f64,
    /// The price of 1,000 GETs, in dollars.
    #[arg(long, default_value_t = 0.0004)]
    get_price: f64,
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(&Options::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("s3_embedded: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(options: &Options) -> Result<(), Error> {
    let mut store = ObjectStoreOptions { endpoint: options.endpoint.clone(), ..ObjectStoreOptions::default() };
    store.log.take_over = options.take_over;
    let client = Client::builder().url(&options.url).object_store(store).connect().await?;
    let topic = NewTopic::new(TOPIC).partitions(options.partitions);
    client.admin().ensure_topic(topic).await?;
    let partitions = client.admin().describe_topic(TOPIC).await?.partitions.len();
    println!("{} is open; topic {TOPIC} has {partitions} partitions", options.url);
    let opened = counted(&client)?;
    print("opening", &BucketStats::default(), &opened);

    // One that keeps up reads what is in memory anyway.
    let mut reader = client.reader().topic(TOPIC).start(At::Latest).build().await?;
    let began = std::sync::Arc::new(tokio::sync::Notify::new());
    let following = async {
        began.notify_one();
        let mut seen = Order::new(partitions);
        for _ in 0..options.records {
            let message = reader.next().await?.ok_or("the reader ended")?;
            seen.take(&message)?;
        }
        Ok::<_, Error>(())
    };
    let writing = async {
        began.notified().await;
        write(&client, options).await
    };
    let both = async { tokio::try_join!(writing, following) };
    Env::system().timeout(LIMIT, both).await.map_err(|_| "the records did not come within the limit")??;
    let written = counted(&client)?;
    print("writing, and a reader that keeps up", &opened, &written);

    // Another process, later: nothing is in memory.
    client.close(LIMIT).await?;
    let closed = counted(&client)?;
    print("closing", &written, &closed);
    let mut store = ObjectStoreOptions { endpoint: options.endpoint.clone(), ..ObjectStoreOptions::default() };
    store.log.take_over = options.take_over;
    let client = Client::builder().url(&options.url).object_store(store).connect().await?;
    let reopened = counted(&client)?;
    print("opening it again", &BucketStats::default(), &reopened);
    let mut reader = client.reader().topic(TOPIC).start(At::Earliest).to_end().build().await?;
    let mut seen = Order::new(partitions);
    let mut records = 0_u64;
    while let Some(message) = reader.next().await? {
        seen.take(&message)?;
        records += 1;
    }
    if records < u64::from(options.records) {
        return Err(format!("{} records were written, and {records} came back", options.records).into());
    }
    let read = counted(&client)?;
    print(&format!("reading {records} records from the start"), &reopened, &read);
    client.close(LIMIT).await?;
    let last = counted(&client)?;
    print("closing", &read, &last);

    let puts = closed.writes() + last.writes();
    let gets = closed.gets() + last.gets();
    let cost = (puts as f64 * options.put_price + gets as f64 * options.get_price) / 1_000.0;
    println!(
        "\nall: {puts} PUTs and LISTs at ${} per 1,000, {gets} GETs at ${} per 1,000: ${cost:.6}",
        options.put_price, options.get_price
    );
    println!("{} records of {} bytes came back, each partition in its order", options.records, options.bytes);
    Ok(())
}

async fn write(client: &Client, options: &Options) -> Result<(), Error> {
    let producer = client.producer().build().await?; // idempotent, acks=all
    for number in 0..options.records {
        let mut value = format!("{number:010} ").into_bytes();
        value.resize(options.bytes.max(11) as usize, b'.');
        // Waits for room, not for the store; a failure is told by `flush`.
        drop(producer.enqueue(Record::to(TOPIC).key(number.to_string()).value(value)).await?);
    }
    producer.flush().await?;
    Ok(())
}

/// That each partition is read without a gap.
struct Order(Vec<Option<i64>>);

impl Order {
    fn new(partitions: usize) -> Self {
        Self(vec![None; partitions])
    }

    fn take(&mut self, message: &ottla::Message) -> Result<(), Error> {
        let (partition, offset) = (message.partition(), message.offset().0);
        let last = usize::try_from(partition).ok().and_then(|partition| self.0.get_mut(partition));
        let last = last.ok_or_else(|| format!("there is no partition {partition}"))?;
        if last.is_some_and(|last| offset != last + 1) {
            return Err(format!("partition {partition} has {offset} after {last:?}").into());
        }
        *last = Some(offset);
        Ok(())
    }
}

fn counted(client: &Client) -> Result<BucketStats, Error> {
    match client.storage_stats() {
        Some(StorageStats::Bucket(stats)) => Ok(stats),
        _ => Err("the URL names no bucket: write `s3://bucket/prefix`, `gs://…` or `az://…`".into()),
    }
}

/// What was asked of the store between two counts.
fn print(what: &str, before: &BucketStats, after: &BucketStats) {
    println!("\n{what}:");
    for (name, before, after) in [
        ("PUT journal", before.journal, after.journal),
        ("PUT segments", before.segments, after.segments),
        ("PUT checkpoints", before.checkpoints, after.checkpoints),
        ("PUT ownership", before.ownership, after.ownership),
        ("LIST", before.lists, after.lists),
        ("GET for readers", before.reads, after.reads),
        ("GET for compaction", before.compaction_reads, after.compaction_reads),
        ("GET for opening", before.recovery_reads, after.recovery_reads),
        ("DELETE", before.deletes, after.deletes),
    ] {
        let (count, bytes) = (after.count - before.count, after.bytes - before.bytes);
        if count > 0 {
            println!("  {name:<20} {count:>8} {bytes:>14} bytes");
        }
    }
    if after.retries > before.retries {
        println!("  made again           {:>8}", after.retries - before.retries);
    }
}
