//! Memory and allocations of a whole process, counted: a binary of its own, with one test at a time.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "test code on the real runtime: a panic is the verdict"
)]

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use ottla::{At, Client, NewTopic, Record, TopicName};
use ottla_backends::memory::{Commit, MemoryBackend, MemoryOptions};
use ottla_tests::counting::{self, Counting};
use ottla_tests::fuzz;
use tokio::sync::{Mutex, MutexGuard};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// The counters are the process's: tests take turns.
async fn turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::const_new(());
    TURN.lock().await
}

async fn client(memory: &MemoryBackend, partitions: i32) -> (Client, TopicName) {
    let client = Client::over(memory.backend()).await.unwrap();
    client.admin().create_topic(NewTopic::new("t").partitions(partitions)).await.unwrap();
    (client, TopicName::new("t").unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_costs_no_allocation_beyond_its_batch() {
    let _turn = turn().await;
    const RECORDS: u64 = 200_000;
    let (client, topic) = client(&MemoryBackend::new(MemoryOptions::default()), 4).await;
    let producer = client.producer().build().await.unwrap();
    let value = Bytes::from(vec![7; 100]);
    let keys: Vec<Bytes> = (0..64).map(|key| Bytes::from(format!("key-{key}"))).collect();

    let before = counting::allocations();
    for key in keys.iter().cycle().take(RECORDS as usize) {
        let record = Record::to(topic.clone()).key(key.clone()).value(value.clone());
        drop(producer.enqueue(record).await.unwrap());
    }
    producer.flush().await.unwrap();
    let produced = counting::allocations() - before;

    let before = counting::allocations();
    let mut reader = client.reader().topic("t").start(At::Earliest).to_end().build().await.unwrap();
    let mut read = 0;
    while let Some(messages) = reader.next_batch().await.unwrap() {
        read += messages.map(|message| message.unwrap()).filter(|message| message.value().is_some()).count() as u64;
    }
    let consumed = counting::allocations() - before;
    client.close(Duration::from_secs(5)).await.unwrap();

    println!("allocations: {produced} for {RECORDS} produced, {consumed} for {read} consumed");
    assert_eq!(read, RECORDS);
    // What is left is per batch and per request. A slow machine makes smaller batches: hence the margin.
    assert!(produced * 5 < RECORDS, "{produced} allocations for {RECORDS} records");
    assert!(consumed * 5 < RECORDS, "{consumed} allocations for {RECORDS} records");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_producer_that_outruns_its_storage_stays_within_its_bound() {
    let _turn = turn().await;
    const BOUND: usize = 8 << 20;
    // Nothing becomes durable until the test says so: the producer is as fast as it likes.
    let memory = MemoryBackend::new(MemoryOptions { commit: Commit::Manual, ..MemoryOptions::default() });
    let committer = {
        let logs = Arc::clone(&memory.logs);
        // Metadata goes another way; only records wait for `commit`.
        move || logs.commit()
    };
    let (client, topic) = client(&memory, 4).await;
    let producer = client.producer().max_unacked_bytes(BOUND).build().await.unwrap();
    let value = Bytes::from(vec![7; 1000]);

    counting::reset_peak();
    let before = counting::live_bytes();
    let mut sent = 0_u32;
    let mut refused = 0_u32;
    for round in 0..40 {
        // Far more than fits: most are refused, and what was refused comes back.
        for _ in 0..10_000 {
            match producer.try_enqueue(Record::to(topic.clone()).value(value.clone())) {
                Ok(delivery) => {
                    sent += 1;
                    drop(delivery);
                }
                Err(full) => {
                    assert_eq!(full.record.value_bytes().map(Bytes::len), Some(1000));
                    refused += 1;
                }
            }
            assert!(producer.unacked_bytes() <= BOUND);
        }
        if round < 3 {
            tokio::task::yield_now().await;
        }
    }
    let peak = counting::peak_bytes() - before;
    println!("peak {peak} bytes over {BOUND} unacknowledged; {sent} taken, {refused} refused");
    assert!(refused > 300_000, "the bound never held anything back");
    // The bound counts records; the batches that hold them have room to grow and headers.
    assert!(peak < BOUND * 5 / 2, "{peak} bytes at the peak under a bound of {BOUND}");

    // Everything that was taken is delivered.
    let flush = tokio::spawn({
        let producer = producer.clone();
        async move { producer.flush().await }
    });
    while !flush.is_finished() {
        committer();
        tokio::task::yield_now().await;
    }
    flush.await.unwrap().unwrap();
    assert_eq!(producer.unacked_bytes(), 0);
    let ends = client.admin().offsets("t", ottla::OffsetSpec::Latest).await.unwrap();
    let total: i64 = ends.values().map(|end| end.unwrap().0).sum();
    assert_eq!(total, i64::from(sent));
    client.close(Duration::from_secs(5)).await.unwrap();
}

/// The short form of the program `fuzz`.
#[tokio::test]
async fn decoders_of_what_strangers_send_stay_within_their_bounds() {
    let _turn = turn().await;
    let executions = std::env::var("OTTLA_FUZZ_EXECUTIONS").map_or(20_000, |text| text.parse().unwrap());
    let report = fuzz::run(1, 0, executions).unwrap_or_else(|finding| panic!("{finding}"));
    println!("{report}");
    assert_eq!((report.executions(), report.idle()), (executions, Vec::new()));
}

#[tokio::test]
async fn what_fuzzing_found_once_stays_mended() {
    let _turn = turn().await;
    let mut files = 0;
    for entry in std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz")).unwrap() {
        let path = entry.unwrap().path();
        fuzz::run_file(&path).unwrap_or_else(|what| panic!("{what}"));
        files += 1;
    }
    assert!(files > 0);
}
