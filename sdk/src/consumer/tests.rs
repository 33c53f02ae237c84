//! Consumers in a world of their own time.

mod seeks;

use std::time::Duration;

use super::Error;
use super::membership::Trouble;
use crate::testing::{TestCluster, World, run};
use crate::{At, Client, Consumer, NewTopic, Record, TopicName, TopicPartition};

const INTERVAL: Duration = Duration::from_secs(10);

async fn started(world: &World) -> (TestCluster, Client, Consumer) {
    let cluster = TestCluster::start(world).await.unwrap();
    let client = cluster.client().await.unwrap();
    client.admin().create_topic(NewTopic::new("t")).await.unwrap();
    let consumer = client.consumer("g").topics(["t"]).if_no_offset(At::Earliest).max_poll_interval(INTERVAL);
    let consumer = consumer.build().await.unwrap();
    (cluster, client, consumer)
}

#[test]
fn who_waits_for_a_message_is_not_busy() {
    run(1, async |world| {
        let (_cluster, client, mut consumer) = started(&world).await;
        let handle = consumer.handle();
        let producer = client.producer().build().await.unwrap();
        producer.send(Record::to("t").value("a")).await.unwrap();
        consumer.next().await.unwrap().unwrap().ack();
        let next = consumer.next();
        let sends = async {
            world.env().sleep(INTERVAL * 20).await;
            assert_eq!(handle.assignment().len(), 1, "taken away from one who waits");
            producer.send(Record::to("t").value("b")).await.unwrap();
        };
        let (message, ()) = tokio::join!(next, sends);
        assert_eq!(message.unwrap().unwrap().value(), Some(&"b".into()));
    });
}

#[test]
fn who_is_busy_is_told_after_the_poll_interval_and_not_before() {
    run(2, async |world| {
        let (_cluster, client, mut consumer) = started(&world).await;
        let partition = TopicPartition::new(TopicName::new("t").unwrap(), 0);
        let producer = client.producer().build().await.unwrap();
        producer.send(Record::to("t").value("a")).await.unwrap();
        let late = consumer.next().await.unwrap().unwrap();
        world.env().sleep(INTERVAL - Duration::from_millis(10)).await;
        assert_eq!(consumer.handle().assignment(), [partition]);
        // Polls wake nobody: the background task learns of the last one when it next wakes, and counts from there.
        world.env().sleep(INTERVAL).await;
        assert!(consumer.handle().assignment().is_empty(), "others wait for it");
        assert_eq!(late.ack(), super::Acked::Revoked);
        let error = consumer.next().await.unwrap_err();
        assert!(matches!(&error, Error::Membership { trouble: Trouble::PollInterval { .. }, .. }), "{error}");
        assert_eq!(consumer.next().await.unwrap().unwrap().value(), Some(&"a".into()), "rejoined");
    });
}
