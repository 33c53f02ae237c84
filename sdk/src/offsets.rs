//! Looking offsets up, wherever the partitions are led.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use ottla_broker_core::api::{
    Error, ErrorCode, IsolationLevel, MetadataRequest, OffsetSpec, TopicMetadata, TopicsWanted,
};
use ottla_broker_core::{BrokerId, Offset, TopicPartition};

use crate::cluster::Cluster;
use crate::context::Context;

/// How long whoever leads next has for it before it is asked; as Kafka's `retry.backoff.ms`.
const PAUSE: Duration = Duration::from_millis(100);

pub(crate) type Question = (TopicPartition, OffsetSpec);

/// Looks offsets up by metadata of this moment: one answer each, in order. What is refused for the moment is asked once
/// more, as leaders may have moved. No topic comes to be by being asked about.
pub(crate) async fn look_up(
    context: &Context,
    isolation: IsolationLevel,
    wanted: &[Question],
) -> Vec<Result<Option<Offset>, Error>> {
    let mut answers = ask(context, isolation, wanted).await;
    let refused = answers.iter_mut().zip(wanted).filter(|(answer, _)| answer.as_ref().is_err_and(Error::is_retriable));
    let (places, again): (Vec<_>, Vec<_>) = refused.map(|(answer, question)| (answer, question.clone())).unzip();
    if !again.is_empty() {
        context.env.sleep(PAUSE).await;
        for (place, answer) in places.into_iter().zip(ask(context, isolation, &again).await) {
            *place = answer;
        }
    }
    answers
}

async fn ask(context: &Context, isolation: IsolationLevel, wanted: &[Question]) -> Vec<Result<Option<Offset>, Error>> {
    if wanted.is_empty() {
        return Vec::new();
    }
    let names: BTreeSet<_> = wanted.iter().map(|(partition, _)| partition.topic.clone()).collect();
    let topics = TopicsWanted::Names(names.iter().cloned().collect());
    let topics = match context.cluster.metadata(MetadataRequest { topics, allow_auto_create: false }).await {
        Ok(metadata) => metadata.topics,
        Err(error) => return vec![Err(error); wanted.len()],
    };
    let topics: BTreeMap<_, _> = names.into_iter().zip(topics).collect();
    let leader = |partition: &TopicPartition| match topics.get(&partition.topic) {
        Some(Ok(topic)) => leader(topic, partition),
        Some(Err(error)) => Err(error.clone()),
        None => Err(miscounted()),
    };
    ask_leaders(&*context.cluster, isolation, leader, wanted).await
}

/// Who leads a partition.
///
/// # Errors
/// `UNKNOWN_TOPIC_OR_PARTITION` and `LEADER_NOT_AVAILABLE`.
pub(crate) fn leader(topic: &TopicMetadata, partition: &TopicPartition) -> Result<BrokerId, Error> {
    let known = usize::try_from(partition.partition).ok().and_then(|number| topic.partitions.get(number));
    let known = known.ok_or_else(|| {
        let message = format!("{partition} does not exist: the topic has {} partitions", topic.partitions.len());
        Error::new(ErrorCode::UnknownTopicOrPartition, message)
    })?;
    known
        .leader
        .ok_or_else(|| Error::new(ErrorCode::LeaderNotAvailable, format!("{partition} has no leader at the moment")))
}

/// One question a leader, whatever the number of partitions: one answer each, in order.
pub(crate) async fn ask_leaders(
    cluster: &dyn Cluster,
    isolation: IsolationLevel,
    leader: impl Fn(&TopicPartition) -> Result<BrokerId, Error>,
    wanted: &[Question],
) -> Vec<Result<Option<Offset>, Error>> {
    let mut answers = vec![Ok(None); wanted.len()];
    let mut leaders: BTreeMap<BrokerId, (Vec<_>, Vec<_>)> = BTreeMap::new();
    for (place, question) in answers.iter_mut().zip(wanted) {
        match leader(&question.0) {
            Ok(broker) => {
                let (places, questions) = leaders.entry(broker).or_default();
                places.push(place);
                questions.push(question.clone());
            }
            Err(error) => *place = Err(error),
        }
    }
    for (broker, (places, questions)) in leaders {
        for (place, answer) in places.into_iter().zip(ask_leader(cluster, broker, isolation, questions).await) {
            *place = answer;
        }
    }
    answers
}

/// Asks one leader: one answer each, in order.
pub(crate) async fn ask_leader(
    cluster: &dyn Cluster,
    broker: BrokerId,
    isolation: IsolationLevel,
    wanted: Vec<Question>,
) -> Vec<Result<Option<Offset>, Error>> {
    let count = wanted.len();
    match cluster.list_offsets(broker, isolation, wanted).await {
        Ok(answers) if answers.len() == count => {
            answers.into_iter().map(|answer| answer.map(|listed| listed.offset)).collect()
        }
        Ok(_) => vec![Err(miscounted()); count],
        Err(error) => vec![Err(error); count],
    }
}

/// A broker answered other partitions than those that it was asked about.
pub(crate) fn miscounted() -> Error {
    Error::new(ErrorCode::UnknownServerError, "the broker gave another number of answers than was asked for")
}
