//! Groups whose coordinator is not ours.

use std::collections::BTreeSet;
use std::sync::Arc;

use ottla::consumer::{Assignor, CooperativeSticky, Handle, Range, RoundRobin};
use ottla::{Consumer, Producer};
use ottla_librdkafka::{ours, theirs};
use rdkafka::consumer::Consumer as _;
use rdkafka::mocking::MockCoordinator;
use rdkafka::types::RDKafkaApiKey as Api;
use rdkafka::types::RDKafkaRespErr as E;
use tokio::sync::mpsc;

use super::*;

/// Handles and acknowledges all that comes, until it ends. Who is told that the group has gone on without it joins again.
fn run(mut consumer: Consumer, seen: &mpsc::UnboundedSender<(i32, i64)>) -> tokio::task::JoinHandle<()> {
    let seen = seen.clone();
    tokio::spawn(async move {
        loop {
            let message = match consumer.next().await {
                Ok(Some(message)) => message,
                Ok(None) => return,
                Err(error) => {
                    assert!(!error.is_fatal(), "{error}");
                    continue;
                }
            };
            let what = (message.partition(), ours::number(message.value().map(|value| &value[..])));
            message.ack();
            seen.send(what).unwrap();
        }
    })
}

async fn send_everywhere(producer: &Producer, partitions: i32, values: std::ops::Range<i64>) -> BTreeSet<(i32, i64)> {
    for partition in 0..partitions {
        ours::send(producer, "t", partition, values.clone()).await;
    }
    (0..partitions).flat_map(|partition| values.clone().map(move |value| (partition, value))).collect()
}

async fn until_seen(seen: &mut mpsc::UnboundedReceiver<(i32, i64)>, mut expected: BTreeSet<(i32, i64)>) {
    while !expected.is_empty() {
        expected.remove(&seen.recv().await.unwrap());
    }
}

/// Waits until members share all partitions.
async fn shared(handles: &[&Handle], partitions: i32) {
    loop {
        let shares: Vec<_> = handles.iter().map(|handle| ours::assignment(handle)).collect();
        let all: BTreeSet<_> = shares.iter().flatten().copied().collect();
        let sum: usize = shares.iter().map(BTreeSet::len).sum();
        if shares.iter().all(|share| !share.is_empty()) && sum == all.len() && all == (0..partitions).collect() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

fn assignors() -> [Arc<dyn Assignor>; 3] {
    [Arc::new(Range), Arc::new(RoundRobin), Arc::new(CooperativeSticky)]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn members_share_commit_and_go_on_where_the_group_was() {
    in_time(async {
        for assignor in assignors() {
            let mock = mock(4);
            let client = client(&mock).await;
            let producer = client.producer().build().await.unwrap();
            let member = || member(&client).assignors([Arc::clone(&assignor)]);
            let (seen, mut saw) = mpsc::unbounded_channel();
            let (one, two) = (member().build().await.unwrap(), member().build().await.unwrap());
            let (first, second) = (one.handle(), two.handle());
            let running = [run(one, &seen), run(two, &seen)];
            shared(&[&first, &second], 4).await;
            let sent = send_everywhere(&producer, 4, 0..50).await;
            until_seen(&mut saw, sent).await;
            // One leaves, and the other has all.
            second.shutdown(ours::PATIENCE).await.unwrap();
            shared(&[&first], 4).await;
            let sent = send_everywhere(&producer, 4, 50..100).await;
            until_seen(&mut saw, sent).await;
            while first.commit().await.is_err() {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            first.shutdown(ours::PATIENCE).await.unwrap();
            for running in running {
                running.await.unwrap();
            }
            // A new one goes on: nothing comes to it a second time. To the others it may have: while the mock cluster
            // divides the group it takes no commits, as Kafka does until all have joined. So the last commit is tried again.
            let (seen, mut saw) = mpsc::unbounded_channel();
            let third = member().build().await.unwrap();
            let handle = third.handle();
            let running = run(third, &seen);
            shared(&[&handle], 4).await;
            let sent = send_everywhere(&producer, 4, 100..110).await;
            let mut expected = sent.clone();
            while !expected.is_empty() {
                let message = saw.recv().await.unwrap();
                assert!(sent.contains(&message), "{message:?} came again");
                expected.remove(&message);
            }
            handle.shutdown(ours::PATIENCE).await.unwrap();
            running.await.unwrap();
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_coordinator_moves() {
    in_time(async {
        let mock = mock(2);
        mock.coordinator(MockCoordinator::Group("g".to_owned()), 1).unwrap();
        let client = client(&mock).await;
        let producer = client.producer().build().await.unwrap();
        let (seen, mut saw) = mpsc::unbounded_channel();
        let consumer = member(&client).build().await.unwrap();
        let handle = consumer.handle();
        let running = run(consumer, &seen);
        shared(&[&handle], 2).await;
        for (round, broker) in (0..).zip([2, 3, 1]) {
            mock.coordinator(MockCoordinator::Group("g".to_owned()), broker).unwrap();
            let sent = send_everywhere(&producer, 2, round * 10..(round + 1) * 10).await;
            until_seen(&mut saw, sent).await;
            handle.commit().await.unwrap();
            let partition = handle.assignment().remove(0);
            let committed = handle.committed([partition]).await.unwrap();
            assert_eq!(committed[0].as_ref().unwrap().offset.0, (round + 1) * 10);
        }
        handle.shutdown(ours::PATIENCE).await.unwrap();
        running.await.unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn errors_of_the_coordinator_are_outlived() {
    in_time(async {
        let mock = mock(2);
        let client = client(&mock).await;
        let producer = client.producer().build().await.unwrap();
        let moved = [
            E::RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS,
            E::RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE,
            E::RD_KAFKA_RESP_ERR_NOT_COORDINATOR,
            E::RD_KAFKA_RESP_ERR__TRANSPORT,
        ];
        mock.request_errors(
            Api::FindCoordinator,
            &[E::RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE, E::RD_KAFKA_RESP_ERR__TRANSPORT],
        );
        for api in [Api::JoinGroup, Api::SyncGroup, Api::OffsetFetch, Api::Heartbeat] {
            mock.request_errors(api, &moved);
        }
        mock.request_errors(Api::SyncGroup, &[E::RD_KAFKA_RESP_ERR_REBALANCE_IN_PROGRESS]);
        let (seen, mut saw) = mpsc::unbounded_channel();
        let consumer = member(&client).build().await.unwrap();
        let handle = consumer.handle();
        let running = run(consumer, &seen);
        let sent = send_everywhere(&producer, 2, 0..10).await;
        until_seen(&mut saw, sent).await;
        mock.request_errors(Api::OffsetCommit, &moved);
        handle.commit().await.unwrap();
        for lost in [E::RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID, E::RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION] {
            mock.request_errors(Api::Heartbeat, &[lost]);
        }
        let sent = send_everywhere(&producer, 2, 10..20).await;
        until_seen(&mut saw, sent).await;
        shared(&[&handle], 2).await;
        handle.shutdown(ours::PATIENCE).await.unwrap();
        running.await.unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_group_of_ours_and_of_librdkafkas_members() {
    in_time(async {
        let mock = mock(4);
        let client = client(&mock).await;
        let producer = client.producer().build().await.unwrap();
        let theirs = theirs::consumer(&mock.bootstrap_servers(), "g", &[("partition.assignment.strategy", "range")]);
        theirs.subscribe(&["t"]).unwrap();
        let our = member(&client).assignors([Arc::new(Range) as Arc<dyn Assignor>]);
        let our = our.build().await.unwrap();
        let handle = our.handle();
        let (seen, mut saw) = mpsc::unbounded_channel();
        let running = run(our, &seen);
        let theirs = Arc::new(theirs);
        let watched = Arc::clone(&theirs);
        let reading = tokio::spawn(async move {
            loop {
                let message = watched.recv().await.unwrap();
                let what = (rdkafka::Message::partition(&message), theirs::number(&message));
                if seen.send(what).is_err() {
                    return;
                }
            }
        });
        loop {
            let (our, their) = (ours::assignment(&handle), theirs::assignment(&*theirs));
            if our.len() == 2 && their.len() == 2 && our.is_disjoint(&their) {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let sent = send_everywhere(&producer, 4, 0..50).await;
        until_seen(&mut saw, sent).await;
        reading.abort();
        handle.shutdown(ours::PATIENCE).await.unwrap();
        running.await.unwrap();
    })
    .await;
}
