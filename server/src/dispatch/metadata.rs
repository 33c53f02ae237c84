//! Metadata.

use std::sync::Arc;

use ottla_broker_core::api::{self, BrokerMetadata, TopicsWanted};
use ottla_broker_core::error::{Error, ErrorCode};
use ottla_broker_core::{TopicId, TopicName};
use ottla_wire::TopicRef;
use ottla_wire::messages::{MetadataRequest, MetadataResponse};

use super::Asked;
use crate::shared::Shared;

pub(super) async fn answer(shared: &Shared, asked: &Asked, request: &MetadataRequest) -> MetadataResponse {
    let wanted = match request.wanted(asked.version) {
        Ok(wanted) => wanted,
        Err(error) => return MetadataResponse::refused(error.code, &[]),
    };
    match look_up(shared, wanted.as_deref(), request.allow_auto_topic_creation).await {
        Ok(mut metadata) => {
            metadata.brokers = placed(shared, &metadata.brokers);
            MetadataResponse::from_api(&metadata, wanted.as_deref())
        }
        Err(error) => MetadataResponse::refused(error.code, wanted.as_deref().unwrap_or_default()),
    }
}

/// The metadata with one answer for each of `wanted`, in order.
async fn look_up(
    shared: &Shared,
    wanted: Option<&[TopicRef]>,
    allow_auto_create: bool,
) -> Result<api::Metadata, Error> {
    let ask = |topics| shared.broker.metadata(api::MetadataRequest { topics, allow_auto_create });
    let Some(wanted) = wanted else { return ask(TopicsWanted::All).await };
    let ids: Vec<TopicId> = wanted.iter().filter_map(id_of).collect();
    if !ids.is_empty() {
        return ask(TopicsWanted::Ids(ids)).await;
    }
    // What cannot be a name is answered here, in its place.
    let names: Vec<Result<TopicName, Error>> = wanted.iter().map(name_of).collect();
    let valid = names.iter().flatten().cloned().collect();
    let mut metadata = ask(TopicsWanted::Names(valid)).await?;
    let mut found = std::mem::take(&mut metadata.topics).into_iter();
    let place = |name: Result<TopicName, Error>| match name {
        Ok(_) => found.next().unwrap_or_else(|| Err(ErrorCode::UnknownServerError.into())),
        Err(error) => Err(error),
    };
    metadata.topics = names.into_iter().map(place).collect();
    Ok(metadata)
}

const fn id_of(topic: &TopicRef) -> Option<TopicId> {
    match topic {
        TopicRef::Id(id) => Some(*id),
        TopicRef::Name(_) => None,
    }
}

fn name_of(topic: &TopicRef) -> Result<TopicName, Error> {
    let TopicRef::Name(name) = topic else { return Err(ErrorCode::InvalidRequest.into()) };
    TopicName::new(name).map_err(|invalid| Error::new(ErrorCode::InvalidTopic, invalid.to_string()))
}

/// The brokers with this one where clients find it.
pub(super) fn placed(shared: &Shared, brokers: &[BrokerMetadata]) -> Arc<[BrokerMetadata]> {
    let place = |broker: &BrokerMetadata| {
        let (host, port) = shared.advertised.place(shared.broker.id(), broker.id, &broker.host, broker.port);
        BrokerMetadata { host, port, ..broker.clone() }
    };
    brokers.iter().map(place).collect()
}
