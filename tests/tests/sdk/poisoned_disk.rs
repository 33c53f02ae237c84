//! A directory in which a write fails for real.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use ottla::connect::{DiskOptions, Error};
use ottla::{At, Client, NewTopic, Record};

use super::{PATIENCE, produce, values};

const DIRECTORY: &str = "OTTLA_POISONED_DIRECTORY";

/// From now on no write of this process may go past so many bytes of a file. As `prlimit` takes it: the soft limit, and a colon.
fn limit(bytes: &str) -> bool {
    let limit = format!("--fsize={bytes}");
    let set = Command::new("prlimit").args(["--pid", &std::process::id().to_string(), &limit]).status();
    set.is_ok_and(|set| set.success())
}

/// The process in which files may not grow: the limit is the whole process's.
#[tokio::test]
#[ignore = "the process of `a_poisoned_directory_is_opened_anew_when_all_have_closed`"]
async fn limited() {
    let Some(directory) = std::env::var_os(DIRECTORY) else { return };
    let url = format!("file://{}", Path::new(&directory).display());
    let small = DiskOptions { journal_bytes: 4 << 20, file_bytes: 512 << 10, ..DiskOptions::default() };
    let connect = || Client::builder().url(&url).disk(small).connect();
    let one = connect().await.unwrap();
    let two = connect().await.unwrap();
    one.admin().create_topic(NewTopic::new("t")).await.unwrap();
    let producer = one
        .producer()
        .delivery_timeout(Duration::from_millis(500))
        .request_timeout(Duration::from_millis(200))
        .build()
        .await
        .unwrap();
    produce(&producer, "t", 0, 0..3).await;
    assert!(limit("4096:"));
    producer.send(Record::to("t").value("lost")).await.unwrap_err();
    assert!(limit("unlimited:"));
    drop(producer);
    // What was acknowledged is there for who has the directory open, to its end.
    for client in [&one, &two] {
        assert_eq!(values(client, "t", 0, At::Earliest).await, [0, 1, 2]);
    }
    for client in [one, two] {
        let ottla::Error::Connect(error) = connect().await.unwrap_err() else { panic!("another error") };
        assert!(matches!(error, Error::Poisoned { .. }), "{error:?}");
        assert!(error.to_string().contains("close all clients of it"), "{error}");
        let _ = client.close(PATIENCE).await;
    }
    let again = connect().await.unwrap();
    let there = values(&again, "t", 0, At::Earliest).await;
    assert_eq!(there[..3], [0, 1, 2]);
    produce(&again.producer().build().await.unwrap(), "t", 0, 3..6).await;
    again.close(PATIENCE).await.unwrap();
    println!("\nopened anew");
}

#[tokio::test]
async fn a_poisoned_directory_is_opened_anew_when_all_have_closed() {
    if Command::new("prlimit").arg("--version").output().is_err() {
        eprintln!("skipped: there is no `prlimit`, with which a write can be made to fail");
        return;
    }
    let home = tempfile::tempdir().unwrap();
    let exe = std::env::current_exe().unwrap();
    // The signal that comes with it would end the process, and a write is to fail instead.
    let output = Command::new("sh")
        .args(["-c", "trap '' XFSZ; exec \"$0\" --exact sdk::poisoned_disk::limited --ignored --nocapture"])
        .arg(exe)
        .env(DIRECTORY, home.path())
        .output()
        .unwrap();
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && out.contains("opened anew"), "{out}{err}");
}
