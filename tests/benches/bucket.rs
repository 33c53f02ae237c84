//! The bucket backend against an S3 endpoint on loopback, beside what the same endpoint does for plain requests.
//!
//! ```text
//! cargo bench -p ottla-tests --bench bucket                 # all cases
//! cargo bench -p ottla-tests --bench bucket -- lone load    # some of lone, load, throughput, cold, takeover
//! ```
//!
//! Every PUT takes 50 ms at the endpoint. The limit of a lone write is a plain PUT of as many bytes; of a producer the same
//! number of plain PUTs of full chunks, as many at a time; of a cold reader plain GETs of ranges, as many at a time as
//! the reader may have.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a bench: it reads the clock, prints, and may panic"
)]

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt};
use object_store::aws::AmazonS3Builder;
use object_store::path::Path;
use object_store::{ClientOptions, ObjectStore, ObjectStoreExt, RetryConfig};
use ottla::{At, Client, NewTopic, Record};
use ottla_backends::bucket::{BucketBackend, BucketOptions};
use ottla_broker_core::env::Env;
use ottla_tests::bench::{Samples, figure};
use ottla_tests::s3::{Kind, Latency, Options, S3Server};

const PUT: Duration = Duration::from_millis(50);
const MIB: usize = 1 << 20;

fn main() {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let chosen = |case: &str| words.is_empty() || words.iter().any(|word| word == case);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    println!("S3 on loopback, each PUT takes {PUT:?}: medians (least–greatest). Acks=all, idempotent, embedded.\n");
    for (name, case) in [
        ("lone", Box::pin(lone()) as std::pin::Pin<Box<dyn Future<Output = ()> + Send>>),
        ("load", Box::pin(load())),
        ("throughput", Box::pin(throughput())),
        ("cold", Box::pin(cold())),
        ("takeover", Box::pin(takeover())),
    ] {
        if chosen(name) {
            runtime.block_on(async { tokio::spawn(case).await.unwrap() });
        }
    }
}

/// An endpoint, and a way to it.
struct Endpoint {
    server: S3Server,
    store: Arc<dyn ObjectStore>,
}

fn endpoint() -> Endpoint {
    let server = S3Server::start(Options::default()).unwrap();
    server.faults().latency(Kind::Put, Latency::fixed(PUT));
    let client = ClientOptions::new().with_allow_http(true).with_timeout(Duration::from_secs(30));
    let store = AmazonS3Builder::new()
        .with_endpoint(server.url())
        .with_bucket_name("bench")
        .with_region("local")
        .with_access_key_id("me")
        .with_secret_access_key("secret")
        // Summing the body a second time would be in the figures of both sides.
        .with_unsigned_payload(true)
        .with_client_options(client)
        .with_retry(RetryConfig { max_retries: 0, ..RetryConfig::default() })
        .build()
        .unwrap();
    Endpoint { server, store: Arc::new(store) }
}

impl Endpoint {
    async fn open(&self, options: BucketOptions) -> (Client, BucketBackend) {
        let backend = BucketBackend::open(Arc::clone(&self.store), "log", options, &Env::system()).await.unwrap();
        let client = Client::builder().storage(backend.backend()).connect().await.unwrap();
        (client, backend)
    }

    /// Milliseconds of a plain PUT.
    async fn put(&self, name: &str, bytes: Bytes) -> f64 {
        let start = Instant::now();
        self.store.put(&Path::from(format!("raw/{name}")), bytes.into()).await.unwrap();
        start.elapsed().as_secs_f64() * 1e3
    }
}

fn options() -> BucketOptions {
    BucketOptions::default()
}

/// One record after more than a second of nothing.
async fn lone() {
    let endpoint = endpoint();
    let (client, _backend) = endpoint.open(options()).await;
    client.admin().create_topic(NewTopic::new("lone").partitions(1)).await.unwrap();
    let producer = client.producer().build().await.unwrap();
    let (mut ours, mut raw) = (Samples::default(), Samples::default());
    for n in 0..20 {
        tokio::time::sleep(Duration::from_millis(1_100)).await;
        let start = Instant::now();
        producer.send(Record::to("lone").value(vec![7; 100])).await.unwrap();
        ours.push(start.elapsed().as_secs_f64() * 1e3);
        raw.push(endpoint.put(&format!("{n}"), Bytes::from(vec![7; 300])).await);
    }
    println!("lone `send().await`, 100 B: {ours} ms against a PUT of {raw} ms: × {}\n", ours.over(&raw));
    client.close(Duration::from_secs(60)).await.unwrap();
}

/// Records come at a steady rate, and each is waited for.
async fn load() {
    println!("2,000 records of 100 B a second, each awaited:");
    for partitions in [1, 100, 1_000] {
        let endpoint = endpoint();
        let (client, backend) = endpoint.open(options()).await;
        client.admin().create_topic(NewTopic::new("load").partitions(partitions)).await.unwrap();
        let producer = client.producer().build().await.unwrap();
        let mut put = Samples::default();
        for n in 0..10 {
            put.push(endpoint.put(&format!("{n}"), Bytes::from(vec![7; 20_000])).await);
        }
        let before = backend.logs().stats();
        let begun = Instant::now();
        let mut sent = Vec::new();
        for n in 0..10_000_u32 {
            tokio::time::sleep_until((begun + Duration::from_micros(500) * n).into()).await;
            let (producer, partition) = (producer.clone(), n as i32 % partitions);
            sent.push(tokio::spawn(async move {
                let start = Instant::now();
                producer.send(Record::to("load").partition(partition).value(vec![7; 100])).await.unwrap();
                start.elapsed().as_secs_f64() * 1e3
            }));
        }
        let mut took = Samples::default();
        for sent in sent {
            took.push(sent.await.unwrap());
        }
        let seconds = begun.elapsed().as_secs_f64();
        let stats = backend.logs().stats();
        // One of them is at either end of the time.
        let puts = (stats.journal_partial.count - before.journal_partial.count).saturating_sub(1) as f64 / seconds;
        let (p50, p99, unit) = (took.quantile(0.5), took.quantile(0.99), put.median());
        println!(
            "  {partitions:>5} partitions: p50 {p50:.0} ms ({:.2} PUTs of {unit:.0} ms), p99 {p99:.0} ms ({:.2}); \
             {puts:.1} PUTs/s below full size; {} segments, {} checkpoints, {} other PUTs",
            p50 / unit,
            p99 / unit,
            stats.segments.count,
            stats.checkpoints.count,
            stats.ownership.count,
        );
        client.close(Duration::from_secs(60)).await.unwrap();
    }
    println!();
}

/// As much as goes, in full chunks.
async fn throughput() {
    const RECORDS: usize = 400_000;
    let (mut ours, mut raw) = (Samples::default(), Samples::default());
    for round in 0..=5 {
        let endpoint = endpoint();
        let options = options();
        let (size, at_once) = (options.group_bytes, options.in_flight);
        let (client, backend) = endpoint.open(options).await;
        client.admin().create_topic(NewTopic::new("much").partitions(16)).await.unwrap();
        let producer = client.producer().build().await.unwrap();
        let value = Bytes::from(vec![7; 1024]);
        let start = Instant::now();
        for n in 0..RECORDS {
            let record = Record::to("much").partition(n as i32 % 16).value(value.clone());
            drop(producer.enqueue(record).await.unwrap());
        }
        producer.flush().await.unwrap();
        let seconds = start.elapsed().as_secs_f64();
        let written = backend.logs().stats().journal;
        client.close(Duration::from_secs(60)).await.unwrap();
        let body = Bytes::from(vec![7; size]);
        let start = Instant::now();
        let puts = (written.bytes as usize).div_ceil(size);
        let all = futures::stream::iter(0..puts).map(|n| {
            let (store, body) = (Arc::clone(&endpoint.store), body.clone());
            async move { store.put(&Path::from(format!("raw/{n}")), body.into()).await }
        });
        all.buffer_unordered(at_once).try_collect::<Vec<_>>().await.unwrap();
        if round > 0 {
            ours.push(written.bytes as f64 / seconds);
            raw.push((puts * size) as f64 / start.elapsed().as_secs_f64());
        } else {
            println!(
                "produced {RECORDS} records of 1 KiB: {} PUTs of {} on average, {at_once} at a time",
                written.count,
                figure(written.bytes as f64 / written.count as f64)
            );
        }
    }
    println!("  {ours} B/s of {raw} B/s by plain PUTs: {}\n", ours.over(&raw));
}

/// Readers that come when all is out of memory.
async fn cold() {
    const BYTES: usize = 200 * MIB;
    let endpoint = endpoint();
    endpoint.server.faults().latency(Kind::Put, Latency::default());
    endpoint.server.faults().latency(Kind::Get, Latency::fixed(Duration::from_millis(20)));
    let (client, backend) = endpoint.open(options()).await;
    client.admin().create_topic(NewTopic::new("cold").partitions(4)).await.unwrap();
    let producer = client.producer().build().await.unwrap();
    let value = Bytes::from(vec![7; 1024]);
    let hot = client.reader().partition("cold", 0).start(At::Earliest).build().await.unwrap();
    drop(hot);
    for n in 0..BYTES / 1024 {
        let record = Record::to("cold").partition(n as i32 % 4).value(value.clone());
        drop(producer.enqueue(record).await.unwrap());
    }
    producer.flush().await.unwrap();
    client.close(Duration::from_secs(60)).await.unwrap();
    drop(backend);
    endpoint.store.put(&Path::from("raw/large"), Bytes::from(vec![7; BYTES / 4]).into()).await.unwrap();
    let (mut ours, mut raw, mut gets, mut ten) =
        (Samples::default(), Samples::default(), Samples::default(), Samples::default());
    for round in 0..=5 {
        let (client, backend) = endpoint.open(BucketOptions { take_over: true, ..options() }).await;
        let start = Instant::now();
        let bytes = read(&client).await;
        let seconds = start.elapsed().as_secs_f64();
        let one = backend.logs().stats().reads;
        client.close(Duration::from_secs(60)).await.unwrap();
        let (client, backend) = endpoint.open(BucketOptions { take_over: true, ..options() }).await;
        let readers: Vec<_> = (0..10)
            .map(|_| {
                let client = client.clone();
                tokio::spawn(async move { read(&client).await })
            })
            .collect();
        for reader in readers {
            reader.await.unwrap();
        }
        let many = backend.logs().stats().reads;
        client.close(Duration::from_secs(60)).await.unwrap();
        let piece = 4 * MIB as u64;
        let path = Path::from("raw/large");
        let start = Instant::now();
        let ranges = (0..(BYTES / 4) as u64).step_by(piece as usize);
        let all = futures::stream::iter(ranges).map(|from| endpoint.store.get_range(&path, from..from + piece));
        let read: Vec<_> = all.buffered(8).try_collect().await.unwrap();
        if round > 0 {
            ours.push(bytes as f64 / seconds);
            raw.push(read.iter().map(Bytes::len).sum::<usize>() as f64 / start.elapsed().as_secs_f64());
            gets.push(one.count as f64);
            ten.push(many.count as f64);
        }
    }
    println!("cold read of one partition of four, each GET takes 20 ms:");
    println!("  {ours} B/s of {raw} B/s by plain GETs of 4 MiB, 8 at a time: {}", ours.over(&raw));
    println!("  {gets} GETs by one consumer, {ten} by ten at once: × {}\n", ten.over(&gets));
}

async fn read(client: &Client) -> usize {
    let reader = client.reader().partition("cold", 0).start(At::Earliest).to_end();
    let mut reader = reader.build().await.unwrap();
    let mut bytes = 0;
    while let Some(batch) = reader.next_batch().await.unwrap() {
        for message in batch {
            bytes += message.unwrap().value().unwrap().len();
        }
    }
    bytes
}

/// A prefix with 1,000 partitions and 1 GiB of journal that no checkpoint covers, taken from one who lives.
async fn takeover() {
    let endpoint = endpoint();
    endpoint.server.faults().latency(Kind::Put, Latency::default());
    let large = BucketOptions { journal_bytes: 8 << 30, journal_objects: 1 << 20, ..options() };
    let (client, _first) = endpoint.open(large.clone()).await;
    client.admin().create_topic(NewTopic::new("big").partitions(1_000)).await.unwrap();
    let producer = client.producer().build().await.unwrap();
    let value = Bytes::from(vec![7; 4096]);
    for n in 0..(1 << 30) / 4096 {
        let record = Record::to("big").partition(n % 1_000).value(value.clone());
        drop(producer.enqueue(record).await.unwrap());
    }
    producer.flush().await.unwrap();
    endpoint.server.faults().latency_of_all(Latency::fixed(PUT));
    let before = endpoint.server.requests();
    let start = Instant::now();
    let options = BucketOptions { take_over: true, ..large };
    let backend = BucketBackend::open(Arc::clone(&endpoint.store), "log", options, &Env::system()).await.unwrap();
    let taken = start.elapsed().as_secs_f64();
    let second = Client::builder().storage(backend.backend()).connect().await.unwrap();
    let opened = start.elapsed().as_secs_f64();
    let sender = second.producer().build().await.unwrap();
    sender.send(Record::to("big").partition(0).value("first")).await.unwrap();
    let served = start.elapsed().as_secs_f64();
    let asked = endpoint.server.requests().since(&before);
    let stats = backend.logs().stats();
    println!("takeover of 1,000 partitions and 1 GiB of journal, each request takes {PUT:?}:");
    println!(
        "  taken after {taken:.2} s, open after {opened:.2} s, first write acknowledged after {served:.2} s; {} LISTs, {} \
         GETs of {} B to recover, {} of {} B for what brokers derive\n",
        asked.of(Kind::List).requests,
        stats.recovery_reads.count,
        figure(stats.recovery_reads.bytes as f64),
        stats.reads.count,
        figure(stats.reads.bytes as f64),
    );
}
