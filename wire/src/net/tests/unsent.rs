//! What waits to be sent when a connection is lost.

use super::*;
use crate::messages::ApiVersionsResponse;
use crate::net::Address;
use crate::net::ask::Typed;
use crate::net::backlog::{Backlog, Room};
use crate::{ApiKey, ServerVersions};

fn push(backlog: &Backlog, bytes: usize) -> tokio::sync::oneshot::Receiver<Result<Answer<Metadata>, Error>> {
    let limits = Limits { bytes, ..Limits::within(LIMIT) };
    let (job, answer) = Typed::<Metadata>::new(limits, |versions: &ServerVersions| {
        Ok(Ask { version: versions.newest::<Metadata>()?, request: MetadataRequest::default(), answered: true })
    });
    backlog.push(Box::new(job));
    answer
}

/// Sent over the next connection it would overtake what was lost, which is asked again.
#[tokio::test]
async fn what_follows_the_lost_is_not_sent_over_the_next_connection() {
    let backlog = Backlog::new(Address::new("h", 1), Env::system());
    let versions = ServerVersions::new(&ApiVersionsResponse::serving([ApiKey::Metadata]));
    backlog.has_connected();
    let lost = push(&backlog, 10);
    let outgoing = backlog.take("me", &versions);
    assert_eq!(outgoing.chunks.len(), 1);
    let unsent = push(&backlog, 10);
    backlog.lost(&Arc::from("it broke"));
    assert!(lost.await.unwrap().unwrap_err().may_have_happened());
    let error = unsent.await.unwrap().unwrap_err();
    assert!(matches!(error, Error::NotSent { .. }) && !error.may_have_happened(), "{error}");
    // What waits while nothing was in flight is sent over the next.
    backlog.has_connected();
    let waits = push(&backlog, 10);
    backlog.lost(&Arc::from("it broke"));
    backlog.has_connected();
    assert_eq!(backlog.take("me", &versions).chunks.len(), 1);
    drop(waits);
}

#[tokio::test]
async fn room_is_what_is_not_sent_yet() {
    let backlog = Backlog::new(Address::new("h", 1), Env::system());
    let versions = ServerVersions::new(&ApiVersionsResponse::serving([ApiKey::Metadata]));
    assert!(matches!(backlog.room(1, 100, None), Room::Later { .. }), "there is no connection");
    backlog.has_connected();
    // One that is larger than all of the room goes alone.
    assert!(matches!(backlog.room(1_000, 100, None), Room::Yes));
    let _one = push(&backlog, 60);
    assert!(matches!(backlog.room(40, 100, None), Room::Yes));
    assert!(matches!(backlog.room(41, 100, None), Room::Later { .. }));
    let outgoing = backlog.take("me", &versions);
    assert!(matches!(backlog.room(41, 100, None), Room::Later { .. }), "it is not on its way yet");
    backlog.written(outgoing);
    assert!(matches!(backlog.room(41, 100, None), Room::Yes));
}
