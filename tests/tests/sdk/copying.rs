//! A log moved by its URL.

use std::path::Path;
use std::sync::{Arc, Mutex};

use ottla::connect::Error;
use ottla::copy::{Copy, Progress, Stage};
use ottla::{At, Client, Commit, NewTopic};
use ottla_backends::memory::{MemoryBackend, MemoryOptions};

use super::{PATIENCE, number, produce, values};

pub(super) fn url(directory: &Path, name: &str) -> String {
    format!("file://{}/{name}", directory.display())
}

/// Twenty records, of which a group has handled twelve.
pub(super) async fn fill(client: &Client) {
    client
        .admin()
        .ensure_topic(NewTopic::new("emails").partitions(1).config("retention.ms", "123456789"))
        .await
        .unwrap();
    produce(&client.producer().build().await.unwrap(), "emails", 0, 0..20).await;
    let consumer = client.consumer("mailer").topics(["emails"]).if_no_offset(At::Earliest).commit(Commit::Manual);
    let mut consumer = consumer.build().await.unwrap();
    for expected in 0..12 {
        let message = consumer.next().await.unwrap().unwrap();
        assert_eq!(number(&message), expected);
        message.ack();
    }
    consumer.handle().commit().await.unwrap();
    drop(consumer);
}

/// What was filled is there, and the group goes on.
pub(super) async fn check(client: &Client) {
    let configs = client.admin().describe_configs("emails").await.unwrap();
    assert!(configs.iter().any(|config| config.name == "retention.ms" && config.value == "123456789"));
    assert_eq!(values(client, "emails", 0, At::Earliest).await, (0..20).collect::<Vec<_>>());
    let consumer = client.consumer("mailer").topics(["emails"]).if_no_offset(At::Earliest);
    let mut consumer = consumer.build().await.unwrap();
    assert_eq!(number(&consumer.next().await.unwrap().unwrap()), 12);
}

pub(super) async fn refusal(copy: Copy) -> Error {
    match copy.run().await.unwrap_err() {
        ottla::Error::Connect(error) => error,
        other => panic!("{other}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_group_goes_on_at_the_other_url() {
    let home = tempfile::tempdir().unwrap();
    let (old, new) = (url(home.path(), "old"), url(home.path(), "new"));
    let client = Client::connect(&old).await.unwrap();
    fill(&client).await;
    client.close(PATIENCE).await.unwrap();

    let seen = Arc::new(Mutex::new(Vec::<Progress>::new()));
    let told = Arc::clone(&seen);
    let copy = Copy::new(&old, &new).verify(true).progress(move |progress| told.lock().unwrap().push(progress));
    let copied = copy.run().await.unwrap();
    assert!(copied.report().records >= 20 && copied.report().verified);
    let seen = std::mem::take(&mut *seen.lock().unwrap());
    assert!(seen.windows(2).all(|pair| pair[0].fraction() <= pair[1].fraction()));
    assert_eq!(seen.last().unwrap().stage, Stage::Finished);

    let client = Client::connect(&new).await.unwrap();
    check(&client).await;
    client.close(PATIENCE).await.unwrap();
    let again = Copy::new(&old, &new).run().await.unwrap_err();
    assert!(again.to_string().contains("finished copy"), "{again}");
}

/// From disk into memory and back, which lives as long as what `run` gave.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn memory_by_name_is_a_place_too() {
    let home = tempfile::tempdir().unwrap();
    let (old, new, name) = (url(home.path(), "old"), url(home.path(), "new"), "memory://copying-there-and-back");
    let client = Client::connect(&old).await.unwrap();
    fill(&client).await;
    client.close(PATIENCE).await.unwrap();

    let copied = ottla::copy(&old, name).await.unwrap();
    let client = Client::connect(name).await.unwrap();
    let error = refusal(Copy::new(name, &new)).await;
    assert!(matches!(error, Error::InUseHere { .. }) && error.is_retriable(), "{error}");
    client.close(PATIENCE).await.unwrap();
    let _back = ottla::copy(name, &new).await.unwrap();
    drop(copied);
    let client = Client::connect(&new).await.unwrap();
    check(&client).await;
    client.close(PATIENCE).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn places_that_cannot_be_are_refused() {
    let home = tempfile::tempdir().unwrap();
    let (old, new) = (url(home.path(), "old"), url(home.path(), "new"));
    let error = refusal(Copy::new(&old, &new)).await;
    assert!(matches!(error, Error::Directory { .. }), "{error}");
    assert!(!home.path().join("old").exists() && !home.path().join("new").exists(), "a refusal made a directory");

    let client = Client::connect(&old).await.unwrap();
    fill(&client).await;
    for (from, to) in [(&old, &new), (&new, &old)] {
        std::fs::create_dir_all(home.path().join("new")).unwrap();
        let error = refusal(Copy::new(from, to)).await;
        assert!(matches!(error, Error::InUseHere { .. }), "{error}");
    }
    client.close(PATIENCE).await.unwrap();
    // Another way to write the same directory.
    let error = refusal(Copy::new(&old, url(home.path(), "new/../old"))).await;
    assert!(matches!(error, Error::OnePlace { .. }), "{error}");
    let error = refusal(Copy::new(&old, "memory://")).await;
    assert!(error.to_string().contains("give it a name"), "{error}");
    let error = refusal(Copy::new(&old, "kafka://host:9092")).await;
    assert!(matches!(error, Error::NoLog { .. }), "{error}");
}

/// A client of an unfinished copy would write where records are still to come.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_connects_to_what_is_unfinished() {
    let home = tempfile::tempdir().unwrap();
    let new = url(home.path(), "new");
    let memory = MemoryBackend::new(MemoryOptions::default());
    let client = Client::over(memory.backend()).await.unwrap();
    fill(&client).await;
    client.close(PATIENCE).await.unwrap();
    // Stopped when it has begun: whoever is told of the first progress drops it.
    let begun = Arc::new(tokio::sync::Notify::new());
    let tell = Arc::clone(&begun);
    let copy = Copy::new("", &new).from_storage(memory.reopen().backend()).progress(move |_| tell.notify_one());
    tokio::select! {
        biased;
        () = begun.notified() => {}
        ended = copy.run() => panic!("it ended unseen: {ended:?}"),
    }
    let error = Client::connect(&new).await.unwrap_err().to_string();
    assert!(error.contains("unfinished copy") && error.contains("`copy`"), "{error}");
    let copied = Copy::new("", &new).from_storage(memory.reopen().backend()).verify(true).run().await.unwrap();
    assert!(copied.report().resumed);
    let client = Client::connect(&new).await.unwrap();
    check(&client).await;
    client.close(PATIENCE).await.unwrap();
}
