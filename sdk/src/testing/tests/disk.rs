//! A cluster on a disk that crashes.

use std::time::Duration;

use super::values;
use crate::connect::{DiskOptions, Level};
use crate::testing::{Builder, Survives, TestCluster, World, run};
use crate::{Client, NewTopic, Producer, Record};

const SMALL: DiskOptions = DiskOptions {
    level: Level::Fsync,
    journal_bytes: 128 << 10,
    file_bytes: 32 << 10,
    tail_bytes: 0,
    cold_bytes: 64 << 10,
    pending_bytes: 1 << 20,
    group_bytes: 4 << 10,
};

fn builder(world: &World) -> Builder {
    TestCluster::builder(world).on_disk(SMALL)
}

async fn started(world: &World) -> (TestCluster, Client, Producer) {
    let cluster = builder(world).start().await.unwrap();
    let client = cluster.client().await.unwrap();
    client.admin().create_topic(NewTopic::new("t")).await.unwrap();
    let producer = client.producer().build().await.unwrap();
    (cluster, client, producer)
}

#[test]
fn what_is_acknowledged_outlives_every_crash_and_is_there_once() {
    run(1, async |world| {
        let (cluster, client, producer) = started(&world).await;
        let mut sent = Vec::new();
        for round in 0..30 {
            for n in 0..5 {
                let value = format!("{round}.{n}");
                producer.send(Record::to("t").value(value.clone())).await.unwrap();
                sent.push(value);
            }
            let value = format!("{round} under way");
            cluster.hold_commits();
            let delivery = producer.enqueue(Record::to("t").value(value.clone())).await.unwrap();
            world.env().sleep(Duration::from_millis(20)).await;
            cluster.crash(if round % 3 == 0 { Survives::Nothing } else { Survives::Chance });
            cluster.release_commits();
            cluster.restart().await.unwrap();
            // It is sent again, whether it was in the log or not.
            delivery.await.unwrap();
            sent.push(value);
        }
        assert_eq!(values(&client).await, sent);
        let counts = cluster.counts();
        assert_eq!((counts.crashes, counts.restarts), (30, 30));
        assert!(counts.recovered >= 5, "{counts:?}");
        assert!(counts.bytes_lost > 0, "{counts:?}");
        client.close(Duration::from_secs(5)).await.unwrap();
        cluster.shutdown().await.unwrap();
        drop((cluster, producer, client));
        world.assert_no_tasks().await;
    });
}

#[test]
fn a_replaced_broker_on_the_disk_is_fenced_and_dies_with_the_machine() {
    run(2, async |world| {
        let (cluster, client, producer) = started(&world).await;
        producer.send(Record::to("t").value("a")).await.unwrap();
        // Half of what is written still reaches the old one, which may not write.
        cluster.supersede(500).await.unwrap();
        for value in ["b", "c", "d", "e"] {
            producer.send(Record::to("t").value(value)).await.unwrap();
        }
        cluster.crash(Survives::Chance);
        cluster.restart().await.unwrap();
        producer.send(Record::to("t").value("f")).await.unwrap();
        assert_eq!(values(&client).await, ["a", "b", "c", "d", "e", "f"]);
        let before = cluster.counts().sent_to_old;
        producer.send(Record::to("t").value("g")).await.unwrap();
        assert_eq!(cluster.counts().sent_to_old, before, "the old one went with the machine");
    });
}

#[test]
fn the_same_seed_gives_the_same_disk() {
    let recovered = |seed| {
        run(seed, async |world| {
            let (cluster, client, producer) = started(&world).await;
            for round in 0..8 {
                let delivery = producer.enqueue(Record::to("t").value(format!("{round}"))).await.unwrap();
                cluster.crash(Survives::Chance);
                cluster.restart().await.unwrap();
                delivery.await.unwrap();
            }
            (values(&client).await, format!("{:?}", cluster.counts()), world.elapsed())
        })
    };
    assert_eq!(recovered(3), recovered(3));
    assert_ne!(recovered(3).1, recovered(4).1);
}

#[test]
fn a_disk_to_which_a_write_failed_is_read_to_the_end_of_what_is_durable() {
    run(6, async |world| {
        let (cluster, client, producer) = started(&world).await;
        // Some of it is in the journal's older files, and some in the one that fails.
        let mut sent: Vec<String> = (0..40).map(|n| format!("{n} {}", "v".repeat(2_000))).collect();
        for value in &sent {
            producer.send(Record::to("t").value(value.clone())).await.unwrap();
        }
        cluster.fail_next_disk_write();
        let delivery = producer.enqueue(Record::to("t").value("in doubt")).await.unwrap();
        let mut delivery = std::pin::pin!(delivery);
        // Neither the record nor an election of a leader gets through.
        let limit = Duration::from_secs(20);
        assert!(world.env().timeout(limit, delivery.as_mut()).await.is_err());
        for client in [&client, &cluster.client().await.unwrap()] {
            let read = world.env().timeout(limit, values(client)).await;
            assert_eq!(read.expect("it waits for what cannot be read"), sent);
        }
        let admin = client.admin();
        let refused = world
            .env()
            .timeout(limit, admin.create_topic(NewTopic::new("u")))
            .await
            .expect("it waits for what cannot be written");
        assert!(refused.unwrap_err().to_string().contains("journal"));
        // As it says to who connects: open the directory anew.
        cluster.crash(Survives::All);
        cluster.restart().await.unwrap();
        delivery.await.unwrap();
        sent.push("in doubt".to_owned());
        assert_eq!(values(&client).await, sent);
    });
}

#[test]
fn a_disk_that_is_full_refuses_records_and_is_read() {
    run(5, async |world| {
        let cluster = builder(&world).capacity_bytes(600 << 10).start().await.unwrap();
        let client = cluster.client().await.unwrap();
        client.admin().create_topic(NewTopic::new("t")).await.unwrap();
        let producer = client
            .producer()
            .request_timeout(Duration::from_millis(200))
            .delivery_timeout(Duration::from_millis(500))
            .build()
            .await
            .unwrap();
        let mut sent = 0;
        while producer.send(Record::to("t").value("v".repeat(5_000))).await.is_ok() {
            sent += 1;
            assert!(sent < 200, "600 KiB take no more than that");
        }
        assert!(sent > 40, "{sent}");
        assert!(values(&client).await.len() >= sent, "what was acknowledged can be read");
    });
}
