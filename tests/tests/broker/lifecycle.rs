//! Starting, failing, being replaced, closing.

use std::time::Duration;

use ottla_backends::memory::Keep;
use ottla_broker_core::api::group::{FindCoordinator, ListGroups};
use ottla_broker_core::api::{Error, ErrorCode, InitProducerId, ProducePartition, ProduceRequest, ProducerIdentity};
use ottla_broker_core::env::Env;
use ottla_broker_core::log::{LogStorage, OpenPartition};
use ottla_broker_core::{LeaderEpoch, PartitionId, ProducerEpoch, ProducerId, TopicId};

use super::support::*;

#[tokio::test]
async fn what_was_produced_is_there_after_a_restart_with_all_that_follows_from_it() {
    let memory = memory();
    let first = start(&memory).await;
    create(&first, "events", 2).await;
    let producer = first.init_producer_id(InitProducerId::default()).await.unwrap();
    let sent = batch(&["a", "b"], Some((producer, 0)));
    let original = produce(&first, partition("events", 1), sent.clone()).await.unwrap();
    assert_eq!(original.base_offset.unwrap().0, 0);
    let before = describe(&first, "events").await.unwrap();
    let cluster = first.cluster_id().clone();
    first.close(LIMIT).await.unwrap();

    let memory = memory.reopen();
    let second = start(&memory).await;
    assert_eq!(second.cluster_id(), &cluster);
    let after = describe(&second, "events").await.unwrap();
    assert_eq!(after.id, before.id);
    for (before, after) in before.partitions.iter().zip(after.partitions.iter()) {
        assert!(after.leader_epoch > before.leader_epoch, "every opening for leading is a new epoch");
    }
    let values = read_all(&second, partition("events", 1)).await;
    assert_eq!(text(&values), ["a", "b"]);
    let again = produce(&second, partition("events", 1), sent).await.unwrap();
    assert_eq!(again.base_offset, original.base_offset, "a repeated batch is known by its producer's sequence");
    let next = produce(&second, partition("events", 1), batch(&["c"], Some((producer, 2)))).await.unwrap();
    assert_eq!(next.base_offset.unwrap().0, 2);
    assert_eq!(text(&read_all(&second, partition("events", 1)).await), ["a", "b", "c"]);
}

#[tokio::test]
async fn a_crash_loses_nothing_that_was_acknowledged() {
    let memory = memory();
    let first = start(&memory).await;
    create(&first, "events", 1).await;
    produce(&first, partition("events", 0), batch(&["a"], None)).await.unwrap();
    memory.logs.crash(&Keep::Nothing);
    drop(first);
    let second = start(&memory.reopen()).await;
    assert_eq!(text(&read_all(&second, partition("events", 0)).await), ["a"]);
}

#[tokio::test]
async fn the_newer_of_two_brokers_leads_and_the_older_never_acknowledges_again() {
    let memory = memory();
    let older = start(&memory).await;
    create(&older, "events", 1).await;
    produce(&older, partition("events", 0), batch(&["old"], None)).await.unwrap();

    let newer = start(&memory).await;
    produce(&newer, partition("events", 0), batch(&["new"], None)).await.unwrap();
    // The older one may try as often as it likes, and has time to look after its partitions.
    for _ in 0..20 {
        let refused = produce(&older, partition("events", 0), batch(&["late"], None)).await.unwrap_err();
        assert_eq!(refused.code, ErrorCode::NotLeaderOrFollower, "{refused}");
        Env::system().sleep(Duration::from_millis(5)).await;
    }
    assert!(older.is_superseded());
    assert!(!newer.is_superseded());
    // Whatever a client asks sends it to the other one; STALE_BROKER_EPOCH, which is final, is between brokers.
    let any = |error: Error| (error.code, error.is_retriable(), error.message.contains("started again on the same"));
    let group = || FindCoordinator::Group("g".into());
    let told = [
        describe(&older, "events").await.map(drop).unwrap_err(),
        older.describe_configs(vec![]).await.map(drop).unwrap_err(),
        older.create_topics(vec![new_topic("other", 1, &[])], false).await.map(drop).unwrap_err(),
        older.create_topics(vec![new_topic("other", 1, &[])], true).await.map(drop).unwrap_err(),
        older.init_producer_id(InitProducerId::default()).await.map(drop).unwrap_err(),
        older.find_coordinator(group()).await.map(drop).unwrap_err(),
        older.list_groups(ListGroups::default()).await.map(drop).unwrap_err(),
        older.delete_groups(vec!["g".into()]).await.map(drop).unwrap_err(),
    ];
    let (elsewhere, controller) = (ErrorCode::NetworkException, ErrorCode::NotController);
    let (coordinator, groups) = (ErrorCode::CoordinatorNotAvailable, ErrorCode::NotCoordinator);
    let codes = [elsewhere, elsewhere, controller, controller, controller, coordinator, coordinator, groups];
    assert_eq!(told.map(any), codes.map(|code| (code, true, true)));

    produce(&newer, partition("events", 0), batch(&["newest"], None)).await.unwrap();
    assert_eq!(text(&read_all(&newer, partition("events", 0)).await), ["old", "new", "newest"]);
}

#[tokio::test]
async fn a_replaced_broker_does_not_say_what_a_producer_has_not_written() {
    let memory = memory();
    let old = start(&memory).await;
    create(&old, "t", 1).await;
    let identity = old.init_producer_id(InitProducerId::default()).await.unwrap();
    let batch = |sequence| batch(&["v"], Some((identity, sequence)));
    produce(&old, partition("t", 0), batch(0)).await.unwrap();
    let new = start(&memory).await;
    for sequence in [1, 2] {
        produce_patiently(&new, partition("t", 0), batch(sequence)).await.unwrap();
    }
    // A retry of what the new one wrote reaches the old one, for which 1 would be next: if it said that 2 does not
    // follow, the producer would take it for not written, and write it again under a new epoch.
    let refused = produce(&old, partition("t", 0), batch(2)).await.unwrap_err();
    assert_eq!(refused.code, ErrorCode::NotLeaderOrFollower, "{refused}");
    // The one that leads does say so.
    let refused = produce(&new, partition("t", 0), batch(9)).await.unwrap_err();
    assert_eq!(refused.code, ErrorCode::OutOfOrderSequenceNumber, "{refused}");
}

#[tokio::test]
async fn a_partition_that_lost_its_log_is_opened_again_at_a_new_epoch() {
    let memory = memory();
    let broker = start(&memory).await;
    create(&broker, "events", 2).await;
    let producer = broker.init_producer_id(InitProducerId::default()).await.unwrap();
    produce(&broker, partition("events", 0), batch(&["a"], Some((producer, 0)))).await.unwrap();
    let topic = describe(&broker, "events").await.unwrap();
    // Somebody opens the log beside the metadata: the handle is fenced, and the metadata still names us.
    let id = PartitionId { topic: topic.id, partition: 0 };
    let stolen = memory.logs.open_many(&[OpenPartition { id, epoch: LeaderEpoch(5) }]).await;
    assert!(stolen[0].is_ok());

    let sent = batch(&["b"], Some((producer, 1)));
    let refused = produce(&broker, partition("events", 0), sent.clone()).await.unwrap_err();
    assert!(refused.is_retriable(), "{refused}");
    let written = produce_patiently(&broker, partition("events", 0), sent).await.unwrap();
    assert_eq!(written.base_offset.unwrap().0, 1);
    assert_eq!(text(&read_all(&broker, partition("events", 0)).await), ["a", "b"]);
    let after = describe(&broker, "events").await.unwrap();
    assert!(after.partitions[0].leader_epoch > LeaderEpoch(5));
    assert_eq!(after.partitions[1].leader_epoch, topic.partitions[1].leader_epoch, "the other was left alone");
}

#[tokio::test]
async fn housekeeping_opens_failed_partitions_while_nobody_asks() {
    let memory = memory();
    let broker = start(&memory).await;
    create(&broker, "events", 1).await;
    let topic = describe(&broker, "events").await.unwrap();
    let id = PartitionId { topic: topic.id, partition: 0 };
    drop(memory.logs.open_many(&[OpenPartition { id, epoch: LeaderEpoch(1) }]).await);
    // Seen once by a client, which does not come back.
    produce(&broker, partition("events", 0), batch(&["a"], None)).await.unwrap_err();
    tokio::time::pause();
    let keeper = {
        let broker = broker.clone();
        Env::system().spawn("keeper", async move { broker.run_housekeeping().await })
    };
    Env::system().sleep(Duration::from_secs(30)).await;
    assert!(describe(&broker, "events").await.unwrap().partitions[0].leader_epoch > LeaderEpoch(1));
    produce(&broker, partition("events", 0), batch(&["b"], None)).await.unwrap();
    broker.close(LIMIT).await.unwrap();
    assert!(keeper.await, "housekeeping ends with the broker");
}

#[tokio::test]
async fn a_topic_created_again_sees_nothing_of_the_old_one() {
    let memory = memory();
    let broker = start(&memory).await;
    create(&broker, "events", 1).await;
    let old = describe(&broker, "events").await.unwrap().id;
    produce(&broker, partition("events", 0), batch(&["old"], None)).await.unwrap();
    broker.delete_topics(vec![name("events")]).await.unwrap().remove(0).unwrap();
    let refused = produce(&broker, partition("events", 0), batch(&["x"], None)).await.unwrap_err();
    assert_eq!(refused.code, ErrorCode::UnknownTopicOrPartition);
    assert!(memory.logs.list().await.unwrap().is_empty(), "its logs are gone");

    create(&broker, "events", 1).await;
    assert_ne!(describe(&broker, "events").await.unwrap().id, old);
    assert!(read_all(&broker, partition("events", 0)).await.is_empty());
    let written = produce(&broker, partition("events", 0), batch(&["new"], None)).await.unwrap();
    assert_eq!(written.base_offset.unwrap().0, 0);
}

#[tokio::test]
async fn who_waits_for_records_of_a_deleted_topic_is_told() {
    let broker = start(&memory()).await;
    create(&broker, "events", 1).await;
    let waiting = broker.fetch(fetch_request(vec![wanted(partition("events", 0), 0)], Duration::from_secs(3_600)));
    let deleting = async {
        tokio::task::yield_now().await;
        broker.delete_topics(vec![name("events")]).await.unwrap().remove(0).unwrap();
    };
    let (fetched, ()) = tokio::join!(waiting, deleting);
    assert_eq!(fetched.unwrap().remove(0).unwrap_err().code, ErrorCode::UnknownTopicOrPartition);
}

#[tokio::test]
async fn topics_are_created_one_by_one_past_a_metadata_snapshot() {
    let memory = memory();
    let broker = start(&memory).await;
    for at in 0..1_100 {
        create(&broker, &format!("topic-{at}"), 1).await;
    }
    broker.close(LIMIT).await.unwrap();
    let broker = start(&memory.reopen()).await;
    produce(&broker, partition("topic-1099", 0), batch(&["a"], None)).await.unwrap();
}

#[tokio::test]
async fn logs_that_no_topic_has_are_removed_and_missing_ones_made() {
    let memory = memory();
    let first = start(&memory).await;
    create(&first, "events", 2).await;
    let topic = describe(&first, "events").await.unwrap().id;
    first.close(LIMIT).await.unwrap();
    let memory = memory.reopen();
    let orphan = PartitionId { topic: TopicId(Env::seeded(1).uuid()), partition: 0 };
    drop(memory.logs.open_many(&[OpenPartition { id: orphan, epoch: LeaderEpoch(0) }]).await);
    let missing = PartitionId { topic, partition: 1 };
    memory.logs.remove(&[missing]).await.unwrap();
    let second = start(&memory).await;
    assert_eq!(memory.logs.list().await.unwrap(), [0, 1].map(|partition| PartitionId { topic, partition }));
    produce(&second, partition("events", 1), batch(&["a"], None)).await.unwrap();
}

#[tokio::test]
async fn producer_ids_are_never_given_out_twice() {
    let memory = memory();
    let mut seen = std::collections::BTreeSet::new();
    for life in 0..3 {
        let memory = memory.reopen();
        let broker = start(&memory).await;
        // More than a block in the first life, one id in the others.
        for _ in 0..if life == 0 { 1_001 } else { 1 } {
            let identity = broker.init_producer_id(InitProducerId::default()).await.unwrap();
            assert_eq!(identity.epoch, ProducerEpoch(0));
            assert!(seen.insert(identity.id), "{} was given out before", identity.id);
        }
        memory.logs.crash(&Keep::All);
    }
}

#[tokio::test]
async fn an_epoch_is_bumped_and_an_unknown_identity_replaced() {
    let broker = start(&memory()).await;
    let bump = async |id, epoch| {
        let current = Some(ProducerIdentity { id, epoch: ProducerEpoch(epoch) });
        broker.init_producer_id(InitProducerId { current, ..InitProducerId::default() }).await
    };
    let id = broker.init_producer_id(InitProducerId::default()).await.unwrap().id;
    assert_eq!(bump(id, 0).await.unwrap(), ProducerIdentity { id, epoch: ProducerEpoch(1) });
    assert_eq!(bump(id, 0).await.unwrap().epoch, ProducerEpoch(1), "a repeated request has the same answer");
    assert_eq!(bump(id, 1).await.unwrap().epoch, ProducerEpoch(2));
    assert_eq!(bump(id, 0).await.unwrap_err().code, ErrorCode::InvalidProducerEpoch);
    assert_ne!(bump(ProducerId(77_777), 3).await.unwrap().id, ProducerId(77_777));
    let after = bump(id, 32_766).await.unwrap();
    assert_ne!(after.id, id, "its epochs are used up");
    assert_eq!(after.epoch, ProducerEpoch(0));
}

#[tokio::test]
async fn closing_ends_what_waits_and_refuses_what_comes() {
    let memory = memory();
    let broker = start(&memory).await;
    create(&broker, "events", 1).await;
    let waiting = {
        let broker = broker.clone();
        let request = fetch_request(vec![wanted(partition("events", 0), 0)], Duration::from_secs(3_600));
        async move { broker.fetch(request).await }
    };
    let closing = async {
        tokio::task::yield_now().await;
        broker.close(LIMIT).await
    };
    let (fetched, closed) = tokio::join!(waiting, closing);
    assert_eq!(fetched.unwrap_err().code, ErrorCode::BrokerNotAvailable);
    closed.unwrap();
    broker.close(LIMIT).await.unwrap();
    let refused = produce(&broker, partition("events", 0), batch(&["a"], None)).await.unwrap_err();
    assert_eq!(refused.code, ErrorCode::BrokerNotAvailable);
    assert!(refused.message.contains("broker 0 is closed"), "{refused}");
    assert_eq!(describe(&broker, "events").await.unwrap_err().code, ErrorCode::BrokerNotAvailable);
    assert_eq!(broker.ready(1).await.unwrap_err().code, ErrorCode::BrokerNotAvailable);
}

#[tokio::test]
async fn a_fetch_waits_for_a_record_of_any_of_its_partitions() {
    let broker = start(&memory()).await;
    create(&broker, "events", 3).await;
    let partitions = (0..3).map(|at| wanted(partition("events", at), 0)).collect();
    let waiting = broker.fetch(fetch_request(partitions, Duration::from_secs(3_600)));
    let writing = async {
        tokio::task::yield_now().await;
        produce(&broker, partition("events", 2), batch(&["a"], None)).await.unwrap();
    };
    let (fetched, ()) = tokio::join!(waiting, writing);
    let counts: Vec<_> = fetched.unwrap().into_iter().map(|fetched| fetched.unwrap().batches.len()).collect();
    assert_eq!(counts, [0, 0, 1]);
}

#[tokio::test]
async fn ten_thousand_partitions_are_created_written_read_and_opened_again() {
    const COUNT: i32 = 10_000;
    let memory = memory();
    let broker = start(&memory).await;
    create(&broker, "wide", COUNT).await;
    let all = |value: &str| {
        let partition = |at| ProducePartition { partition: partition("wide", at), batch: batch(&[value], None) };
        ProduceRequest {
            acks: ottla_broker_core::api::Acks::All,
            timeout: LIMIT,
            partitions: (0..COUNT).map(partition).collect(),
        }
    };
    assert!(broker.produce(all("a")).await.unwrap().iter().all(Result::is_ok));
    broker.close(LIMIT).await.unwrap();

    let broker = start(&memory.reopen()).await;
    let written = broker.produce(all("b")).await.unwrap();
    assert!(written.iter().all(|written| written.as_ref().unwrap().base_offset.unwrap().0 == 1));
    let partitions = (0..COUNT).map(|at| wanted(partition("wide", at), 0)).collect();
    let fetched = broker.fetch(fetch_request(partitions, Duration::ZERO)).await.unwrap();
    assert_eq!(fetched.len(), 10_000);
    assert!(fetched.into_iter().all(|fetched| fetched.unwrap().batches.len() == 2));
}
