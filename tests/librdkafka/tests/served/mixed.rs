//! Groups of our SDK's members and librdkafka's, and logs that both write.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use ottla::consumer::{Assignor, CooperativeSticky, Range, RoundRobin};
use ottla_librdkafka::{Served, Storage, ours, theirs};
use rdkafka::consumer::{CommitMode, Consumer};
use rdkafka::message::Message;
use tokio::sync::mpsc;

use super::groups::balanced;
use super::{on_every_storage, with_topic};

on_every_storage!(members_of_both_share_a_group, each_goes_on_where_the_other_committed, both_write_one_partition);

async fn members_of_both_share_a_group(storage: Storage) {
    let strategies: [(&str, Arc<dyn Assignor>); 3] = [
        ("range", Arc::new(Range)),
        ("roundrobin", Arc::new(RoundRobin)),
        ("cooperative-sticky", Arc::new(CooperativeSticky)),
    ];
    for (name, assignor) in strategies {
        for ours_leads in [true, false] {
            with_topic(storage, 6, async |served: &Served| {
                let client = ours::client(&served.address()).await;
                let join_theirs = || {
                    let theirs = theirs::consumer(&served.address(), "g", &[("partition.assignment.strategy", name)]);
                    theirs.subscribe(&["t"]).unwrap();
                    Arc::new(theirs)
                };
                let join_ours = async || {
                    let assignors = [Arc::clone(&assignor)];
                    ours::consumer(&client, "g", "t").assignors(assignors).build().await.unwrap()
                };
                // Who comes first leads, and divides for both.
                let (mut our, their) = if ours_leads {
                    let our = join_ours().await;
                    let handle = our.handle();
                    balanced(|| vec![ours::assignment(&handle)], 6).await;
                    (our, join_theirs())
                } else {
                    let their = join_theirs();
                    let polled = Arc::clone(&their);
                    let polling = tokio::spawn(async move { polled.recv().await.map(drop) });
                    balanced(|| vec![theirs::assignment(&*their)], 6).await;
                    polling.abort();
                    (join_ours().await, their)
                };
                let (seen, mut saw) = mpsc::unbounded_channel();
                let our_handle = our.handle();
                let told = seen.clone();
                let our_reading = tokio::spawn(async move {
                    while let Some(message) = our.next().await.unwrap() {
                        let what = (message.partition(), ours::number(message.value().map(|value| &value[..])));
                        message.ack();
                        told.send(what).unwrap();
                    }
                });
                let reads = Arc::clone(&their);
                let their_reading = tokio::spawn(async move {
                    loop {
                        let message = reads.recv().await.unwrap();
                        reads.commit_message(&message, CommitMode::Sync).unwrap();
                        seen.send((message.partition(), theirs::number(&message))).unwrap();
                    }
                });
                balanced(|| vec![ours::assignment(&our_handle), theirs::assignment(&*their)], 6).await;
                let producer = theirs::producer(&served.address(), &[]);
                let mut expected = BTreeSet::new();
                for partition in 0..6 {
                    theirs::send(&producer, "t", partition, 0..50).await;
                    expected.extend((0..50).map(|value| (partition, value)));
                }
                while !expected.is_empty() {
                    let seen = saw.recv().await.unwrap();
                    assert!(expected.remove(&seen), "{seen:?} came twice, and nobody left");
                }
                // One leaves, the other has all.
                if ours_leads {
                    our_handle.shutdown(ours::PATIENCE).await.unwrap();
                    balanced(|| vec![theirs::assignment(&*their)], 6).await;
                }
                their_reading.abort();
                let _ = their_reading.await;
                tokio::task::spawn_blocking(move || drop(their)).await.unwrap();
                if !ours_leads {
                    balanced(|| vec![ours::assignment(&our_handle)], 6).await;
                    our_handle.shutdown(ours::PATIENCE).await.unwrap();
                }
                our_reading.await.unwrap();
            })
            .await;
        }
    }
}

async fn each_goes_on_where_the_other_committed(storage: Storage) {
    with_topic(storage, 1, async |served: &Served| {
        let client = ours::client(&served.address()).await;
        let producer = client.producer().build().await.unwrap();
        ours::send(&producer, "t", 0, 0..60).await;
        for round in 0..3 {
            let mut our = ours::consumer(&client, "g", "t").build().await.unwrap();
            for expected in round * 20..round * 20 + 10 {
                let message = our.next().await.unwrap().unwrap();
                assert_eq!(message.offset().0, expected);
                message.ack();
            }
            our.handle().shutdown(ours::PATIENCE).await.unwrap();
            let settings = [("partition.assignment.strategy", "cooperative-sticky")];
            let their = theirs::consumer(&served.address(), "g", &settings);
            their.subscribe(&["t"]).unwrap();
            for expected in round * 20 + 10..round * 20 + 20 {
                let message = their.recv().await.unwrap();
                assert_eq!(message.offset(), expected);
                their.commit_message(&message, CommitMode::Sync).unwrap();
            }
            tokio::task::spawn_blocking(move || drop(their)).await.unwrap();
        }
    })
    .await;
}

async fn both_write_one_partition(storage: Storage) {
    with_topic(storage, 1, async |served: &Served| {
        let client = ours::client(&served.address()).await;
        let our = client.producer().build().await.unwrap();
        let their = theirs::producer(&served.address(), &[("enable.idempotence", "true"), ("compression.type", "lz4")]);
        tokio::join!(ours::send(&our, "t", 0, 0..2_000), theirs::send(&their, "t", 0, 10_000..12_000));
        let all = ours::numbers(&client, "t", 0).await;
        let (ours, theirs): (Vec<_>, Vec<_>) = all.into_iter().partition(|value| *value < 10_000);
        assert_eq!(ours, (0..2_000).collect::<Vec<_>>());
        assert_eq!(theirs, (10_000..12_000).collect::<Vec<_>>());
        tokio::time::timeout(Duration::from_secs(30), client.close(ours::PATIENCE)).await.unwrap().unwrap();
    })
    .await;
}
