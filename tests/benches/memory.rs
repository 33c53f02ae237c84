//! Produce and consume, embedded on memory, beside what the machine's memory can do in the same run.
//!
//! ```text
//! cargo bench -p ottla-tests --bench memory            # five rounds
//! cargo bench -p ottla-tests --bench memory -- 11      # eleven
//! ```
//!
//! The limit of a produce is one copy of the record's bytes and one CRC-32C over them, by one core; that of a
//! consume is one CRC-32C: what any log that keeps and checks bytes must do at least.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a bench: it reads the clock, prints, and may panic"
)]

use std::hint::black_box;
use std::time::{Duration, Instant};

use bytes::Bytes;
use ottla::{At, Client, NewTopic, Record, TopicName};
use ottla_tests::bench::{Samples, Watch, check_bytes, copy_and_check, figure};
use ottla_tests::counting::{self, Counting};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

struct Case {
    name: &'static str,
    size: usize,
    records: u64,
    partitions: i32,
}

const CASES: [Case; 6] = [
    Case { name: "100 B, 1 partition", size: 100, records: 4_000_000, partitions: 1 },
    Case { name: "100 B, 10 partitions", size: 100, records: 4_000_000, partitions: 10 },
    Case { name: "100 B, 100 partitions", size: 100, records: 4_000_000, partitions: 100 },
    Case { name: "1 KiB, 1 partition", size: 1024, records: 600_000, partitions: 1 },
    Case { name: "1 KiB, 10 partitions", size: 1024, records: 600_000, partitions: 10 },
    Case { name: "1 KiB, 100 partitions", size: 1024, records: 600_000, partitions: 100 },
];

/// Figures of all rounds, by what they are of.
#[derive(Default)]
struct Figures {
    copy_limit: Samples,
    check_limit: Samples,
    produced: Samples,
    produce_cpu_ns: Samples,
    produce_allocations: Samples,
    produce_bytes: Samples,
    consumed: Samples,
    consume_cpu_ns: Samples,
    consume_allocations: Samples,
    by_next: Samples,
}

fn main() {
    // `cargo bench` passes flags of its own.
    let rounds: usize = std::env::args().skip(1).find_map(|word| word.parse().ok()).unwrap_or(5);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    println!(
        "{rounds} rounds after one to warm up: medians (least–greatest). Durability memory, acks=all, idempotent,"
    );
    println!("embedded, one producer that does not await each record, one reader; a runtime of 2 threads.\n");
    for case in &CASES {
        let mut figures = Figures::default();
        limits(case, &mut Figures::default());
        runtime.block_on(async { tokio::spawn(throughput(case, Figures::default())).await.unwrap() });
        for _ in 0..rounds {
            limits(case, &mut figures);
            figures = runtime.block_on(async { tokio::spawn(throughput(case, figures)).await.unwrap() });
        }
        report(case, &figures);
    }
    println!("lone `send().await`, 100 B, nothing else in flight, 50,000 of them:");
    for round in 0..rounds {
        let on_worker = runtime.block_on(async { tokio::spawn(latency()).await.unwrap() });
        let on_main = runtime.block_on(latency());
        println!("  round {round}: in a task {on_worker}; in `block_on` {on_main}");
    }
}

/// One copy of every record and one CRC over what was copied; and a CRC alone.
fn limits(case: &Case, figures: &mut Figures) {
    figures.copy_limit.push(copy_and_check(case.size, case.records));
    figures.check_limit.push(check_bytes(case.size, case.records));
}

async fn throughput(case: &'static Case, mut figures: Figures) -> Figures {
    let client = Client::connect("memory://").await.unwrap();
    let topic = TopicName::new("bench").unwrap();
    client.admin().create_topic(NewTopic::new(topic.as_str()).partitions(case.partitions)).await.unwrap();
    let producer = client.producer().build().await.unwrap();
    let value = Bytes::from(vec![7_u8; case.size]);
    let keys: Vec<Bytes> = (0..1000).map(|key| Bytes::from(format!("key-{key}"))).collect();
    let records = case.records as f64;

    let (allocations, bytes) = (counting::allocations(), counting::allocated_bytes());
    let watch = Watch::start();
    for n in 0..case.records {
        let mut record = Record::to(topic.clone()).value(value.clone());
        if case.partitions > 1 {
            record = record.key(keys[(n % 1000) as usize].clone());
        }
        drop(producer.enqueue(record).await.unwrap());
    }
    producer.flush().await.unwrap();
    let spent = watch.stop();
    figures.produced.push(records / spent.wall.as_secs_f64());
    figures.produce_cpu_ns.push(spent.cpu.as_nanos() as f64 / records);
    figures.produce_allocations.push((counting::allocations() - allocations) as f64 / records);
    figures.produce_bytes.push((counting::allocated_bytes() - bytes) as f64 / (records * case.size as f64));

    let allocations = counting::allocations();
    let watch = Watch::start();
    let mut reader = client.reader().topic(topic.as_str()).start(At::Earliest).to_end().build().await.unwrap();
    let mut read = 0_u64;
    while let Some(batch) = reader.next_batch().await.unwrap() {
        for message in batch {
            black_box(message.unwrap().value());
            read += 1;
        }
    }
    let spent = watch.stop();
    assert_eq!(read, case.records);
    figures.consumed.push(records / spent.wall.as_secs_f64());
    figures.consume_cpu_ns.push(spent.cpu.as_nanos() as f64 / records);
    figures.consume_allocations.push((counting::allocations() - allocations) as f64 / records);

    let watch = Watch::start();
    let mut reader = client.reader().topic(topic.as_str()).start(At::Earliest).to_end().build().await.unwrap();
    while let Some(message) = reader.next().await.unwrap() {
        black_box(message.value());
    }
    figures.by_next.push(records / watch.stop().wall.as_secs_f64());
    client.close(Duration::from_secs(5)).await.unwrap();
    figures
}

fn report(case: &Case, figures: &Figures) {
    println!("{}: {} records", case.name, figure(case.records as f64));
    println!("  limit: copy and check {}/s; check {}/s", figures.copy_limit, figures.check_limit);
    println!("  produced {}/s, {} of the limit", figures.produced, figures.produced.over(&figures.copy_limit));
    println!(
        "    {} ns of CPU, {} allocations a record, {} bytes allocated per byte",
        figures.produce_cpu_ns, figures.produce_allocations, figures.produce_bytes
    );
    println!(
        "  consumed by `next_batch` {}/s, {} of the limit",
        figures.consumed,
        figures.consumed.over(&figures.check_limit)
    );
    println!("    {} ns of CPU, {} allocations a record", figures.consume_cpu_ns, figures.consume_allocations);
    println!("  consumed by `next` {}/s\n", figures.by_next);
}

async fn latency() -> String {
    let client = Client::connect("memory://").await.unwrap();
    client.admin().create_topic(NewTopic::new("bench").partitions(1)).await.unwrap();
    let producer = client.producer().build().await.unwrap();
    let value = Bytes::from(vec![7_u8; 100]);
    let mut micros = Samples::default();
    for n in 0..51_000 {
        let start = Instant::now();
        producer.send(Record::to("bench").value(value.clone())).await.unwrap();
        let took = start.elapsed();
        if n >= 1_000 {
            micros.push(took.as_nanos() as f64 / 1e3);
        }
    }
    client.close(Duration::from_secs(5)).await.unwrap();
    format!(
        "p50 {:.1} µs, p99 {:.1} µs, greatest {:.0} µs",
        micros.quantile(0.5),
        micros.quantile(0.99),
        micros.quantile(1.0)
    )
}
