//! Leader epochs, and what clients are told that do not know the newest (KIP-320, KIP-951).

use std::sync::Arc;
use std::time::Duration;

use ottla_backends::memory::{MemoryBackend, MemoryOptions};
use ottla_broker_core::api::CreateTopic;
use ottla_broker_core::broker::Broker;
use ottla_broker_core::config::BrokerConfig;
use ottla_broker_core::env::Env;
use ottla_broker_core::error::ErrorCode;
use ottla_broker_core::{LeaderEpoch, TopicId, TopicName};
use ottla_server::Server;
use ottla_wire::TopicRef;
use ottla_wire::messages::{
    Fetch, FetchRequest, ListOffsets, ListOffsetsPartition, ListOffsetsRequest, ListOffsetsTopic, Metadata,
    MetadataRequest,
};

use crate::support::{TOPIC, World, fetch};

async fn world_over(memory: &MemoryBackend) -> World {
    let broker = Broker::start(BrokerConfig::default(), memory.backend(), Env::system()).await.unwrap();
    let builder = Server::builder(Arc::clone(&broker)).advertised("broker.example", 19_092);
    let server = builder.bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
    World { broker, server }
}

/// A partition that is led for the second time, with a record of each: its epoch before, its epoch now, its topic's id.
async fn led_twice() -> (World, LeaderEpoch, LeaderEpoch, TopicId) {
    let memory = MemoryBackend::new(MemoryOptions::default());
    let first = world_over(&memory).await;
    let topic = CreateTopic {
        name: TopicName::new(TOPIC).unwrap(),
        partitions: Some(1),
        replication_factor: None,
        configs: Default::default(),
    };
    first.broker.create_topics(vec![topic], false).await.unwrap().remove(0).unwrap();
    let (before, id) = epoch(&first).await;
    first.client().await.produce(-1, "one").await;
    first.close().await;
    let second = world_over(&memory.reopen()).await;
    let (now, same) = epoch(&second).await;
    assert!(now > before && before.0 >= 0 && same == id);
    second.client().await.produce(-1, "two").await;
    (second, before, now, id)
}

async fn epoch(world: &World) -> (LeaderEpoch, TopicId) {
    let told = world.client().await.ask::<Metadata>(12, &MetadataRequest::default()).await;
    (told.topics[0].partitions[0].leader_epoch, TopicId(told.topics[0].id))
}

#[tokio::test]
async fn epochs_are_those_in_which_records_were_written_and_never_go_back() {
    let (world, before, now, _) = led_twice().await;
    let mut client = world.client().await;
    let read = client.fetch(&fetch(0, Duration::ZERO)).await;
    let batches = read.topics[0].partitions[0].records.clone().unwrap().into_batches().unwrap();
    let epochs: Vec<_> = batches.iter().map(|batch| batch.leader_epoch()).collect();
    assert_eq!(epochs, [before, now]);
    for (timestamp, epoch) in [(-2, before), (-1, now), (-3, before), (0, before)] {
        let partitions = vec![ListOffsetsPartition { partition: 0, current_leader_epoch: None, timestamp }];
        let topics = vec![ListOffsetsTopic { name: TOPIC.into(), partitions }];
        let request = ListOffsetsRequest { topics, ..ListOffsetsRequest::default() };
        let told = client.ask::<ListOffsets>(8, &request).await;
        assert_eq!(told.topics[0].partitions[0].leader_epoch, Some(epoch), "{timestamp}");
    }
    world.close().await;
}

#[tokio::test]
async fn a_reader_of_an_old_epoch_is_told_who_leads_in_which() {
    let (world, before, now, id) = led_twice().await;
    let mut client = world.client().await;
    let of = |epoch, topic: TopicRef| {
        let mut request: FetchRequest = fetch(0, Duration::from_secs(3_600));
        request.topics[0].topic = topic;
        request.topics[0].partitions[0].current_leader_epoch = Some(epoch);
        request
    };
    for version in 16..=18 {
        let read = client.ask::<Fetch>(version, &of(before, TopicRef::Id(id))).await;
        let told = &read.topics[0].partitions[0];
        assert_eq!(told.error, Some(ErrorCode::FencedLeaderEpoch));
        assert_eq!((told.current_leader.leader, told.current_leader.epoch), (Some(world.broker.id()), now));
        let places: Vec<_> = read.node_endpoints.iter().map(|one| (one.id, &*one.host, one.port)).collect();
        assert_eq!(places, [(world.broker.id(), "broker.example", 19_092)]);
    }
    // Older clients know nothing of it, and one that is ahead knows better.
    let read = client.ask::<Fetch>(12, &of(before, TopicRef::Name(TOPIC.into()))).await;
    let told = &read.topics[0].partitions[0];
    assert_eq!((told.error, told.current_leader.leader), (Some(ErrorCode::FencedLeaderEpoch), None));
    let read = client.ask::<Fetch>(18, &of(LeaderEpoch(now.0 + 1), TopicRef::Id(id))).await;
    let told = &read.topics[0].partitions[0];
    assert_eq!((told.error, told.current_leader.leader), (Some(ErrorCode::UnknownLeaderEpoch), None));
    assert!(read.node_endpoints.is_empty());
    world.close().await;
}
