#[cfg(feature = "object-store")]
mod bucket;
#[cfg(feature = "disk")]
mod disk;

use std::time::Duration;

use ottla_broker_core::api::ErrorCode;

use super::*;
use crate::{At, Client, Commit, NewTopic, Producer, Record};

const LIMIT: Duration = Duration::from_secs(5);

async fn started(world: &World) -> (TestCluster, Client, Producer) {
    let cluster = TestCluster::start(world).await.unwrap();
    let client = cluster.client().await.unwrap();
    client.admin().create_topic(NewTopic::new("t")).await.unwrap();
    let producer = client.producer().build().await.unwrap();
    (cluster, client, producer)
}

async fn values(client: &Client) -> Vec<String> {
    let mut reader = client.reader().topic("t").start(At::Earliest).to_end().build().await.unwrap();
    let mut values = Vec::new();
    while let Some(message) = reader.next().await.unwrap() {
        values.push(String::from_utf8(message.value().unwrap().to_vec()).unwrap());
    }
    values
}

#[test]
fn what_is_acknowledged_outlives_a_crash_and_what_is_held_back_does_not() {
    run(1, async |world| {
        let (cluster, client, producer) = started(&world).await;
        producer.send(Record::to("t").value("kept")).await.unwrap();
        cluster.hold_commits();
        let delivery = producer.enqueue(Record::to("t").value("held")).await.unwrap();
        let mut delivery = std::pin::pin!(delivery);
        assert!(world.env().timeout(LIMIT, delivery.as_mut()).await.is_err(), "acknowledged before it was durable");
        cluster.crash(Survives::Nothing);
        cluster.release_commits();
        assert!(cluster.broker().is_none());
        cluster.restart().await.unwrap();
        // The producer sends again what was lost, and it is there once.
        delivery.await.unwrap();
        assert_eq!(values(&client).await, ["kept", "held"]);
        let counts = cluster.counts();
        assert_eq!((counts.crashes, counts.restarts), (1, 1));
        assert!(counts.cut_off >= 1, "{counts:?}");
    });
}

#[test]
fn a_leader_that_moved_is_found() {
    run(2, async |world| {
        let (cluster, client, producer) = started(&world).await;
        producer.send(Record::to("t").value("a")).await.unwrap();
        for value in ["b", "c"] {
            cluster.move_leader("t", 0).unwrap();
            producer.send(Record::to("t").value(value)).await.unwrap();
        }
        assert_eq!(values(&client).await, ["a", "b", "c"]);
        let counts = cluster.counts();
        assert_eq!(counts.moves, 2);
        assert!(counts.not_leader >= 2, "{counts:?}");
    });
}

#[test]
fn scripted_faults_come_once_each() {
    run(3, async |world| {
        let (cluster, client, producer) = started(&world).await;
        cluster.fail_next_produce();
        cluster.lose_next_produce_answer();
        cluster.next(Call::Produce, Fault::Silence);
        cluster.next(Call::Produce, Fault::Delay(Duration::from_secs(1)));
        for value in ["a", "b", "c"] {
            producer.send(Record::to("t").value(value)).await.unwrap();
        }
        cluster.fail_next(Call::ListOffsets, ErrorCode::RequestTimedOut);
        assert_eq!(values(&client).await, ["a", "b", "c"]);
        let counts = cluster.counts();
        assert_eq!((counts.failed, counts.lost_answers, counts.silences, counts.delayed_answers), (2, 1, 1, 1));
    });
}

#[test]
fn full_and_poisoned_storage_come_back() {
    run(4, async |world| {
        let (cluster, client, producer) = started(&world).await;
        cluster.storage_by_chance(StorageFault::Full, 1000);
        let mut delivery = std::pin::pin!(producer.enqueue(Record::to("t").value("a")).await.unwrap());
        assert!(world.env().timeout(LIMIT, delivery.as_mut()).await.is_err());
        assert!(cluster.storage_faults(StorageFault::Full) >= 1);
        cluster.heal();
        delivery.await.unwrap();
        cluster.poison_storage();
        let mut delivery = std::pin::pin!(producer.enqueue(Record::to("t").value("b")).await.unwrap());
        assert!(world.env().timeout(LIMIT, delivery.as_mut()).await.is_err());
        cluster.heal();
        delivery.await.unwrap();
        assert_eq!(values(&client).await, ["a", "b"]);
    });
}

#[test]
fn what_is_durable_on_a_poisoned_storage_is_read_to_the_end() {
    run(7, async |world| {
        let (cluster, client, producer) = started(&world).await;
        for value in ["a", "b"] {
            producer.send(Record::to("t").value(value)).await.unwrap();
        }
        cluster.poison_storage();
        let mut delivery = std::pin::pin!(producer.enqueue(Record::to("t").value("c")).await.unwrap());
        // The leader is elected anew several times meanwhile, and its storage does not open.
        assert!(world.env().timeout(Duration::from_secs(20), delivery.as_mut()).await.is_err());
        let read = world.env().timeout(LIMIT, values(&client)).await;
        assert_eq!(read.expect("it waits for what cannot be read"), ["a", "b"]);
        // By a client that knows only the newest epoch, too.
        let late = cluster.client().await.unwrap();
        let read = world.env().timeout(LIMIT, values(&late)).await;
        assert_eq!(read.expect("it waits for what cannot be read"), ["a", "b"]);
        cluster.heal();
        delivery.await.unwrap();
        assert_eq!(values(&client).await, ["a", "b", "c"]);
    });
}

#[test]
fn a_poisoned_storage_that_cannot_be_read_is_told_in_time() {
    run(8, async |world| {
        let (cluster, client, producer) = started(&world).await;
        producer.send(Record::to("t").value("a")).await.unwrap();
        cluster.poison_storage();
        let mut delivery = std::pin::pin!(producer.enqueue(Record::to("t").value("b")).await.unwrap());
        assert!(world.env().timeout(LIMIT, delivery.as_mut()).await.is_err());
        cluster.storage_by_chance(StorageFault::FailRead, 1000);
        let reader = client.reader().topic("t").start(At::Earliest).to_end().retry_timeout(LIMIT);
        let mut reader = reader.build().await.unwrap();
        let read = world.env().timeout(LIMIT * 2, reader.next()).await.expect("it tries for ever");
        let error = read.unwrap_err();
        assert_eq!(error.kafka_code(), Some(ErrorCode::KafkaStorageError));
        assert!(error.to_string().contains("t-0"), "{error}");
    });
}

#[test]
fn a_replaced_broker_acknowledges_nothing() {
    run(5, async |world| {
        let (cluster, client, producer) = started(&world).await;
        producer.send(Record::to("t").value("a")).await.unwrap();
        cluster.supersede(500).await.unwrap();
        for value in ["b", "c", "d", "e"] {
            producer.send(Record::to("t").value(value)).await.unwrap();
        }
        assert!(cluster.counts().sent_to_old >= 1);
        cluster.heal();
        assert_eq!(values(&client).await, ["a", "b", "c", "d", "e"]);
    });
}

#[test]
fn clocks_can_be_wrong_and_tasks_are_counted() {
    run(6, async |world| {
        let (cluster, client, producer) = started(&world).await;
        let right = world.env().wall_ms();
        cluster.clock().set_skew_ms(3_600_000);
        let broker = cluster.broker().unwrap();
        assert_eq!(broker.env().wall_ms() - right, 3_600_000);
        drop(broker);
        assert!(world.tasks().live().contains_key("ottla-keeper"), "{:?}", world.tasks().live());
        client.close(LIMIT).await.unwrap();
        drop((producer, client));
        cluster.shutdown().await.unwrap();
        drop(cluster);
        world.assert_no_tasks().await;
    });
}

#[test]
fn one_seed_is_one_run() {
    let chance = |seed| {
        run(seed, async |world| {
            let (cluster, _client, producer) = started(&world).await;
            cluster.by_chance(Call::Produce, 500, Fault::LoseAnswer);
            for value in 0..20 {
                producer.send(Record::to("t").value(value.to_string())).await.unwrap();
            }
            (cluster.counts(), world.elapsed())
        })
    };
    assert_eq!(chance(7), chance(7));
    assert_ne!(chance(7), chance(8));
}

#[test]
fn a_pause_holds_a_batch_back_whose_commit_is_on_its_way() {
    run(8, async |world| {
        let cluster =
            TestCluster::builder(&world).broker_config("group.initial.rebalance.delay.ms", 0).start().await.unwrap();
        let client = cluster.client().await.unwrap();
        client.admin().create_topic(NewTopic::new("t")).await.unwrap();
        let producer = client.producer().build().await.unwrap();
        producer.send(Record::to("t").value("a")).await.unwrap();
        let env = world.env();
        cluster.next(Call::OffsetCommit, Fault::Delay(LIMIT));
        let mut consumer = client.consumer("g").topics(["t"]).commit(Commit::BeforeHandover).build().await.unwrap();
        assert!(env.timeout(Duration::from_secs(2), consumer.next()).await.is_err());
        assert_eq!(cluster.counts().delayed_answers, 1, "the commit is not on its way");
        let own = consumer.handle().assignment();
        consumer.handle().pause(&own[0]).unwrap();
        assert!(env.timeout(2 * LIMIT, consumer.next()).await.is_err(), "handed over while it was paused");
        consumer.handle().resume(&own[0]).unwrap();
        let message = env.timeout(LIMIT, consumer.next()).await.unwrap().unwrap().unwrap();
        assert_eq!(message.offset(), crate::Offset::ZERO);
    });
}

#[test]
fn a_pause_holds_the_rest_of_a_batch_back_that_was_just_let_go() {
    run(9, async |world| {
        let cluster =
            TestCluster::builder(&world).broker_config("group.initial.rebalance.delay.ms", 0).start().await.unwrap();
        let client = cluster.client().await.unwrap();
        client.admin().create_topic(NewTopic::new("t").partitions(2)).await.unwrap();
        let producer = client.producer().linger(Duration::from_millis(100)).build().await.unwrap();
        for _ in 0..3 {
            for partition in 0..2 {
                drop(producer.enqueue(Record::to("t").partition(partition).value("a")).await.unwrap());
            }
        }
        producer.flush().await.unwrap();
        let env = world.env();
        let mut consumer = client.consumer("g").topics(["t"]).build().await.unwrap();
        let handle = consumer.handle();
        let mut next = async || env.timeout(LIMIT, consumer.next()).await.map(|next| next.unwrap().unwrap()).ok();
        let place = |message: &crate::consumer::Message| (message.partition(), message.offset().0);
        let first = place(&next().await.unwrap());
        let paused = crate::TopicPartition::new(crate::TopicName::new("t").unwrap(), first.0);
        handle.pause(&paused).unwrap();
        let other = place(&next().await.unwrap());
        assert_ne!(other.0, first.0);
        handle.resume(&paused).unwrap();
        assert_eq!(place(&next().await.unwrap()), (other.0, 1), "batches take turns, not messages");
        handle.pause(&paused).unwrap();
        assert_eq!(place(&next().await.unwrap()), (other.0, 2));
        assert!(next().await.is_none(), "handed over while it was paused");
        handle.resume(&paused).unwrap();
        assert_eq!(place(&next().await.unwrap()), (first.0, 1));
        assert_eq!(place(&next().await.unwrap()), (first.0, 2));
    });
}
