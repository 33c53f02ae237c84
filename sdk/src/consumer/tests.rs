//! Consumers in a world of their own time.

mod seeks;

use std::time::Duration;

use ottla_broker_core::Offset;

use super::Error;
use super::membership::Trouble;
use crate::testing::{Call, TestCluster, World, run};
use crate::{At, Client, Consumer, ErrorCode, NewTopic, Record, TopicName, TopicPartition};

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

#[test]
fn offsets_for_times_follow_leaders_and_create_nothing() {
    run(3, async |world| {
        let cluster =
            TestCluster::builder(&world).broker_config("auto.create.topics.enable", true).start().await.unwrap();
        let client = cluster.client().await.unwrap();
        client.admin().create_topic(NewTopic::new("t").partitions(3)).await.unwrap();
        let consumer = client.consumer("g").topics(["t"]).build().await.unwrap();
        let handle = consumer.handle();
        let producer = client.producer().build().await.unwrap();
        for partition in 0..3 {
            producer.send(Record::to("t").partition(partition).timestamp_ms(7).value("x")).await.unwrap();
        }
        let at = |topic: &str, partition| TopicPartition::new(TopicName::new(topic).unwrap(), partition);
        let times = || [(at("t", 2), 5), (at("t", 0), 8), (at("t", 1), 7)];
        let expected = [Some(Offset(0)), None, Some(Offset(0))];
        // What the client remembers is out of date.
        cluster.move_leader("t", 2).unwrap();
        assert_eq!(handle.offsets_for_times(times()).await.unwrap(), expected);
        // And it moves while it is asked for.
        cluster.fail_next(Call::ListOffsets, ErrorCode::NotLeaderOrFollower);
        assert_eq!(handle.offsets_for_times(times()).await.unwrap(), expected);
        for missing in [at("misspelt", 0), at("t", 3)] {
            let error = handle.offsets_for_times([(missing.clone(), 0)]).await.unwrap_err();
            assert_eq!(error.kafka_code(), Some(ErrorCode::UnknownTopicOrPartition));
            assert!(error.to_string().contains(&missing.to_string()), "{error}");
        }
        assert!(client.admin().describe_topic("misspelt").await.is_err());
        assert!(handle.offsets_for_times([]).await.unwrap().is_empty());
    });
}

#[test]
fn who_is_dropped_while_it_shuts_down_has_the_time_that_was_given() {
    run(3, async |world| {
        let (cluster, client, mut consumer) = started(&world).await;
        client.producer().build().await.unwrap().send(Record::to("t").value("one")).await.unwrap();
        consumer.next().await.unwrap().unwrap().ack();
        let handle = consumer.handle();
        // Longer than a consumer that is only dropped may take.
        cluster.delay_answers(Call::OffsetCommit, Duration::from_secs(8));
        let dropped = async {
            assert!(consumer.next().await.unwrap().is_none());
            drop(consumer);
        };
        let (ended, ()) = tokio::join!(handle.shutdown(Duration::from_secs(60)), dropped);
        ended.unwrap();
        let place = TopicPartition::new(TopicName::new("t").unwrap(), 0);
        let committed = client.admin().group_offsets("g").await.unwrap();
        assert_eq!(committed[&place].offset, Offset(1));
    });
}
