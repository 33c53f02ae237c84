//! What a reader asks of the cluster, as futures of their own: nothing here knows the reader's state,
//! so a caller that drops `next` half-way loses nothing.

use std::sync::Arc;
use std::time::Duration;

use ottla_broker_core::api::{
    Error, ErrorCode, FetchRequest, FetchResponse, IsolationLevel, Metadata, MetadataRequest, OffsetSpec, TopicsWanted,
};
use ottla_broker_core::{BrokerId, Offset, TopicName, TopicPartition};

use super::at::At;
use crate::cluster::Cluster;
use crate::offsets::ask_leader;

/// Which slot was asked about, and in which of its generations.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked {
    pub(super) slot: usize,
    pub(super) generation: u32,
}

/// An answer.
#[derive(Debug)]
pub(super) enum Event {
    Fetched { broker: BrokerId, asked: Vec<Asked>, answer: Result<FetchResponse, Error> },
    Resolved { answers: Vec<(Asked, Which, Result<Offset, Error>)> },
    Metadata { topics: Vec<TopicName>, answer: Result<Metadata, Error> },
}

/// Which of a slot's places was looked up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Which {
    Start,
    End,
}

/// A place to look up.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) asked: Asked,
    pub(super) which: Which,
    pub(super) partition: TopicPartition,
    pub(super) at: At,
}

pub(super) async fn fetch(
    cluster: Arc<dyn Cluster>,
    broker: BrokerId,
    asked: Vec<Asked>,
    request: FetchRequest,
) -> Event {
    let answer = cluster.fetch(broker, request).await;
    Event::Fetched { broker, asked, answer }
}

pub(super) async fn metadata(cluster: Arc<dyn Cluster>, topics: Vec<TopicName>) -> Event {
    let request = MetadataRequest { topics: TopicsWanted::Names(topics.clone()), allow_auto_create: false };
    Event::Metadata { topics, answer: cluster.metadata(request).await }
}

/// Turns places into offsets: two rounds of ListOffsets at most, whatever the number of partitions.
pub(super) async fn resolve(
    cluster: Arc<dyn Cluster>,
    broker: BrokerId,
    isolation: IsolationLevel,
    places: Vec<Place>,
) -> Event {
    let first = places.iter().map(|place| (place.partition.clone(), first_question(place.at))).collect();
    let first = ask_leader(&*cluster, broker, isolation, first).await;
    let mut answers = Vec::with_capacity(places.len());
    let mut second = Vec::new();
    for (place, answer) in places.into_iter().zip(first) {
        match (second_question(place.at, &answer), answer) {
            (Some(question), Ok(found)) => second.push((place, question, found)),
            (_, answer) => answers.push((place.asked, place.which, answer.and_then(|found| found.ok_or_else(nothing)))),
        }
    }
    if !second.is_empty() {
        let questions = second.iter().map(|(place, question, _)| (place.partition.clone(), *question)).collect();
        let found = ask_leader(&*cluster, broker, isolation, questions).await;
        for ((place, _, before), answer) in second.into_iter().zip(found) {
            let offset = answer.and_then(|found| found.ok_or_else(nothing)).map(|found| match (place.at, before) {
                // `found` is the earliest offset, `before` the latest.
                (At::Tail(n), Some(latest)) => {
                    found.max(latest.plus(i64::try_from(n).unwrap_or(i64::MAX).saturating_neg()))
                }
                _ => found,
            });
            answers.push((place.asked, place.which, offset));
        }
    }
    Event::Resolved { answers }
}

const fn first_question(at: At) -> OffsetSpec {
    match at {
        At::Earliest | At::Offset(_) => OffsetSpec::Earliest,
        At::Latest | At::Tail(_) => OffsetSpec::Latest,
        At::Time(ms) => OffsetSpec::Timestamp(ms),
    }
}

/// What else must be known: a tail its lower bound, a time after the last record the end.
const fn second_question(at: At, first: &Result<Option<Offset>, Error>) -> Option<OffsetSpec> {
    match (at, first) {
        (At::Tail(_), Ok(Some(_))) => Some(OffsetSpec::Earliest),
        (At::Time(_), Ok(None)) => Some(OffsetSpec::Latest),
        _ => None,
    }
}

fn nothing() -> Error {
    Error::new(ErrorCode::UnknownServerError, "the broker named no offset for the log's start or end")
}

/// How long to wait after the `failures`-th failure in a row: doubling from 20 ms to 1 s, and somewhere
/// in the upper half of that, so that many readers do not come back at once.
pub(super) fn back_off(failures: u32, random: u64) -> Duration {
    let full = 20_u64.saturating_mul(1 << failures.min(10)).min(1_000);
    Duration::from_millis(full / 2 + random % (full / 2 + 1))
}
