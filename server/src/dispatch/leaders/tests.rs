//! Answers of brokers that do not lead.

use ottla_broker_core::TopicName;
use ottla_broker_core::api::CreateTopic;
use ottla_broker_core::broker::Broker;
use ottla_broker_core::config::BrokerConfig;
use ottla_broker_core::env::Env;
use ottla_wire::messages::ProducedPartition;

use super::*;
use crate::limits::Limits;

#[tokio::test]
async fn a_producer_is_told_who_leads_what_this_broker_does_not() {
    let broker = Broker::start(BrokerConfig::default(), ottla_backends::memory::backend(), Env::seeded(1));
    let shared = Shared::of(broker.await.unwrap(), Limits::default());
    let name = TopicName::new("events").unwrap();
    let topic =
        CreateTopic { name, partitions: Some(2), replication_factor: None, configs: std::collections::BTreeMap::new() };
    shared.broker.create_topics(vec![topic], false).await.unwrap().remove(0).unwrap();
    let answer = |partition, error| ProducedPartition { partition, error, ..ProducedPartition::default() };
    let moved = Some(ErrorCode::NotLeaderOrFollower);
    let response = ProduceResponse {
        topics: vec![
            ProducedTopic {
                topic: TopicRef::Name("events".into()),
                partitions: vec![answer(0, None), answer(1, moved), answer(9, moved)],
            },
            ProducedTopic { topic: TopicRef::Name("gone".into()), partitions: vec![answer(0, moved)] },
        ],
        ..ProduceResponse::default()
    };
    for version in 9..=13 {
        let mut told = response.clone();
        tell_producer(&shared, version, &mut told).await;
        let leaders: Vec<_> =
            told.topics.iter().flat_map(|topic| &topic.partitions).map(|part| part.current_leader.leader).collect();
        let (me, places) = if version < 10 { (None, 0) } else { (Some(shared.broker.id()), 1) };
        assert_eq!(leaders, [None, me, None, None], "version {version}");
        assert_eq!(told.node_endpoints.len(), places);
        assert!(told.node_endpoints.iter().all(|one| (&*one.host, one.port) == ("localhost", 9092)));
    }
}
