//! `file:///path`: one broker in a directory for the process, and what is wrong with a directory.

use std::collections::BTreeMap;
use std::error::Error as _;
use std::fs;
use std::future::poll_fn;
use std::io::{BufRead, BufReader, ErrorKind, Read};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::{Command, Stdio};
use std::task::Poll;

use ottla::connect::{DiskOptions, Error, Level};
use ottla::{At, Client, Durability, NewTopic, Record};
use ottla_broker_core::log;

use super::{PATIENCE, produce, values};

const DIRECTORY: &str = "OTTLA_TEST_DIRECTORY";

fn url(directory: &Path) -> String {
    format!("file://{}", directory.display())
}

async fn refusal(url: &str) -> Error {
    match Client::connect(url).await.unwrap_err() {
        ottla::Error::Connect(error) => error,
        other => panic!("{other}"),
    }
}

/// Every file's bytes by its name.
fn contents(directory: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(directory).unwrap().map(Result::unwrap);
    let files = entries.filter(|entry| entry.file_type().unwrap().is_file());
    files.map(|entry| (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap())).collect()
}

/// A log of three records, closed.
async fn fill(directory: &Path) {
    let client = Client::connect(url(directory)).await.unwrap();
    client.admin().ensure_topic(NewTopic::new("t")).await.unwrap();
    produce(&client.producer().build().await.unwrap(), "t", 0, 0..3).await;
    client.close(PATIENCE).await.unwrap();
}

#[tokio::test]
async fn a_directory_is_shared_whatever_it_is_called() {
    let home = tempfile::tempdir().unwrap();
    let directory = home.path().join("a log");
    let encoded = format!("{}/a%20log", url(home.path()));
    let (one, two) = tokio::join!(Client::connect(&encoded), Client::connect(&encoded));
    let (one, two) = (one.unwrap(), two.unwrap());
    symlink(&directory, home.path().join("link")).unwrap();
    let linked = Client::connect(format!("{}/./link/", url(home.path()))).await.unwrap();
    one.admin().create_topic(NewTopic::new("t")).await.unwrap();
    produce(&one.producer().build().await.unwrap(), "t", 0, 0..3).await;
    // The first to close leaves the others their broker.
    one.close(PATIENCE).await.unwrap();
    assert_eq!(values(&two, "t", 0, At::Earliest).await, [0, 1, 2]);
    assert_eq!(values(&linked, "t", 0, At::Earliest).await, [0, 1, 2]);

    let os = DiskOptions { level: Level::Os, ..DiskOptions::default() };
    for (builder, expected) in [
        (Client::builder().broker_config("num.partitions", 4), "`num.partitions` is not set there and `4` here"),
        (Client::builder().disk(os), "`disk.durability` is `fsync` there and `os` here"),
    ] {
        let error = builder.url(&encoded).connect().await.unwrap_err();
        assert!(matches!(error, ottla::Error::Connect(Error::OtherOptions { .. })));
        assert!(error.to_string().contains(expected), "{error}");
    }
    two.close(PATIENCE).await.unwrap();
    linked.close(PATIENCE).await.unwrap();
    // With the last client the directory is free, and other options are as good.
    let again = Client::builder().disk(os).url(&encoded).connect().await.unwrap();
    assert_eq!(values(&again, "t", 0, At::Earliest).await, [0, 1, 2]);
}

#[tokio::test]
async fn the_receipt_says_what_the_table_asked_for() {
    let home = tempfile::tempdir().unwrap();
    for (durability, expected) in [("fsync", Durability::Fsync), ("os", Durability::OsBuffer)] {
        let toml = format!("url = '{}'\n[disk]\ndurability = '{durability}'", url(home.path()));
        let client = Client::from_config(&toml).await.unwrap();
        client.admin().ensure_topic(NewTopic::new("t")).await.unwrap();
        let receipt = client.producer().build().await.unwrap().send(Record::to("t").value("v")).await.unwrap();
        assert_eq!(receipt.durability, expected);
        client.close(PATIENCE).await.unwrap();
    }
    // The same configuration serves another URL.
    Client::from_config("url = 'memory://'\n[disk]\ndurability = 'os'").await.unwrap();
    let zero = DiskOptions { file_bytes: 0, ..DiskOptions::default() };
    let error = Client::builder().url(url(home.path())).disk(zero).connect().await.unwrap_err();
    assert!(error.to_string().contains("`disk.file_bytes` cannot be 0"), "{error}");
}

/// Whoever comes right after somebody who did not say goodbye finds the directory free, with all that was acknowledged.
async fn dropping_and_connecting(home: &Path) {
    // Small files: what was not closed is searched to its end by whoever opens it.
    let small = DiskOptions { journal_bytes: 4 << 20, file_bytes: 512 << 10, ..DiskOptions::default() };
    let connect = || Client::builder().url(url(home)).disk(small).connect();
    for round in 0..10 {
        let client = connect().await.unwrap();
        for topic in ["t", "u"] {
            client.admin().ensure_topic(NewTopic::new(topic)).await.unwrap();
        }
        let producer = client.producer().build().await.unwrap();
        produce(&producer, "t", 0, round..round + 1).await;
        // It is under way when everything is dropped.
        drop(producer.enqueue(Record::to("u").value("v")).await);
    }
    let client = connect().await.unwrap();
    assert_eq!(values(&client, "t", 0, At::Earliest).await, (0..10).collect::<Vec<_>>());
}

#[tokio::test]
async fn dropped_clients_free_the_directory_on_one_thread() {
    let home = tempfile::tempdir().unwrap();
    dropping_and_connecting(home.path()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn dropped_clients_free_the_directory_on_many_threads() {
    let home = tempfile::tempdir().unwrap();
    dropping_and_connecting(home.path()).await;
}

#[tokio::test]
async fn a_connect_that_is_given_up_leaves_the_directory_free() {
    let home = tempfile::tempdir().unwrap();
    fill(home.path()).await;
    for polls in 1..12 {
        let url = url(home.path());
        let mut given_up = Box::pin(Client::connect(&url));
        for _ in 0..polls {
            if poll_fn(|cx| Poll::Ready(given_up.as_mut().poll(cx))).await.is_ready() {
                break;
            }
            tokio::task::yield_now().await;
        }
        drop(given_up);
        let client = Client::connect(&url).await.unwrap();
        assert_eq!(values(&client, "t", 0, At::Earliest).await, [0, 1, 2]);
        client.close(PATIENCE).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn closing_and_connecting_at_once_is_one_after_the_other() {
    let home = tempfile::tempdir().unwrap();
    fill(home.path()).await;
    for _ in 0..10 {
        let url = url(home.path());
        let one = Client::connect(&url).await.unwrap();
        let (closed, two) = tokio::join!(one.close(PATIENCE), Client::connect(&url));
        closed.unwrap();
        let two = two.unwrap();
        assert_eq!(values(&two, "t", 0, At::Earliest).await, [0, 1, 2]);
        two.close(PATIENCE).await.unwrap();
    }
}

/// The other process of the test below: has the directory until it is killed.
#[tokio::test]
#[ignore = "the other process of `a_second_process_is_refused_until_the_first_is_gone`"]
async fn holder() {
    let Some(directory) = std::env::var_os(DIRECTORY) else { return };
    let client = Client::connect(url(directory.as_ref())).await.unwrap();
    client.admin().create_topic(NewTopic::new("t")).await.unwrap();
    produce(&client.producer().build().await.unwrap(), "t", 0, 0..3).await;
    println!("\nheld");
    std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
}

#[tokio::test]
async fn a_second_process_is_refused_until_the_first_is_gone() {
    let home = tempfile::tempdir().unwrap();
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["sdk::shared_disk::holder", "--exact", "--ignored", "--nocapture"])
        .env(DIRECTORY, home.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap() == "held"), "the child never held the directory");
    let url = url(home.path());
    let error = refusal(&url).await;
    assert!(matches!(error, Error::InUse { .. }) && error.is_retriable(), "{error:?}");
    let (error, process) = (error.to_string(), format!("is in use by process {}", child.id()));
    assert!(error.contains(&url) && error.contains(&process) && error.contains("another directory"), "{error}");
    child.kill().unwrap();
    child.wait().unwrap();
    // What it had acknowledged is there.
    let client = Client::connect(&url).await.unwrap();
    assert_eq!(values(&client, "t", 0, At::Earliest).await, [0, 1, 2]);
}

#[tokio::test]
async fn what_is_no_directory_is_named() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("file");
    fs::write(&file, "mine").unwrap();
    for path in [file.clone(), file.join("below")] {
        let error = refusal(&url(&path)).await;
        let Error::Directory { directory, source, .. } = &error else { panic!("{error:?}") };
        assert_eq!((directory, source.kind()), (&path, ErrorKind::NotADirectory), "{error:?}");
        assert!(error.source().is_some() && !error.is_retriable());
        assert!(error.to_string().contains(&url(&path)), "{error}");
    }
    assert_eq!(fs::read(&file).unwrap(), b"mine");
}

#[tokio::test]
async fn a_directory_that_is_read_only_is_named() {
    let home = tempfile::tempdir().unwrap();
    let (empty, full) = (home.path().join("empty"), home.path().join("full"));
    fs::create_dir(&empty).unwrap();
    fill(&full).await;
    let before = contents(&full);
    for directory in [&empty, &full] {
        fs::set_permissions(directory, fs::Permissions::from_mode(0o555)).unwrap();
    }
    for name in before.keys() {
        fs::set_permissions(full.join(name), fs::Permissions::from_mode(0o444)).unwrap();
    }
    if fs::write(empty.join("probe"), "").is_ok() {
        println!("\nSKIPPED: this user may write to a read-only directory (it is root, perhaps): nothing was tested");
        return;
    }
    for directory in [&empty, &full] {
        let error = refusal(&url(directory)).await;
        let Error::Directory { source, .. } = &error else { panic!("{error:?}") };
        assert_eq!(source.kind(), ErrorKind::PermissionDenied, "{error:?}");
        assert!(error.to_string().contains("Permission denied"), "{error}");
        fs::set_permissions(directory, fs::Permissions::from_mode(0o755)).unwrap();
    }
    assert_eq!(contents(&full), before);
}

#[tokio::test]
async fn foreign_files_are_left_alone() {
    let home = tempfile::tempdir().unwrap();
    fs::write(home.path().join("notes.txt"), "mine").unwrap();
    fs::write(home.path().join("0000.journal.bak"), "mine too").unwrap();
    fs::create_dir_all(home.path().join("lost+found/deep")).unwrap();
    symlink("/nowhere/at/all", home.path().join("dangling")).unwrap();
    for _ in 0..2 {
        fill(home.path()).await;
    }
    let after = contents(home.path());
    assert_eq!((&after["notes.txt"][..], &after["0000.journal.bak"][..]), (&b"mine"[..], &b"mine too"[..]));
    assert!(home.path().join("lost+found/deep").is_dir());
    assert!(fs::read_link(home.path().join("dangling")).is_ok());
    let client = Client::connect(url(home.path())).await.unwrap();
    assert_eq!(values(&client, "t", 0, At::Earliest).await, [0, 1, 2, 0, 1, 2]);
}

/// The newest checkpoint after `change`.
fn change_checkpoint(directory: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let (name, mut bytes) =
        contents(directory).into_iter().rfind(|(_, bytes)| bytes.starts_with(b"OTCK")).expect("a checkpoint");
    change(&mut bytes);
    fs::write(directory.join(name), bytes).unwrap();
}

async fn unusable(directory: &Path, expected: &str) {
    let before = contents(directory);
    let error = refusal(&url(directory)).await;
    let Error::Storage { source, .. } = &error else { panic!("{error:?}") };
    assert_eq!(source.kind(), log::ErrorKind::Corrupt, "{error:?}");
    assert!(error.source().is_some() && !error.is_retriable());
    let error = error.to_string();
    assert!(error.contains(&url(directory)) && error.contains(expected), "{error}");
    assert!(contents(directory).into_iter().all(|(name, bytes)| name == "lock" || before[&name] == bytes));
}

#[tokio::test]
async fn a_newer_version_and_damage_are_told_and_not_touched() {
    let home = tempfile::tempdir().unwrap();
    fill(home.path()).await;
    change_checkpoint(home.path(), |bytes| {
        // Its version, and the CRC over all but itself.
        bytes[5] = 2;
        let crc = crc32c::crc32c_append(crc32c::crc32c(&bytes[..60]), &bytes[64..]);
        bytes[60..64].copy_from_slice(&crc.to_be_bytes());
    });
    unusable(home.path(), "version 2; this release knows version 1 only").await;

    let home = tempfile::tempdir().unwrap();
    fill(home.path()).await;
    change_checkpoint(home.path(), |bytes| bytes[70] ^= 1);
    unusable(home.path(), "checkpoint").await;
}
