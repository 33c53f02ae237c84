//! Commits follow a seek, also backwards.

use std::time::Duration;

use async_trait::async_trait;
use ottla_broker_core::Offset;

use crate::consumer::{Commit, Handle, RebalanceListener};
use crate::testing::{Call, TestCluster, World, run};
use crate::{At, Client, Consumer, NewTopic, Record, TopicName, TopicPartition};

fn partition() -> TopicPartition {
    TopicPartition::new(TopicName::new("t").unwrap(), 0)
}

/// A topic with twenty records.
async fn started(world: &World) -> (TestCluster, Client) {
    let cluster = TestCluster::start(world).await.unwrap();
    let client = cluster.client().await.unwrap();
    client.admin().create_topic(NewTopic::new("t")).await.unwrap();
    let producer = client.producer().build().await.unwrap();
    for n in 0..20 {
        producer.send(Record::to("t").value(n.to_string())).await.unwrap();
    }
    (cluster, client)
}

fn reading(client: &Client) -> crate::consumer::Builder {
    client.consumer("g").topics(["t"]).if_no_offset(At::Earliest).commit(Commit::Manual)
}

async fn handle_all(consumer: &mut Consumer, offsets: std::ops::Range<i64>) {
    for expected in offsets {
        let message = consumer.next().await.unwrap().unwrap();
        assert_eq!(message.offset(), Offset(expected));
        message.ack();
    }
}

async fn committed(handle: &Handle) -> Offset {
    handle.committed([partition()]).await.unwrap()[0].clone().unwrap().offset
}

/// Has everything read again from offset 5 on.
#[derive(Debug)]
struct Replay;

#[async_trait]
impl RebalanceListener for Replay {
    async fn assigned(&self, partitions: &[TopicPartition], handle: &Handle) {
        for partition in partitions {
            handle.seek(partition, At::Offset(Offset(5))).unwrap();
        }
    }
}

#[test]
fn commits_follow_a_seek_of_the_listener() {
    run(1, async |world| {
        let (_cluster, client) = started(&world).await;
        let mut first = reading(&client).build().await.unwrap();
        handle_all(&mut first, 0..20).await;
        first.handle().commit().await.unwrap();
        assert_eq!(committed(&first.handle()).await, Offset(20));
        first.handle().shutdown(Duration::from_secs(5)).await.unwrap();
        let mut second = reading(&client).on_rebalance(Replay).build().await.unwrap();
        handle_all(&mut second, 5..9).await;
        second.handle().commit().await.unwrap();
        assert_eq!(committed(&second.handle()).await, Offset(9), "after a crash the replay goes on");
    });
}

#[test]
fn a_commit_from_before_a_seek_does_not_count_after_it() {
    run(2, async |world| {
        let (cluster, client) = started(&world).await;
        let mut consumer = reading(&client).build().await.unwrap();
        let handle = consumer.handle();
        handle_all(&mut consumer, 0..10).await;
        cluster.delay_answers(Call::OffsetCommit, Duration::from_secs(1));
        // The first is on its way, and the second behind it, when the seek comes.
        let sought = async {
            world.env().sleep(Duration::from_millis(500)).await;
            handle.seek(&partition(), At::Offset(Offset(2))).unwrap();
        };
        let more = async {
            world.env().sleep(Duration::from_millis(100)).await;
            handle_all(&mut consumer, 10..15).await;
            handle.commit().await
        };
        let (first, second, ()) = tokio::join!(handle.commit(), more, sought);
        assert!(first.is_ok() && second.is_ok());
        assert_eq!(committed(&handle).await, Offset(10), "the second counts no more");
        handle_all(&mut consumer, 2..5).await;
        handle.commit().await.unwrap();
        assert_eq!(committed(&handle).await, Offset(5));
    });
}
