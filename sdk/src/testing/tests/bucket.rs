//! A cluster in a bucket whose answers get lost.

use std::time::Duration;

use super::values;
use crate::connect::BucketOptions;
use crate::testing::{Builder, Survives, TestCluster, World, run};
use crate::{Client, NewTopic, Producer, Record};

fn options() -> BucketOptions {
    BucketOptions {
        renew_every: Duration::from_secs(1),
        stale_after: Duration::from_secs(4),
        puts_per_second: 100,
        journal_objects: 20,
        tail_bytes: 0,
        request_timeout: Duration::from_secs(1),
        give_up_after: Duration::from_secs(10),
        give_up_writing_after: Duration::from_secs(10),
        ..BucketOptions::default()
    }
}

fn builder(world: &World) -> Builder {
    TestCluster::builder(world).on_bucket(options()).commit_delay(Duration::from_millis(20))
}

async fn started(world: &World) -> (TestCluster, Client, Producer) {
    let cluster = builder(world).start().await.unwrap();
    let client = cluster.client().await.unwrap();
    client.admin().create_topic(NewTopic::new("t")).await.unwrap();
    let producer = client.producer().build().await.unwrap();
    (cluster, client, producer)
}

async fn restarted(cluster: &TestCluster) {
    while cluster.restart().await.is_err() {}
}

#[test]
fn what_is_acknowledged_outlives_every_crash_and_is_there_once() {
    run(1, async |world| {
        let (cluster, client, producer) = started(&world).await;
        cluster.requests_by_chance(100);
        let mut sent = Vec::new();
        for round in 0..30 {
            for n in 0..5 {
                let value = format!("{round}.{n}");
                producer.send(Record::to("t").value(value.clone())).await.unwrap();
                sent.push(value);
            }
            let value = format!("{round} under way");
            let delivery = producer.enqueue(Record::to("t").value(value.clone())).await.unwrap();
            world.env().sleep(Duration::from_millis(5)).await;
            cluster.crash(if round % 3 == 0 { Survives::Nothing } else { Survives::Chance });
            restarted(&cluster).await;
            // It is sent again, whether it was in the log or not.
            delivery.await.unwrap();
            sent.push(value);
        }
        cluster.heal();
        assert_eq!(values(&client).await, sent);
        client.close(Duration::from_secs(5)).await.unwrap();
        cluster.shutdown().await.unwrap();
        // What the dead had sent has landed by then.
        world.env().sleep(Duration::from_secs(60)).await;
        assert_eq!(cluster.audit_bucket().await.unwrap(), Vec::<String>::new());
        let trouble = cluster.bucket_trouble();
        assert!(trouble.claims >= 31, "{trouble:?}");
        assert!(trouble.ambiguous() > 20 && trouble.from_the_dead > 5 && trouble.segments > 0, "{trouble:?}");
        drop((cluster, producer, client));
        world.assert_no_tasks().await;
    });
}

#[test]
fn a_replaced_broker_is_fenced_at_the_bucket() {
    run(2, async |world| {
        let (cluster, client, producer) = started(&world).await;
        producer.send(Record::to("t").value("a")).await.unwrap();
        // Half of what is written still reaches the old one, which may not write.
        cluster.supersede(500).await.unwrap();
        let mut sent = vec!["a".to_owned()];
        for n in 0..20 {
            sent.push(format!("b{n}"));
            producer.send(Record::to("t").value(format!("b{n}"))).await.unwrap();
        }
        assert!(cluster.counts().sent_to_old > 0);
        assert!(cluster.bucket_trouble().fenced > 0, "{:?}", cluster.bucket_trouble());
        // The old one is another process, and lives on.
        cluster.crash(Survives::Chance);
        cluster.restart().await.unwrap();
        producer.send(Record::to("t").value("f")).await.unwrap();
        sent.push("f".to_owned());
        assert_eq!(values(&client).await, sent);
    });
}

#[test]
fn a_dead_broker_is_waited_for_unless_the_bucket_is_taken_over() {
    let took = |take_over| {
        run(3, async |world| {
            let cluster =
                TestCluster::builder(&world).on_bucket(BucketOptions { take_over, ..options() }).start().await.unwrap();
            cluster.crash(Survives::Nothing);
            let before = world.elapsed();
            cluster.restart().await.unwrap();
            world.elapsed() - before
        })
    };
    assert!(took(false) >= Duration::from_secs(4), "{:?}", took(false));
    assert!(took(true) < Duration::from_secs(1), "{:?}", took(true));
}

#[test]
fn a_bucket_that_is_silent_for_too_long_is_opened_anew() {
    run(4, async |world| {
        let (cluster, client, producer) = started(&world).await;
        producer.send(Record::to("t").value("a")).await.unwrap();
        assert!(!cluster.restart_poisoned().await.unwrap());
        cluster.requests_by_chance(1_000);
        let delivery = producer.enqueue(Record::to("t").value("b")).await.unwrap();
        world.env().sleep(Duration::from_secs(15)).await;
        assert!(cluster.poisoned().unwrap().contains("could not be written"));
        cluster.requests_by_chance(0);
        assert!(cluster.restart_poisoned().await.unwrap());
        assert_eq!(cluster.poisoned(), None);
        delivery.await.unwrap();
        assert_eq!(values(&client).await, ["a", "b"]);
    });
}

#[test]
fn what_is_held_back_lands_or_not_as_the_crash_says() {
    run(5, async |world| {
        let (cluster, client, producer) = started(&world).await;
        let mut sent = Vec::new();
        for (n, survives) in [Survives::Nothing, Survives::All].into_iter().enumerate() {
            cluster.hold_commits();
            let delivery = producer.enqueue(Record::to("t").value(n.to_string())).await.unwrap();
            let mut delivery = std::pin::pin!(delivery);
            let limit = Duration::from_millis(500);
            assert!(world.env().timeout(limit, delivery.as_mut()).await.is_err(), "acknowledged before it was durable");
            let landed = cluster.bucket_trouble().from_the_dead;
            cluster.crash(survives);
            assert_eq!(cluster.bucket_trouble().from_the_dead > landed, survives == Survives::All);
            cluster.release_commits();
            cluster.restart().await.unwrap();
            delivery.await.unwrap();
            sent.push(n.to_string());
        }
        assert_eq!(values(&client).await, sent);
        assert_eq!(cluster.counts().duplicates_answered, 0, "the first answer was never told");
    });
}

#[test]
fn the_same_seed_gives_the_same_bucket() {
    let met = |seed| {
        run(seed, async |world| {
            let (cluster, client, producer) = started(&world).await;
            cluster.requests_by_chance(100);
            for round in 0..8 {
                let delivery = producer.enqueue(Record::to("t").value(format!("{round}"))).await.unwrap();
                cluster.crash(Survives::Chance);
                restarted(&cluster).await;
                delivery.await.unwrap();
            }
            cluster.heal();
            let counts = format!("{:?} {:?}", cluster.counts(), cluster.bucket_trouble());
            (values(&client).await, counts, world.elapsed())
        })
    };
    assert_eq!(met(6), met(6));
    assert_ne!(met(6).1, met(7).1);
}

#[test]
fn a_bucket_has_no_bound() {
    run(8, async |world| {
        let refused = builder(&world).capacity_bytes(1 << 20).start().await.unwrap_err();
        assert!(refused.to_string().contains("capacity_bytes"), "{refused}");
    });
}
