//! From requests to the broker, and from its answers to responses: one file a family of APIs.

mod asked;
mod cluster;
mod commits;
mod configs;
mod fetch;
mod groups;
mod inspect;
mod interleave;
mod leaders;
mod metadata;
mod offsets;
mod produce;
mod topics;
mod users;
mod versions;

use std::sync::Arc;

use ottla_broker_core::env::BoxFuture;
use ottla_broker_core::error::{Error, ErrorCode};
use ottla_wire::{ApiKey, Request, Response};

pub(crate) use asked::Asked;

use crate::connection::Ended;
use crate::shared::Shared;

/// What comes of a request.
pub(crate) enum Outcome {
    Answer(Response),
    /// The client wants no answer.
    Silence,
    /// The connection is closed, which is all that the client can be told.
    Close(Ended),
}

/// When a request may begin, among those of its connection. Kafka begins each when the one before is answered, so
/// that clients may rely on that order wherever it can be seen; where it cannot, requests go side by side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    /// At once: it only looks, or its order shows nowhere.
    Any,
    /// At once: it takes its place in the log in the very moment it begins.
    Append,
    /// When the fetch before it was answered: so one connection holds one fetch's records.
    Read,
    /// When all before it were answered; and those after it begin when this one was.
    Alone,
}

pub(crate) const fn turn_of(key: ApiKey) -> Turn {
    match key {
        // A heartbeat is in time whatever it waits behind.
        ApiKey::ApiVersions | ApiKey::Heartbeat => Turn::Any,
        ApiKey::Produce => Turn::Append,
        ApiKey::Fetch => Turn::Read,
        _ => Turn::Alone,
    }
}

/// Begins a request. What has to be in the order of the requests has happened when this returns.
pub(crate) fn dispatch(shared: &Arc<Shared>, asked: Asked, request: Request) -> BoxFuture<'static, Outcome> {
    if let Request::Produce(request) = request {
        return produce::begin(shared, &asked, *request);
    }
    let shared = Arc::clone(shared);
    Box::pin(async move {
        match answer(&shared, &asked, request).await {
            Ok(outcome) => outcome,
            Err(error) => Outcome::Close(Ended::Unanswerable(error)),
        }
    })
}

/// What one thing has to say may be a thousand times as long as its name: where that is so, it is said once, however often
/// it is asked for.
///
/// # Errors
/// What cannot be said in an answer: the broker is closed, most likely.
async fn answer(shared: &Shared, asked: &Asked, request: Request) -> Result<Outcome, Error> {
    let response: Response = match request {
        Request::Fetch(request) => fetch::answer(shared, asked, *request).await?.into(),
        Request::ListOffsets(request) => offsets::list(shared, asked, &request).await?.into(),
        Request::Metadata(request) => metadata::answer(shared, asked, &request).await?.into(),
        Request::FindCoordinator(request) => cluster::find_coordinator(shared, asked, &request).await.into(),
        Request::ApiVersions(request) => versions::answer(&request).into(),
        Request::InitProducerId(request) => cluster::init_producer_id(shared, asked, &request).await.into(),
        Request::OffsetForLeaderEpoch(request) => offsets::of_epochs(shared, asked, &request).await?.into(),
        Request::DescribeCluster(request) => cluster::describe(shared, &request).await?.into(),
        Request::DescribeTopicPartitions(request) => cluster::describe_topics(shared, asked, &request).await?.into(),
        Request::OffsetCommit(request) => commits::commit(shared, asked, &request).await.into(),
        Request::OffsetFetch(request) => commits::fetch(shared, asked, *request).await.into(),
        Request::OffsetDelete(request) => commits::delete(shared, asked, &request).await.into(),
        Request::JoinGroup(request) => groups::join(shared, asked, &request).await.into(),
        Request::SyncGroup(request) => groups::sync(shared, asked, &request).await.into(),
        Request::Heartbeat(request) => groups::heartbeat(shared, asked, &request).await.into(),
        Request::LeaveGroup(request) => groups::leave(shared, asked, &request).await.into(),
        Request::DescribeGroups(request) => groups::describe(shared, asked, *request).await.into(),
        Request::ListGroups(request) => groups::list(shared, asked, &request).await.into(),
        Request::DeleteGroups(request) => groups::delete(shared, asked, &request).await.into(),
        Request::CreateTopics(request) => topics::create(shared, asked, &request).await?.into(),
        Request::DeleteTopics(request) => topics::delete(shared, asked, &request).await?.into(),
        Request::CreatePartitions(request) => topics::grow(shared, asked, &request).await?.into(),
        Request::DeleteRecords(request) => topics::delete_records(shared, asked, &request).await?.into(),
        Request::DescribeConfigs(request) => configs::describe(shared, asked, *request).await?.into(),
        Request::AlterConfigs(request) => configs::alter(shared, asked, &request).await?.into(),
        Request::IncrementalAlterConfigs(request) => configs::alter_some(shared, asked, &request).await?.into(),
        Request::DescribeProducers(request) => inspect::producers(shared, asked, *request)?.into(),
        Request::DescribeLogDirs(request) => inspect::log_dirs(shared, asked, &request)?.into(),
        Request::ElectLeaders(request) => inspect::elect(shared, asked, &request)?.into(),
        Request::DescribeUserScramCredentials(request) => users::describe(shared, asked, &request)?.into(),
        Request::AlterUserScramCredentials(request) => users::alter(shared, asked, &request).await?.into(),
        // The connection takes log-ins itself; and what the crate `wire` learns to speak is served when it stands here.
        other => return Ok(Outcome::Close(Ended::NotServed(other.key()))),
    };
    Ok(Outcome::Answer(response))
}

/// Tells an error that can be said from that of a closed broker, whose clients are to look for another one: the end
/// of the connection says so best.
fn closed(error: Error) -> Result<Error, Error> {
    if error.code == ErrorCode::BrokerNotAvailable { Err(error) } else { Ok(error) }
}
