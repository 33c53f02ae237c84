//! `s3://bucket/prefix`: one broker under a prefix for the process, and what is wrong with a bucket.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use object_store::aws::AmazonS3Builder;
use ottla::connect::{Error, ObjectStoreOptions, Secret, StorageStats};
use ottla::{At, Client, Env, NewTopic, Record};
use ottla_backends::bucket::{BucketBackend, BucketOptions};
use ottla_broker_core::log::LogStorage;

use ottla_tests::s3::{Fault, Kind};

use super::backends::{Place, S3};
use super::{PATIENCE, produce, values};

const URL: &str = "s3://logs/orders/eu";

fn builder(place: &S3, url: &str) -> ottla::ClientBuilder {
    Client::builder().url(url).object_store(place.options())
}

async fn connect(place: &S3) -> Client {
    builder(place, URL).connect().await.unwrap()
}

fn connect_error(error: ottla::Error) -> Error {
    match error {
        ottla::Error::Connect(error) => error,
        other => panic!("{other}"),
    }
}

/// A broker's storage that this process's clients do not know of, as another process's would be.
async fn stranger(place: &S3, owner: &str) -> BucketBackend {
    let store = AmazonS3Builder::new()
        .with_endpoint(place.0.url())
        .with_allow_http(true)
        .with_bucket_name("logs")
        .with_region("local")
        .with_access_key_id("stranger")
        .with_secret_access_key("s")
        .build()
        .unwrap();
    let renew_every = Duration::from_millis(50);
    let options = BucketOptions { owner: owner.to_owned(), renew_every, ..BucketOptions::default() };
    BucketBackend::open(Arc::new(store), "orders/eu", options, &Env::system()).await.unwrap()
}

#[tokio::test]
async fn a_prefix_is_shared_whatever_it_is_called() {
    let place = S3::fresh();
    let (one, two) = tokio::join!(connect(&place), builder(&place, "S3://logs/orders%2Feu/").connect());
    let two = two.unwrap();
    one.admin().create_topic(NewTopic::new("t")).await.unwrap();
    produce(&one.producer().build().await.unwrap(), "t", 0, 0..3).await;
    // The first to close leaves the others their broker.
    one.close(PATIENCE).await.unwrap();
    assert_eq!(values(&two, "t", 0, At::Earliest).await, [0, 1, 2]);

    let mut other = place.options();
    other.log.in_flight = 9;
    let secret = ObjectStoreOptions { secret_access_key: Some(Secret::new("other-hush")), ..place.options() };
    for (builder, expected) in [
        (builder(&place, URL).broker_config("num.partitions", 4), "`num.partitions` is not set there and `4` here"),
        (builder(&place, URL).object_store(other), "`object-store.in_flight` is `4` there and `9` here"),
        (builder(&place, URL).object_store(secret), "`object-store.secret_access_key` is another one there"),
    ] {
        let error = connect_error(builder.connect().await.unwrap_err());
        assert!(matches!(error, Error::OtherOptions { .. }), "{error}");
        let error = error.to_string();
        assert!(error.contains(expected) && !error.contains("hush"), "{error}");
    }
    two.close(PATIENCE).await.unwrap();
    let again = connect(&place).await;
    assert_eq!(values(&again, "t", 0, At::Earliest).await, [0, 1, 2]);
}

#[tokio::test]
async fn the_same_name_at_another_endpoint_is_another_log() {
    let (here, there) = (S3::fresh(), S3::fresh());
    let (one, two) = (connect(&here).await, connect(&there).await);
    one.admin().create_topic(NewTopic::new("t")).await.unwrap();
    assert!(two.admin().list_topics().await.unwrap().is_empty());
    two.close(PATIENCE).await.unwrap();
    one.close(PATIENCE).await.unwrap();
}

#[tokio::test]
async fn a_live_owner_is_named_and_robbed_only_on_demand() {
    let place = S3::fresh();
    let other = stranger(&place, "billing on host-3").await;
    let error = connect_error(builder(&place, URL).connect().await.unwrap_err());
    assert!(matches!(error, Error::InUse { .. }) && error.is_retriable(), "{error:?}");
    let text = error.to_string();
    assert!(text.contains(URL) && text.contains("billing on host-3") && text.contains("take_over"), "{text}");

    let mut options = place.options();
    options.log.take_over = true;
    let client = Client::builder().url(URL).object_store(options).connect().await.unwrap();
    client.admin().create_topic(NewTopic::new("t")).await.unwrap();
    produce(&client.producer().build().await.unwrap(), "t", 0, 0..3).await;
    client.close(PATIENCE).await.unwrap();
    // Whoever had it cannot write behind it: its end says so, if it wrote anything at all.
    drop(other);
    let client = connect(&place).await;
    assert_eq!(values(&client, "t", 0, At::Earliest).await, [0, 1, 2]);
    client.close(PATIENCE).await.unwrap();
    // What was given back is free at once.
    stranger(&place, "another").await.logs().close().await.unwrap();
}

/// Whoever comes right after somebody who did not say goodbye finds the prefix free, with all that was acknowledged.
async fn dropping_and_connecting(place: &S3) {
    for round in 0..5 {
        let client = connect(place).await;
        for topic in ["t", "u"] {
            client.admin().ensure_topic(NewTopic::new(topic)).await.unwrap();
        }
        let producer = client.producer().build().await.unwrap();
        produce(&producer, "t", 0, round..round + 1).await;
        // It is under way when everything is dropped.
        drop(producer.enqueue(Record::to("u").value("v")).await);
    }
    let client = connect(place).await;
    assert_eq!(values(&client, "t", 0, At::Earliest).await, (0..5).collect::<Vec<_>>());
}

#[tokio::test]
async fn dropped_clients_free_the_prefix_on_one_thread() {
    dropping_and_connecting(&S3::fresh()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn dropped_clients_free_the_prefix_on_many_threads() {
    dropping_and_connecting(&S3::fresh()).await;
}

#[tokio::test]
async fn a_connect_that_is_given_up_leaves_the_prefix_free() {
    let place = S3::fresh();
    connect(&place).await.close(PATIENCE).await.unwrap();
    for polls in 1..6 {
        let mut given_up = Box::pin(connect(&place));
        for _ in 0..polls {
            if poll_fn(|cx| Poll::Ready(given_up.as_mut().poll(cx))).await.is_ready() {
                break;
            }
            tokio::task::yield_now().await;
        }
        drop(given_up);
        connect(&place).await.close(PATIENCE).await.unwrap();
    }
}

/// A test's runtime, or a service's, ends: the broker and its connections belong to whoever still has them.
#[test]
fn a_broker_outlives_the_runtime_that_opened_it() {
    let place = S3::fresh();
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (first, second) = (runtime(), runtime());
    let one = first.block_on(async {
        let client = connect(&place).await;
        client.admin().create_topic(NewTopic::new("t")).await.unwrap();
        produce(&client.producer().build().await.unwrap(), "t", 0, 0..3).await;
        client
    });
    let two = second.block_on(connect(&place));
    drop(one);
    drop(first);
    let going_on = async {
        produce(&two.producer().build().await.unwrap(), "t", 0, 3..6).await;
        assert_eq!(values(&two, "t", 0, At::Earliest).await, [0, 1, 2, 3, 4, 5]);
        two.close(PATIENCE).await.unwrap();
    };
    second.block_on(async { tokio::time::timeout(PATIENCE / 2, going_on).await }).expect("its tasks are gone");
}

#[tokio::test]
async fn what_it_cost_is_what_the_server_saw() {
    let place = S3::fresh();
    let client = connect(&place).await;
    client.admin().create_topic(NewTopic::new("t").partitions(10)).await.unwrap();
    place.0.faults().once(Kind::Put, Fault::InternalError);
    place.0.faults().once(Kind::Put, Fault::SlowDown);
    produce(&client.producer().build().await.unwrap(), "t", 3, 0..100).await;
    assert_eq!(values(&client, "t", 3, At::Earliest).await.len(), 100);
    client.close(PATIENCE).await.unwrap();
    let Some(StorageStats::Bucket(stats)) = client.storage_stats() else { panic!("{client:?}") };
    assert_eq!((stats.reads.count, stats.retries), (0, 2), "{stats:?}");
    let seen = place.0.requests().total().requests;
    assert_eq!(stats.writes() + stats.gets() + stats.deletes.count, seen, "{stats:?}");
}

#[tokio::test]
async fn what_does_not_answer_is_told_and_no_secret_is() {
    let place = S3::fresh();
    let options = place.options();
    assert!(!format!("{options:?}").contains("hush") && !format!("{:?}", builder(&place, URL)).contains("hush"));
    let mut gone = options.clone();
    (gone.log.request_timeout, gone.log.give_up_after) = (Duration::from_millis(200), Duration::from_millis(400));
    drop(place);
    let error = connect_error(Client::builder().url(URL).object_store(gone).connect().await.unwrap_err());
    assert!(matches!(error, Error::Storage { .. }), "{error:?}");
    for text in [error.to_string(), format!("{error:?}")] {
        assert!(text.contains(URL) && !text.contains("hush"), "{text}");
    }

    let place = S3::fresh();
    let absent = Client::builder().url("s3://nothing/orders").object_store(place.options());
    let text = connect_error(absent.connect().await.unwrap_err()).to_string();
    assert!(text.contains("s3://nothing/orders") && text.contains("404") && !text.contains("hush"), "{text}");
    // A bucket that is not there is not asked for again and again.
    assert_eq!(place.0.requests().total().requests, 1);
}
