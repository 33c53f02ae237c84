//! Metadata.

use std::collections::BTreeSet;
use std::sync::Arc;

use ottla_broker_core::TopicName;
use ottla_broker_core::api::{self, BrokerMetadata, TopicMetadata, TopicsWanted};
use ottla_broker_core::error::{Error, ErrorCode};
use ottla_broker_core::planted::is_planted;
use ottla_wire::TopicRef;
use ottla_wire::messages::{MetadataRequest, MetadataResponse};

use super::interleave::Interleaved;
use super::{Asked, closed, cluster};
use crate::authorizer::{Operation, Resource};
use crate::shared::Shared;

/// # Errors
/// What cannot be said in an answer.
pub(super) async fn answer(
    shared: &Shared,
    asked: &Asked,
    request: &MetadataRequest,
) -> Result<MetadataResponse, Error> {
    let mut wanted = match request.wanted(asked.version) {
        Ok(wanted) => wanted,
        Err(error) => return Ok(MetadataResponse::refused(error.code, &[])),
    };
    if let Some(wanted) = wanted.as_mut().filter(|_| !is_planted("answers-as-often-as-asked")) {
        let mut seen = BTreeSet::new();
        wanted.retain(|topic| seen.insert(topic.clone()));
    }
    match look_up(shared, asked, wanted.as_deref(), request.allow_auto_topic_creation).await.map_err(closed) {
        Ok(mut metadata) => {
            metadata.brokers = placed(shared, &metadata.brokers);
            Ok(MetadataResponse::from_api(&metadata, wanted.as_deref()))
        }
        Err(Ok(error)) => Ok(MetadataResponse::refused(error.code, wanted.as_deref().unwrap_or_default())),
        Err(Err(closed)) => Err(closed),
    }
}

/// The metadata with one answer for each of `wanted`, in order.
async fn look_up(
    shared: &Shared,
    asked: &Asked,
    wanted: Option<&[TopicRef]>,
    allow_auto_create: bool,
) -> Result<api::Metadata, Error> {
    let ask = |topics| cluster::look_up(shared, topics);
    let Some(wanted) = wanted else {
        let mut metadata = ask(TopicsWanted::All).await?;
        metadata.topics.retain(|topic| {
            topic
                .as_ref()
                .is_ok_and(|topic| asked.may(shared, Operation::Describe, Resource::Topic(&topic.name)).is_ok())
        });
        return Ok(metadata);
    };
    // What cannot be asked of the broker is answered here, in its place.
    if wanted.iter().any(|topic| matches!(topic, TopicRef::Id(_))) {
        let ids = wanted.iter().map(|topic| match topic {
            TopicRef::Id(id) => asked.topic(shared, Operation::Describe, topic).map(|_| *id),
            TopicRef::Name(_) => Err(ErrorCode::InvalidRequest.into()),
        });
        let (ids, refused) = Interleaved::split(ids);
        let mut metadata = ask(TopicsWanted::Ids(ids)).await?;
        metadata.topics = refused.join(metadata.topics).collect();
        return Ok(metadata);
    }
    let names = wanted.iter().map(|topic| asked.topic(shared, Operation::Describe, topic));
    let (names, refused) = Interleaved::split(names);
    let mut metadata = ask(TopicsWanted::Names(names.clone())).await?;
    let any_missing = metadata.topics.iter().any(Result::is_err);
    if any_missing && allow_auto_create && shared.broker.config().auto_create_topics() {
        create_missing(shared, asked, &names, &mut metadata.topics).await?;
    }
    metadata.topics = refused.join(metadata.topics).collect();
    Ok(metadata)
}

/// Creates those topics of `names` that have no answer, if whoever asks may: all that the cluster may have, or
/// one by one (as in Kafka).
async fn create_missing(
    shared: &Shared,
    asked: &Asked,
    names: &[TopicName],
    answers: &mut [Result<Arc<TopicMetadata>, Error>],
) -> Result<(), Error> {
    let may_all = asked.may(shared, Operation::Create, Resource::Cluster);
    let may_all = may_all.is_ok() || is_planted("topics-created-without-right");
    let missing = names.iter().zip(&*answers).filter(|(_, answer)| answer.is_err()).map(|(name, _)| {
        if !may_all {
            asked.may(shared, Operation::Create, Resource::Topic(name))?;
        }
        Ok(name.clone())
    });
    let (missing, refused) = Interleaved::split(missing);
    let request = api::MetadataRequest { topics: TopicsWanted::Names(missing), allow_auto_create: true };
    let created = refused.join(shared.broker.metadata(request).await?.topics);
    for (answer, created) in answers.iter_mut().filter(|answer| answer.is_err()).zip(created) {
        *answer = created;
    }
    Ok(())
}

/// The brokers with this one where clients find it.
pub(super) fn placed(shared: &Shared, brokers: &[BrokerMetadata]) -> Arc<[BrokerMetadata]> {
    let place = |broker: &BrokerMetadata| {
        let (host, port) = shared.advertised.place(shared.broker.id(), broker.id, &broker.host, broker.port);
        BrokerMetadata { host, port, ..broker.clone() }
    };
    brokers.iter().map(place).collect()
}
