//! Fetch.

use std::time::Duration;

use futures::future::{Either, select};
use ottla_broker_core::api;
use ottla_broker_core::error::{Error, ErrorCode};
use ottla_broker_core::planted::is_planted;
use ottla_wire::TopicRef;
use ottla_wire::messages::{FetchPartition, FetchRequest, FetchResponse, FetchedPartition};

use super::Asked;
use super::interleave::Interleaved;
use super::leaders;
use crate::authorizer::Operation;
use crate::sessions::Begun;
use crate::shared::Shared;

/// # Errors
/// What cannot be said in an answer.
pub(super) async fn answer(shared: &Shared, asked: &Asked, request: FetchRequest) -> Result<FetchResponse, Error> {
    let begun = match shared.sessions.begin(&request, asked.version, &shared.env) {
        Ok(begun) => begun,
        Err(code) => return Ok(FetchResponse::refused(code)),
    };
    let wanted = begun.partitions();
    let part = |(topic, part): &(TopicRef, FetchPartition)| part_of(shared, asked, &request, topic, part);
    let (partitions, refused) = Interleaved::split(wanted.iter().map(part));
    let mut fetch = request.to_api(partitions);
    fetch.max_bytes = fetch.max_bytes.min(shared.limits.fetch_bytes);
    if refused.any_refused() {
        // An error is told at once.
        fetch.max_wait = Duration::ZERO;
    }
    let isolation = fetch.isolation;
    let fetched = if fetch.partitions.is_empty() { Vec::new() } else { wait(shared, fetch).await? };
    let answers = refused
        .join(fetched)
        .zip(wanted.iter())
        .map(|(result, (topic, part))| (topic.clone(), FetchedPartition::from_api(part.partition, isolation, result)));
    let answers = answers.collect();
    let mut response = conclude(shared, begun, answers);
    leaders::tell_consumer(shared, asked.version, &mut response).await;
    Ok(response)
}

fn conclude(shared: &Shared, begun: Begun, answers: Vec<(TopicRef, FetchedPartition)>) -> FetchResponse {
    let (session_id, answers) = shared.sessions.conclude(begun, answers, &shared.env);
    FetchResponse { session_id, ..FetchResponse::of(answers) }
}

/// Waits as the request says, or until the server stops: then for what there is.
async fn wait(shared: &Shared, fetch: api::FetchRequest) -> Result<api::FetchResponse, Error> {
    if fetch.max_wait.is_zero() || is_planted("shutdown-waits-for-polls") {
        return shared.broker.fetch(fetch).await;
    }
    let what_there_is = api::FetchRequest { max_wait: Duration::ZERO, ..fetch.clone() };
    let waiting = std::pin::pin!(shared.broker.fetch(fetch));
    let draining = std::pin::pin!(shared.draining());
    match select(waiting, draining).await {
        Either::Left((fetched, _)) => fetched,
        Either::Right(((), _)) => shared.broker.fetch(what_there_is).await,
    }
}

fn part_of(
    shared: &Shared,
    asked: &Asked,
    request: &FetchRequest,
    topic: &TopicRef,
    part: &FetchPartition,
) -> Result<api::FetchPartition, Error> {
    let name = asked.topic(shared, Operation::Read, topic)?;
    if let Some(follower) = request.follower() {
        // A follower sees what is not committed: nobody is one by saying so.
        let message = format!("broker {follower} is no replica of {name}-{}", part.partition);
        return Err(Error::new(ErrorCode::NotLeaderOrFollower, message));
    }
    Ok(part.to_api(name))
}
