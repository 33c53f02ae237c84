//! A log verified by its URL.

use std::os::unix::fs::FileExt;

use ottla::check::{Check, Report};
use ottla::connect::Error;
use ottla::{Client, NewTopic, Record};

use super::PATIENCE;
use super::backends::{Place, S3};
use super::copying::{fill, url};

async fn refusal(check: Check) -> Error {
    match check.run().await.unwrap_err() {
        ottla::Error::Connect(error) => error,
        other => panic!("{other}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_directory_is_read_to_its_last_byte() {
    let home = tempfile::tempdir().unwrap();
    let url = url(home.path(), "log");
    let client = Client::connect(&url).await.unwrap();
    fill(&client).await;
    let error = refusal(Check::new(&url)).await;
    assert!(matches!(error, Error::InUse { .. }) && error.is_retriable(), "{error}");
    client.close(PATIENCE).await.unwrap();

    let report = Check::new(&url).run().await.unwrap();
    assert!(report.is_sound() && !report.is_empty() && report.to_string().ends_with("sound"), "{report}");
    let Report::Disk(found) = report else { panic!("{report}") };
    let largest = found.files.iter().max_by_key(|file| file.live).unwrap();
    let path = home.path().join("log").join(&largest.name);
    let file = std::fs::File::options().read(true).write(true).open(path).unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, largest.used / 2).unwrap();
    file.write_all_at(&[byte[0] ^ 1], largest.used / 2).unwrap();
    let report = Check::new(&url).run().await.unwrap();
    assert!(!report.is_sound() && !report.is_empty(), "{report}");
}

/// The endpoint and the keys are those of a client's document, of which the rest is nobody's concern here.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_prefix_of_a_bucket_is_read_to_its_last_object() {
    let S3(server) = S3::fresh();
    let settings = format!(
        "[object-store]\nendpoint = '{}'\nregion = 'local'\naccess_key_id = 'me'\nsecret_access_key = 'hush'\n\
         [producer]\nlinger_ms = 1\n",
        server.url()
    );
    let check = || Check::new("s3://logs/checked").settings(&settings).unwrap();
    let report = check().run().await.unwrap();
    assert!(report.is_empty() && report.is_sound(), "{report}");
    let client = Client::from_config(&format!("url = 's3://logs/checked'\n{settings}")).await.unwrap();
    client.admin().ensure_topic(NewTopic::new("orders").partitions(1)).await.unwrap();
    client.producer().build().await.unwrap().send(Record::to("orders").value("paid")).await.unwrap();
    client.close(PATIENCE).await.unwrap();

    let report = check().run().await.unwrap();
    assert!(report.is_sound() && !report.is_empty(), "{report}");
    let Report::Bucket(found) = report else { panic!("{report}") };
    assert!(found.released && found.logs.iter().any(|log| log.batches > 0), "{found}");
    // Checkpoints, claims and leases are small and many; what holds records is a journal or a segment.
    let held = server.objects("logs").into_iter().map(|object| object.key);
    let held = held.filter(|key| key.contains("journal/") || key.contains("segments/")).collect::<Vec<_>>();
    assert!(!held.is_empty());
    for key in held {
        assert!(server.remove("logs", &key), "{key}");
    }
    match check().run().await {
        Ok(report) => assert!(!report.is_sound(), "{report}"),
        // What tells of the rest may be among them.
        Err(error) => assert!(error.to_string().contains("cannot open `s3://logs/checked`"), "{error}"),
    }
}

#[tokio::test]
async fn what_is_no_stored_log_is_refused() {
    let home = tempfile::tempdir().unwrap();
    let error = refusal(Check::new(url(home.path(), "none"))).await;
    assert!(matches!(error, Error::Directory { .. }), "{error}");
    assert!(!home.path().join("none").exists(), "a check made a directory");
    std::fs::create_dir(home.path().join("empty")).unwrap();
    let report = Check::new(url(home.path(), "empty")).run().await.unwrap();
    assert!(report.is_empty() && report.is_sound(), "{report}");
    for (url, expected) in [("memory://x", "in memory"), ("kafka://host:9092", "names brokers")] {
        let error = refusal(Check::new(url)).await;
        assert!(matches!(error, Error::NotCheckable { .. }) && error.to_string().contains(expected), "{error}");
    }
    let error = Check::new("file:///x").settings("nonsense = 1").unwrap_err().to_string();
    assert!(error.contains("`nonsense`"), "{error}");
}
