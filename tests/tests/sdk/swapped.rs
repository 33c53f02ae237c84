//! A service swaps `file://` for `s3://` in its configuration, and nothing else.

use ottla::connect::StorageStats;
use ottla::{At, Client, Durability, NewTopic};
use ottla_tests::s3::{Options, S3Server};

use super::{PATIENCE, produce, values};

/// The service: all that it knows of its log is this text.
async fn serve(config: &str) -> (Client, Durability) {
    let client = Client::from_config(config).await.unwrap();
    client.admin().ensure_topic(NewTopic::new("orders").partitions(3)).await.unwrap();
    let producer = client.producer().build().await.unwrap();
    let before = values(&client, "orders", 1, At::Earliest).await.len() as i64;
    produce(&producer, "orders", 1, before..before + 10).await;
    let record = ottla::Record::to("orders").partition(0).value("0");
    let receipt = producer.send(record).await.unwrap();
    assert_eq!(values(&client, "orders", 1, At::Earliest).await, (0..before + 10).collect::<Vec<_>>());
    let mut consumer = client.consumer("billing").topics(["orders"]).if_no_offset(At::Earliest).build().await.unwrap();
    consumer.next().await.unwrap().unwrap().ack();
    drop(consumer);
    (client, receipt.durability)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_url_alone_says_where_the_log_is() {
    let server = S3Server::start(Options { buckets: vec!["logs".to_owned()], ..Options::default() }).unwrap();
    let home = tempfile::tempdir().unwrap();
    let config = |url: &str| {
        format!(
            "url = '{url}'\nclient_id = 'billing'\n\
             [broker]\n'num.partitions' = 3\n\
             [disk]\ndurability = 'fsync'\n\
             [object-store]\nendpoint = '{}'\naccess_key_id = 'me'\nsecret_access_key = 'hush'\nputs_per_second = 100\n\
             [producer]\nlinger_ms = 1\n",
            server.url()
        )
    };
    let file = format!("file://{}", home.path().display());
    for (url, durability) in [
        (file.as_str(), Durability::Fsync),
        ("s3://logs/orders", Durability::ObjectStore),
        ("memory://", Durability::Memory),
    ] {
        // A second run of it finds what the first one wrote.
        for _ in 0..2 {
            let (client, reached) = serve(&config(url)).await;
            assert_eq!(reached, durability, "{url}");
            client.close(PATIENCE).await.unwrap();
            let counted = client.storage_stats();
            match durability {
                Durability::Fsync => assert!(matches!(counted, Some(StorageStats::Disk(disk)) if disk.syncs > 0)),
                Durability::ObjectStore => {
                    assert!(matches!(counted, Some(StorageStats::Bucket(bucket)) if bucket.journal.count > 0));
                }
                _ => assert_eq!(counted, None),
            }
        }
    }
    assert!(!server.objects("logs").is_empty() && server.objects("logs").iter().all(|o| o.key.starts_with("orders/")));
}
