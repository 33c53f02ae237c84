//! The disk backend beside what the disk can do in the same run.
//!
//! ```text
//! cargo bench -p ottla-tests --bench disk                     # every case, five rounds
//! cargo bench -p ottla-tests --bench disk -- produce 7        # one of produce, many, lone, tasks, cold, restart
//! cargo bench -p ottla-tests --bench disk -- os-1024 7        # one of produce's five; burst: many without the steady state
//! OTTLA_BENCH_DIR=/mnt/disk cargo bench -p ottla-tests --bench disk
//! OTTLA_BENCH_TOUCH_GIB=12 cargo bench -p ottla-tests --bench disk   # touches memory before each case of produce and many
//! ```
//!
//! Free memory of a virtual machine may be its host's (free page reporting). A page's first touch then takes 3 to 9 µs
//! instead of 0.2, by chance on one side or the other, and the figures measure that. Touching most of what is free just
//! before has the machine own it for a while.
//!
//! The limit of a durable produce is a plain append and `fdatasync` of chunks as large as the storage wrote on average in
//! that round; of the level `os` the same without a sync; of a cold read plain reads of a file
//! from the page cache: into one buffer that stays warm, and into memory of their own for each, as whoever hands out what was
//! read has to.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a bench: it reads the clock, prints, and may panic"
)]

use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use bytes::Bytes;
use ottla::{At, Client, NewTopic, Record, TopicName};
use ottla_backends::disk::{DiskBackend, DiskOptions, Level};
use ottla_broker_core::env::Env;
use ottla_broker_core::log::LogStorage;
use ottla_broker_core::record::Batch;
use ottla_tests::bench::{Samples, Watch, append, figure};

fn main() {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let rounds: usize = words.iter().find_map(|word| word.parse().ok()).unwrap_or(5);
    let chosen = |case: &str| {
        let cases: Vec<_> = words.iter().filter(|word| word.parse::<usize>().is_err()).collect();
        cases.is_empty() || cases.iter().any(|word| *word == case)
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    if let [case, directory] = &words[..]
        && case == "fill"
    {
        return runtime.block_on(fill(Path::new(directory)));
    }
    println!("{rounds} rounds after one to warm up: medians (least–greatest). Acks=all, idempotent, embedded.\n");
    for (name, level, size, records) in [
        ("fsync-100", Level::Fsync, 100, 4_000_000_u64),
        ("fsync-1024", Level::Fsync, 1024, 500_000),
        ("os-100", Level::Os, 100, 4_000_000),
        ("os-1024", Level::Os, 1024, 500_000),
        // What is left of the raw bandwidth where it is bytes that count, not records.
        ("os-8192", Level::Os, 8192, 64_000),
    ] {
        if chosen("produce") || chosen(name) {
            let case = Produce { level, size, records, partitions: 1, options: options(level) };
            runtime.block_on(case.run(rounds));
        }
    }
    if chosen("many") || chosen("burst") {
        println!("1,000 partitions: a burst within the journal's budget, then three times the budget and more:");
        let burst = Produce {
            level: Level::Fsync,
            size: 1024,
            // With those before, what the journal takes without being sorted.
            records: 170_000,
            partitions: 1000,
            options: options(Level::Fsync),
        };
        runtime.block_on(burst.run(rounds));
        if !chosen("many") {
            return;
        }
        let journal_bytes = 256 << 20;
        let options = DiskOptions { journal_bytes, file_bytes: journal_bytes / 8, ..options(Level::Fsync) };
        let steady = Produce { records: 1_000_000, options, ..burst };
        runtime.block_on(steady.run(rounds.min(5)));
    }
    if chosen("lone") {
        runtime.block_on(async { tokio::spawn(lone()).await.unwrap() });
    }
    if chosen("tasks") {
        runtime.block_on(tasks(rounds));
    }
    if chosen("cold") {
        runtime.block_on(cold(rounds));
    }
    if chosen("restart") {
        runtime.block_on(restart());
    }
}

fn options(level: Level) -> DiskOptions {
    DiskOptions { level, ..DiskOptions::default() }
}

/// A directory on the disk that is measured.
fn directory() -> tempfile::TempDir {
    let place = std::env::var_os("OTTLA_BENCH_DIR").map_or_else(|| PathBuf::from("target"), PathBuf::from);
    std::fs::create_dir_all(&place).unwrap();
    tempfile::tempdir_in(place).unwrap()
}

async fn open(directory: &Path, options: DiskOptions) -> (Client, DiskBackend) {
    let backend = DiskBackend::open(directory, options, &Env::system()).await.unwrap();
    let client = Client::builder().storage(backend.backend()).connect().await.unwrap();
    (client, backend)
}

#[derive(Clone, Copy)]
struct Produce {
    level: Level,
    size: usize,
    records: u64,
    partitions: i32,
    options: DiskOptions,
}

impl Produce {
    /// Records that are written before the measurement.
    const fn warm(self) -> u64 {
        (self.options.tail_bytes / self.size) as u64
    }

    async fn run(self, rounds: usize) {
        touch();
        let (mut rate, mut raw, mut cpu, mut chunk, mut amplification) =
            (Samples::default(), Samples::default(), Samples::default(), Samples::default(), Samples::default());
        for round in 0..=rounds {
            let place = directory();
            let (client, backend) = open(place.path(), self.options).await;
            let (seconds, spent) = tokio::spawn(produce(client, self)).await.unwrap();
            let stats = backend.logs().stats();
            let average = stats.journal_bytes as f64 / stats.groups as f64;
            drop((backend, place));
            let place = directory();
            let total = stats.journal_bytes.min(512 << 20);
            let limit = append(place.path(), total, average as usize, self.level == Level::Fsync).unwrap();
            if round > 0 {
                rate.push(self.records as f64 / seconds);
                raw.push(limit * (self.records + self.warm()) as f64 / stats.journal_bytes as f64);
                cpu.push(spent * 1e9 / self.records as f64);
                chunk.push(average);
                amplification.push(1.0 + stats.compacted_bytes as f64 / stats.journal_bytes as f64);
            }
        }
        println!("{} B, {} partition(s), {:?}:", self.size, self.partitions, self.level);
        println!("  produced       {rate}/s, {}B/s; {cpu} ns of CPU each", figure(rate.median() * self.size as f64));
        println!(
            "  of raw append  {} of {raw}/s; chunks of {chunk} B; write amplification {amplification}\n",
            rate.over(&raw)
        );
    }
}

/// Has the machine own the memory that is written to next, as far as it was asked for.
fn touch() {
    const PAGE: usize = 4096;
    let gib: usize = std::env::var("OTTLA_BENCH_TOUCH_GIB").map_or(0, |gib| gib.parse().unwrap());
    let mut memory = vec![0_u8; gib << 30];
    memory.chunks_mut(PAGE).for_each(|page| page[0] = 1);
    std::hint::black_box(memory);
}

/// Writes all records of a case; the seconds until all were acknowledged, and of CPU.
async fn produce(client: Client, case: Produce) -> (f64, f64) {
    let topic = TopicName::new("bench").unwrap();
    client.admin().create_topic(NewTopic::new(topic.as_str()).partitions(case.partitions)).await.unwrap();
    let producer = client.producer().build().await.unwrap();
    let value = Bytes::from(vec![7_u8; case.size]);
    let enqueue = async |records: u64| {
        for n in 0..records {
            let mut record = Record::to(topic.clone()).value(value.clone());
            if case.partitions > 1 {
                record = record.partition((n % case.partitions as u64) as i32);
            }
            drop(producer.enqueue(record).await.unwrap());
        }
        producer.flush().await.unwrap();
    };
    // The memory for the newest batches comes from the system page by page, once; the raw write's buffer is warm, too.
    enqueue(case.warm()).await;
    let watch = Watch::start();
    enqueue(case.records).await;
    let spent = watch.stop();
    client.close(Duration::from_secs(60)).await.unwrap();
    (spent.wall.as_secs_f64(), spent.cpu.as_secs_f64())
}

/// One record at a time, each followed by a raw append of as many bytes.
async fn lone() {
    const PAIRS: usize = 10_000;
    let (place, other) = (directory(), directory());
    let (client, backend) = open(place.path(), options(Level::Fsync)).await;
    client.admin().create_topic(NewTopic::new("lone").partitions(1)).await.unwrap();
    let producer = client.producer().build().await.unwrap();
    let value = Bytes::from(vec![7_u8; 100]);
    let mut raw = File::create(other.path().join("raw")).unwrap();
    let (mut ours, mut plain) = (Samples::default(), Samples::default());
    let before = backend.logs().stats();
    for _ in 0..PAIRS {
        let start = Instant::now();
        producer.send(Record::to("lone").value(value.clone())).await.unwrap();
        ours.push(start.elapsed().as_secs_f64() * 1e6);
        let start = Instant::now();
        raw.write_all(&value).unwrap();
        raw.sync_data().unwrap();
        plain.push(start.elapsed().as_secs_f64() * 1e6);
    }
    let stats = backend.logs().stats();
    println!("lone `send().await`, 100 B, {PAIRS} pairs with a raw append + fdatasync, µs:");
    for q in [0.5, 0.99] {
        let (ours, plain) = (ours.quantile(q), plain.quantile(q));
        println!("  p{:<3} {ours:.0} against {plain:.0}: × {:.2}", q * 100.0, ours / plain);
    }
    println!("  {:.3} syncs a record\n", (stats.syncs - before.syncs) as f64 / PAIRS as f64);
    client.close(Duration::from_secs(60)).await.unwrap();
}

/// One task that awaits each record, and 64 of them.
async fn tasks(rounds: usize) {
    let (mut one, mut many) = (Samples::default(), Samples::default());
    for round in 0..=rounds {
        for (count, samples) in [(1, &mut one), (64, &mut many)] {
            let place = directory();
            let (client, _backend) = open(place.path(), options(Level::Fsync)).await;
            client.admin().create_topic(NewTopic::new("tasks").partitions(1)).await.unwrap();
            let producer = client.producer().build().await.unwrap();
            let each = if count == 1 { 1_000 } else { 500 };
            let start = Instant::now();
            let running: Vec<_> = (0..count)
                .map(|_| {
                    let producer = producer.clone();
                    tokio::spawn(async move {
                        for _ in 0..each {
                            producer.send(Record::to("tasks").value("x".repeat(100))).await.unwrap();
                        }
                    })
                })
                .collect();
            for task in running {
                task.await.unwrap();
            }
            if round > 0 {
                samples.push(f64::from(count * each) / start.elapsed().as_secs_f64());
            }
            client.close(Duration::from_secs(60)).await.unwrap();
        }
    }
    println!("records one at a time: 1 task {one}/s, 64 tasks {many}/s: × {}\n", many.over(&one));
}

/// One partition among 1,000, written interleaved and compacted, then read by somebody who comes late.
async fn cold(rounds: usize) {
    const PARTITIONS: i32 = 1000;
    let place = directory();
    let journal_bytes = 64 << 20;
    let options =
        DiskOptions { journal_bytes, file_bytes: journal_bytes / 8, tail_bytes: 8 << 20, ..options(Level::Os) };
    let (client, backend) = open(place.path(), options).await;
    client.admin().create_topic(NewTopic::new("cold").partitions(PARTITIONS)).await.unwrap();
    let producer = client.producer().build().await.unwrap();
    let value = Bytes::from(vec![7_u8; 1024]);
    // Half of all goes to one partition, so that reading it takes a while.
    for n in 0..400_000_u64 {
        let partition = if n % 2 == 0 { 0 } else { (n / 2 % PARTITIONS as u64) as i32 };
        let record = Record::to("cold").partition(partition).value(value.clone());
        drop(producer.enqueue(record).await.unwrap());
    }
    producer.flush().await.unwrap();
    client.close(Duration::from_secs(60)).await.unwrap();
    drop(backend);
    let raw_place = directory();
    let raw_file = raw_place.path().join("raw");
    std::fs::write(&raw_file, vec![7_u8; 200 << 20]).unwrap();
    let mut cases: Vec<(Samples, Samples)> = vec![Default::default(); 4];
    for round in 0..=rounds {
        let (client, backend) = open(place.path(), options).await;
        let before = backend.logs().stats();
        // Each side once and again, so that what else the machine does falls on all of them.
        let mut spent = [(0.0, 0.0, 0_usize); 4];
        let mut count = 0;
        for _ in 0..COLD_PASSES {
            let (logs, reading) = (std::sync::Arc::clone(backend.logs()), client.clone());
            let watch = Watch::start();
            let bytes = tokio::spawn(async move { read_storage(&*logs).await }).await.unwrap();
            add(&mut spent[0], watch, bytes);
            let watch = Watch::start();
            let (bytes, records) = tokio::spawn(async move { read_sdk(&reading).await }).await.unwrap();
            count = records;
            add(&mut spent[1], watch, bytes);
            for (case, keeps) in [(2, false), (3, true)] {
                // Touched, so that the measurement holds no fault but those that the case is about.
                let mut buffer = vec![1; 1 << 20];
                let watch = Watch::start();
                let (bytes, kept) = read_plainly(&raw_file, &mut buffer, keeps);
                add(&mut spent[case], watch, bytes);
                drop(kept);
            }
        }
        let stats = backend.logs().stats();
        client.close(Duration::from_secs(60)).await.unwrap();
        if round > 0 {
            for ((rate, cpu), (seconds, spent, bytes)) in cases.iter_mut().zip(spent) {
                rate.push(bytes as f64 / seconds);
                cpu.push(spent * 1e9 / (bytes as f64 / 1024.0));
            }
        } else {
            let reads = stats.reads - before.reads;
            println!(
                "cold read of one partition among {PARTITIONS}: {count} records, {} reads of {} B on average a pass",
                reads / (2 * COLD_PASSES as u64),
                (stats.read_bytes - before.read_bytes).checked_div(reads).unwrap_or(0)
            );
        }
    }
    let names = [
        "storage alone (`PartitionReader::read`)",
        "through the SDK, each record decoded",
        "plain reads into one warm buffer",
        "plain reads into memory that is kept",
    ];
    for (name, (rate, cpu)) in names.iter().zip(&cases) {
        print!("  {name:<40} {rate} B/s; {cpu} ns of CPU a KiB");
        println!("; {} of warm, {} of kept", rate.over(&cases[2].0), rate.over(&cases[3].0));
    }
    println!();
}

/// How often a round reads everything.
const COLD_PASSES: usize = 10;

fn add(spent: &mut (f64, f64, usize), watch: Watch, bytes: usize) {
    let now = watch.stop();
    *spent = (spent.0 + now.wall.as_secs_f64(), spent.1 + now.cpu.as_secs_f64(), spent.2 + bytes);
}

/// Reads the largest partition through the storage's own interface; says how many bytes of batches.
async fn read_storage(logs: &dyn LogStorage) -> usize {
    let mut largest = None;
    for id in logs.list().await.unwrap() {
        let reader = logs.open_reader(id).await.unwrap();
        let bounds = reader.bounds();
        if largest.as_ref().is_none_or(|(most, _)| bounds.end.0 - bounds.start.0 > *most) {
            largest = Some((bounds.end.0 - bounds.start.0, reader));
        }
    }
    let (_, reader) = largest.unwrap();
    let (mut from, end) = (reader.bounds().start, reader.bounds().end);
    let mut bytes = 0;
    while from < end {
        let batches = reader.read(from, end, 1 << 20).await.unwrap();
        bytes += batches.iter().map(Batch::size_in_bytes).sum::<usize>();
        from = batches.last().unwrap().next_offset();
    }
    bytes
}

/// Reads the first partition as a service would; says how many bytes of values, and records.
async fn read_sdk(client: &Client) -> (usize, usize) {
    let reader = client.reader().partition("cold", 0).start(At::Earliest).to_end();
    let mut reader = reader.build().await.unwrap();
    let (mut bytes, mut count) = (0, 0);
    while let Some(batch) = reader.next_batch().await.unwrap() {
        for message in batch {
            bytes += message.unwrap().value().unwrap().len();
            count += 1;
        }
    }
    (bytes, count)
}

/// Reads a file to its end, a MiB at a time: into one buffer, or into one for each read, which is handed out.
fn read_plainly(path: &Path, buffer: &mut Vec<u8>, keeps: bool) -> (usize, Vec<Vec<u8>>) {
    let mut file = File::open(path).unwrap();
    let (mut bytes, mut kept) = (0, Vec::new());
    loop {
        match file.read(buffer).unwrap() {
            0 => return (bytes, kept),
            n => bytes += n,
        }
        if keeps {
            kept.push(std::mem::replace(buffer, vec![0; 1 << 20]));
        }
    }
}

/// 5 GiB, opened after the process that wrote them was killed, and after a clean end.
async fn restart() {
    let place = directory();
    let mut child = Command::new(std::env::current_exe().unwrap());
    let mut child = child.arg("fill").arg(place.path()).stdout(Stdio::piped()).spawn().unwrap();
    let mut told = [0];
    child.stdout.as_mut().unwrap().read_exact(&mut told).unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    for how in ["after `kill -9`", "after a clean end"] {
        let start = Instant::now();
        let (client, backend) = open(place.path(), options(Level::Os)).await;
        println!("restart with 5 GiB {how}: {:.2} s; {} MiB resident", start.elapsed().as_secs_f64(), resident() >> 20);
        client.close(Duration::from_secs(60)).await.unwrap();
        drop(backend);
    }
}

/// Writes 5 GiB, says so, and waits to be killed.
async fn fill(directory: &Path) {
    let (client, _backend) = open(directory, options(Level::Os)).await;
    client.admin().create_topic(NewTopic::new("big").partitions(16)).await.unwrap();
    let producer = client.producer().build().await.unwrap();
    let value = Bytes::from(vec![7_u8; 4096]);
    for n in 0..(5_u64 << 30) / 4096 {
        let record = Record::to("big").partition((n % 16) as i32).value(value.clone());
        drop(producer.enqueue(record).await.unwrap());
    }
    producer.flush().await.unwrap();
    println!("done");
    std::future::pending::<()>().await;
}

/// Bytes of memory that this process has; 0 where `/proc` does not tell.
fn resident() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages: u64 = statm.split_whitespace().nth(1).and_then(|field| field.parse().ok()).unwrap_or(0);
    pages * 4096
}
