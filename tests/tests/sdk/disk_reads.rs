//! Consumers that keep up read nothing from disk, whoever reads old records beside them.

use bytes::Bytes;
use ottla::{At, Client, NewTopic, Record};
use ottla_backends::disk::{DiskBackend, DiskOptions, Level};
use ottla_broker_core::env::Env;

use super::PATIENCE;

const MIB: usize = 1 << 20;

async fn open(directory: &std::path::Path, tail_bytes: usize) -> (Client, DiskBackend) {
    let options = DiskOptions {
        level: Level::Os,
        journal_bytes: 8 * MIB as u64,
        file_bytes: MIB as u64,
        tail_bytes,
        cold_bytes: 4 * MIB,
        ..DiskOptions::default()
    };
    let backend = DiskBackend::open(directory, options, &Env::system()).await.unwrap();
    let client = Client::builder().storage(backend.backend()).connect().await.unwrap();
    (client, backend)
}

/// Produces `records` of 1 KiB each to one topic, a hundred at a time, and reads each hundred as soon as it is there.
async fn produce_and_keep_up(client: &Client, topic: &'static str, records: u64) {
    let producer = client.producer().build().await.unwrap();
    let mut reader = client.reader().topic(topic).start(At::Latest).build().await.unwrap();
    let value = Bytes::from(vec![5; 1024]);
    for _ in 0..records / 100 {
        for n in 0..100_i32 {
            drop(producer.enqueue(Record::to(topic).partition(n % 4).value(value.clone())).await.unwrap());
        }
        producer.flush().await.unwrap();
        for _ in 0..100 {
            let message = tokio::time::timeout(PATIENCE, reader.next()).await.unwrap().unwrap().unwrap();
            assert_eq!(message.value(), Some(&value));
        }
    }
}

/// Reads a topic from its beginning; says how many records.
async fn read_all(client: &Client, topic: &str) -> u64 {
    let mut reader = client.reader().topic(topic).start(At::Earliest).to_end().build().await.unwrap();
    let mut count = 0;
    while let Some(batch) = tokio::time::timeout(PATIENCE, reader.next_batch()).await.unwrap().unwrap() {
        for message in batch {
            assert_eq!(message.unwrap().value().unwrap().len(), 1024);
            count += 1;
        }
    }
    count
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn consumers_that_keep_up_read_nothing_from_disk() {
    let directory = tempfile::tempdir().unwrap();
    let (client, backend) = open(directory.path(), 4 * MIB).await;
    client.admin().ensure_topic(NewTopic::new("hot").partitions(4)).await.unwrap();
    // Several times what stays in memory, and what is in the journal before it is sorted.
    produce_and_keep_up(&client, "hot", 20_000).await;
    let stats = backend.logs().stats();
    assert_eq!((stats.reads, stats.read_bytes), (0, 0));
    assert!(stats.journal_bytes > 20_000_000, "{stats:?}");
    // What it counts is what is read: an old record is not in memory any more.
    assert_eq!(read_all(&client, "hot").await, 20_000);
    assert!(backend.logs().stats().reads > 0);
    client.close(PATIENCE).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cold_reader_evicts_nothing_that_a_consumer_needs_who_keeps_up() {
    let directory = tempfile::tempdir().unwrap();
    let (client, backend) = open(directory.path(), 4 * MIB).await;
    for topic in ["old", "hot"] {
        client.admin().ensure_topic(NewTopic::new(topic).partitions(4)).await.unwrap();
    }
    produce_and_keep_up(&client, "old", 20_000).await;
    client.close(PATIENCE).await.unwrap();
    drop(backend);
    // Opened anew: nothing of it is in memory.
    let (client, backend) = open(directory.path(), 4 * MIB).await;
    let producer = client.producer().build().await.unwrap();
    let mut hot = client.reader().topic("hot").start(At::Latest).build().await.unwrap();
    let mut cold = client.reader().topic("old").start(At::Earliest).to_end().build().await.unwrap();
    let value = Bytes::from(vec![5; 1024]);
    let mut count = 0;
    let mut rounds = 0;
    loop {
        for n in 0..100_i32 {
            drop(producer.enqueue(Record::to("hot").partition(n % 4).value(value.clone())).await.unwrap());
        }
        producer.flush().await.unwrap();
        // The cold reader comes between the hot records and who reads them. It asks only while it is asked.
        let mut ended = false;
        for _ in 0..20 {
            match tokio::time::timeout(PATIENCE, cold.next_batch()).await.unwrap().unwrap() {
                Some(batch) => count += batch.map(Result::unwrap).count(),
                None => ended = true,
            }
        }
        let before = backend.logs().stats().reads;
        for _ in 0..100 {
            let message = tokio::time::timeout(PATIENCE, hot.next()).await.unwrap().unwrap().unwrap();
            assert_eq!(message.value(), Some(&value));
        }
        assert_eq!(backend.logs().stats().reads, before, "after {rounds} rounds, {count} cold records");
        rounds += 1;
        if ended {
            break;
        }
    }
    assert_eq!(count, 20_000);
    let stats = backend.logs().stats();
    assert!(stats.read_bytes > 20_000_000 && rounds > 5, "{rounds} {stats:?}");
    client.close(PATIENCE).await.unwrap();
}
