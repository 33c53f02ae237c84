//! What waits to be sent when a connection is lost.

use super::*;
use crate::messages::ApiVersionsResponse;
use crate::net::Address;
use crate::net::ask::Typed;
use crate::net::backlog::{Backlog, Overdue, Room};
use crate::{ApiKey, ServerVersions};

type Reply = tokio::sync::oneshot::Receiver<Result<Answer<Metadata>, Error>>;

fn push(backlog: &Backlog, bytes: usize) -> Reply {
    push_so(backlog, bytes, true)
}

fn push_so(backlog: &Backlog, bytes: usize, answered: bool) -> Reply {
    let limits = Limits { bytes, ..Limits::within(LIMIT) };
    let (job, answer) = Typed::<Metadata>::new(limits, move |versions: &ServerVersions| {
        Ok(Ask { version: versions.newest::<Metadata>()?, request: MetadataRequest::default(), answered })
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
    backlog.written(&outgoing);
    assert!(matches!(backlog.room(41, 100, None), Room::Yes));
}

/// Brokers cut the connection where they cannot write what is not acknowledged, perhaps in the midst of a write.
#[tokio::test]
async fn a_write_that_is_cut_gives_its_room_back_and_says_so() {
    let backlog = Backlog::new(Address::new("h", 1), Env::system());
    let versions = ServerVersions::new(&ApiVersionsResponse::serving([ApiKey::Metadata]));
    backlog.has_connected();
    let cut = push_so(&backlog, 60, false);
    drop(backlog.take("me", &versions));
    assert!(!backlog.is_free(), "its write is under way");
    let behind = push_so(&backlog, 30, false);
    backlog.lost(&Arc::from("it was cut"));
    let error = cut.await.unwrap().unwrap_err();
    assert!(matches!(error, Error::Lost { .. }), "{error}");
    let error = behind.await.unwrap().unwrap_err();
    assert!(matches!(error, Error::NotSent { .. }), "{error}");
    backlog.has_connected();
    assert!(backlog.is_free());
    let _waits = push_so(&backlog, 40, false);
    assert!(matches!(backlog.room(60, 100, None), Room::Yes));
    // What waits keeps its room when a connection ends that had nothing to do.
    backlog.lost(&Arc::from("it broke"));
    backlog.has_connected();
    assert!(matches!(backlog.room(60, 100, None), Room::Yes));
    assert!(matches!(backlog.room(61, 100, None), Room::Later { .. }));
}

/// Else a write that a broker does not take would hold up all that follows for ever.
#[tokio::test(start_paused = true)]
async fn a_write_of_what_is_not_answered_has_its_time() {
    let backlog = Backlog::new(Address::new("h", 1), Env::system());
    let versions = ServerVersions::new(&ApiVersionsResponse::serving([ApiKey::Metadata]));
    backlog.has_connected();
    let stuck = push_so(&backlog, 60, false);
    drop(backlog.take("me", &versions));
    assert!(backlog.look_after(None).unwrap().is_some());
    tokio::time::advance(LIMIT).await;
    assert_eq!(backlog.look_after(None), Err(Overdue::Answer));
    backlog.lost(&Arc::from("it was given up"));
    assert!(matches!(stuck.await.unwrap(), Err(Error::TimedOut { .. })));
}
