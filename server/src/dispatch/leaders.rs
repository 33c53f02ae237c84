//! Who leads partitions now, for clients that asked the wrong broker or for another epoch (KIP-951): so they need not
//! ask for metadata first.
//!
//! Source: `KafkaApis.handleProduceRequest` and `handleFetchRequest`.

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use ottla_broker_core::api::TopicsWanted;
use ottla_broker_core::error::{Error, ErrorCode};
use ottla_broker_core::planted::is_planted;
use ottla_wire::TopicRef;
use ottla_wire::messages::{CurrentLeader, FetchResponse, FetchedTopic, NodeEndpoint, ProduceResponse, ProducedTopic};

use super::asked::valid_name;
use super::cluster::look_up;
use super::metadata::placed;
use crate::shared::Shared;

/// The first versions whose answers have room for it.
const PRODUCE_FROM: i16 = 10;
const FETCH_FROM: i16 = 16;

/// Adds to the answer of a Produce of `version` who leads the partitions that this broker does not.
pub(super) async fn tell_producer(shared: &Shared, version: i16, response: &mut ProduceResponse) {
    if version < PRODUCE_FROM {
        return;
    }
    let mut moved = Vec::new();
    for ProducedTopic { topic, partitions } in &mut response.topics {
        let moved_here = partitions.iter_mut().filter(|part| part.error == Some(ErrorCode::NotLeaderOrFollower));
        moved.extend(moved_here.map(|part| (&*topic, part.partition, &mut part.current_leader)));
    }
    if !moved.is_empty() {
        // It is seldom needed, and every answer would carry its size.
        response.node_endpoints = Box::pin(tell(shared, moved)).await;
    }
}

/// Adds to the answer of a Fetch of `version` who leads the partitions that this broker does not, or leads in another
/// epoch.
pub(super) async fn tell_consumer(shared: &Shared, version: i16, response: &mut FetchResponse) {
    if version < FETCH_FROM {
        return;
    }
    let is_moved = |error| matches!(error, Some(ErrorCode::NotLeaderOrFollower | ErrorCode::FencedLeaderEpoch));
    let mut moved = Vec::new();
    for FetchedTopic { topic, partitions } in &mut response.topics {
        let moved_here = partitions.iter_mut().filter(|part| is_moved(part.error));
        moved.extend(moved_here.map(|part| (&*topic, part.partition, &mut part.current_leader)));
    }
    if !moved.is_empty() {
        // It is seldom needed, and every answer would carry its size.
        response.node_endpoints = Box::pin(tell(shared, moved)).await;
    }
}

/// Fills in the leaders, and says where they are. It is a help and no more: what is not known is left out.
async fn tell(shared: &Shared, moved: Vec<(&TopicRef, i32, &mut CurrentLeader)>) -> Vec<NodeEndpoint> {
    if is_planted("new-leader-untold") {
        return Vec::new();
    }
    let name = |topic: &TopicRef| match topic {
        TopicRef::Name(name) => valid_name(name),
        TopicRef::Id(id) => shared.broker.topic_of(*id),
    };
    let names: BTreeSet<_> = moved.iter().filter_map(|(topic, ..)| name(topic).ok()).collect();
    let metadata = match look_up(shared, TopicsWanted::Names(names.into_iter().collect())).await {
        Ok(metadata) => metadata,
        Err(error) => return untold(&error),
    };
    let mut leaders = BTreeSet::new();
    for (topic, partition, told) in moved {
        let Ok(name) = name(topic) else { continue };
        let found = metadata.topics.iter().flatten().find(|one| one.name == name);
        let found = found.and_then(|one| one.partitions.iter().find(|one| one.partition == partition));
        if let Some(found) = found {
            *told = CurrentLeader { leader: found.leader, epoch: found.leader_epoch };
            leaders.extend(found.leader);
        }
    }
    let brokers = placed(shared, &metadata.brokers);
    let places = brokers.iter().filter(|broker| leaders.contains(&broker.id)).map(|broker| NodeEndpoint {
        id: broker.id,
        host: broker.host.as_str().into(),
        port: broker.port.into(),
        rack: broker.rack.as_deref().map(Into::into),
    });
    places.collect()
}

fn untold(error: &Error) -> Vec<NodeEndpoint> {
    tracing::debug!(%error, "who leads now cannot be told");
    Vec::new()
}
