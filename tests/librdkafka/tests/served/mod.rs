//! librdkafka's clients against our server: each test on every storage.

mod admin;
mod consume;
mod groups;
mod login;
mod mixed;
mod produce;

use std::time::Duration;

use ottla_librdkafka::{Served, Storage, theirs};

/// Whatever is not done by then is not going to be.
async fn in_time<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(100), what).await.expect("it hangs")
}

/// Runs a test against a server that has a topic `t`, and ends the server in order.
async fn with_topic(storage: Storage, partitions: i32, test: impl AsyncFnOnce(&Served)) {
    in_time(async {
        let served = Served::start(storage).await;
        theirs::create_topic(&served.address(), "t", partitions).await;
        test(&served).await;
        served.stop().await;
    })
    .await;
}

/// A module of tests for each storage.
macro_rules! on_every_storage {
    ($($test:ident),* $(,)?) => {
        mod memory {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)] async fn $test() { super::$test(ottla_librdkafka::Storage::Memory).await })*
        }
        mod disk {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)] async fn $test() { super::$test(ottla_librdkafka::Storage::Disk).await })*
        }
        mod bucket {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)] async fn $test() { super::$test(ottla_librdkafka::Storage::Bucket).await })*
        }
    };
}
use on_every_storage;
