//! A log moved into a bucket and out of it, by its URL.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use ottla::connect::Error;
use ottla::copy::Copy;
use ottla::{Client, NewTopic, Record};
use ottla_backends::memory::{MemoryBackend, MemoryOptions};
use ottla_broker_core::log::Backend;
use ottla_broker_core::record::Batch;
use ottla_broker_core::{Offset, PartitionId};
use ottla_tests::s3::S3Server;

use super::PATIENCE;
use super::backends::{Place, S3};
use super::copying::{check, fill, refusal, url};

/// Small groups and a small tail: most of a copy is read from objects, of which there are several.
fn settings(server: &S3Server) -> String {
    format!(
        "[object-store]\nendpoint = '{}'\nregion = 'local'\naccess_key_id = 'me'\nsecret_access_key = 'hush'\n\
         puts_per_second = 500\ngroup_bytes = 65536\ntail_bytes = 65536\njournal_bytes = 262144\n",
        server.url()
    )
}

fn copy(server: &S3Server, from: &str, to: &str) -> Copy {
    Copy::new(from, to).settings(&settings(server)).unwrap().verify(true)
}

async fn connect(server: &S3Server, url: &str) -> Result<Client, ottla::Error> {
    Client::from_config(&format!("url = '{url}'\n{}", settings(server))).await
}

/// Memory with what a group is in the midst of, and more than fits a tail.
async fn filled() -> MemoryBackend {
    let memory = MemoryBackend::new(MemoryOptions::default());
    let client = Client::over(memory.backend()).await.unwrap();
    fill(&client).await;
    client.admin().ensure_topic(NewTopic::new("blobs").partitions(3)).await.unwrap();
    let producer = client.producer().build().await.unwrap();
    for n in 0..60_u8 {
        let record = Record::to("blobs").partition(i32::from(n % 3)).value(vec![n; 10_000]);
        producer.send(record).await.unwrap();
    }
    client.close(PATIENCE).await.unwrap();
    memory
}

/// Start, end and batches of every log that has any.
async fn contents(backend: &Backend) -> BTreeMap<PartitionId, (Offset, Offset, Vec<Bytes>)> {
    let mut all = BTreeMap::new();
    for id in backend.logs.list().await.unwrap() {
        let log = backend.logs.open_reader(id).await.unwrap();
        let (start, end) = (log.bounds().start, log.bounds().durable_end);
        let batches = log.read(start, end, usize::MAX).await.unwrap();
        if end > Offset::ZERO {
            all.insert(id, (start, end, batches.iter().map(Batch::to_bytes).collect()));
        }
    }
    all
}

/// The endpoint and the keys are the table's, as for a client.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn memory_to_a_bucket_to_disk_and_back_is_the_same_in_every_byte() {
    let S3(server) = S3::fresh();
    let home = tempfile::tempdir().unwrap();
    let (old, file, new) = ("s3://logs/moved/old", url(home.path(), "log"), "s3://logs/moved/new");
    let memory = filled().await;
    let copied = copy(&server, "", old).from_storage(memory.reopen().backend()).run().await.unwrap();
    assert!(copied.report().verified && copied.report().records >= 80);
    for (from, to) in [(old, file.as_str()), (&file, new)] {
        let again = copy(&server, from, to).run().await.unwrap();
        assert_eq!(again.report().bytes, copied.report().bytes);
    }
    let back = MemoryBackend::new(MemoryOptions::default());
    let _ = copy(&server, new, "").to_storage(back.backend()).run().await.unwrap();
    let expected = contents(&memory.reopen().backend()).await;
    assert!(expected.len() >= 5);
    assert_eq!(expected, contents(&back.reopen().backend()).await);

    for url in [old, file.as_str(), new] {
        let client = connect(&server, url).await.unwrap();
        check(&client).await;
        client.close(PATIENCE).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn prefixes_that_cannot_be_are_refused() {
    let S3(server) = S3::fresh();
    let (old, new) = ("s3://logs/old", "s3://logs/new");
    let error = copy(&server, old, new).run().await.unwrap_err();
    assert!(matches!(error, ottla::Error::Copy(ottla::copy::Error::Nothing)), "{error}");
    assert!(server.objects("logs").is_empty(), "a refusal began a log");

    let client = connect(&server, old).await.unwrap();
    fill(&client).await;
    let memory = MemoryBackend::new(MemoryOptions::default());
    for copy in [copy(&server, old, new), copy(&server, "", old).from_storage(memory.backend())] {
        let error = refusal(copy).await;
        assert!(matches!(error, Error::InUseHere { .. }) && error.is_retriable(), "{error}");
    }
    client.close(PATIENCE).await.unwrap();
    // Another way to write the same prefix.
    let error = refusal(copy(&server, old, "S3://logs/%6fld/")).await;
    assert!(matches!(error, Error::OnePlace { .. }), "{error}");
    // At another endpoint it is another log.
    let S3(other) = S3::fresh();
    let error = copy(&other, old, new).run().await.unwrap_err();
    assert!(matches!(error, ottla::Error::Copy(ottla::copy::Error::Nothing)), "{error}");
    let error = refusal(copy(&server, old, "s3://nobody@logs/new")).await;
    assert!(matches!(error, Error::Malformed { .. }), "{error}");
}

/// Whoever comes after a copy that was dropped waits until the prefix is free, and does not meet it there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dropped_copy_gives_the_prefix_back_and_goes_on() {
    let S3(server) = S3::fresh();
    let to = "s3://logs/new";
    let memory = filled().await;
    let begun = Arc::new(tokio::sync::Notify::new());
    let tell = Arc::clone(&begun);
    let stopped = copy(&server, "", to).from_storage(memory.reopen().backend()).progress(move |_| tell.notify_one());
    tokio::select! {
        biased;
        () = begun.notified() => {}
        ended = stopped.run() => panic!("it ended unseen: {ended:?}"),
    }
    let error = connect(&server, to).await.unwrap_err().to_string();
    assert!(error.contains("unfinished copy"), "{error}");
    let copied = copy(&server, "", to).from_storage(memory.reopen().backend()).run().await.unwrap();
    assert!(copied.report().resumed);
    let client = connect(&server, to).await.unwrap();
    check(&client).await;
    client.close(PATIENCE).await.unwrap();
}
