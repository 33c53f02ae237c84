//! Fetch sessions over the wire (KIP-227).

use std::time::Duration;

use ottla_broker_core::error::ErrorCode;
use ottla_wire::TopicRef;
use ottla_wire::messages::{FetchPartition, FetchRequest, ForgottenTopic};

use crate::support::{TOPIC, fetch, values, world};

fn session(request: FetchRequest, session_id: i32, session_epoch: i32) -> FetchRequest {
    FetchRequest { session_id, session_epoch, ..request }
}

fn no_topics(session_id: i32, session_epoch: i32) -> FetchRequest {
    let request = FetchRequest { topics: Vec::new(), ..fetch(0, Duration::ZERO) };
    session(request, session_id, session_epoch)
}

#[tokio::test]
async fn only_news_is_told_once_a_session_is_there() {
    let world = world().await;
    let mut client = world.client().await;
    client.produce(-1, "one").await;
    let mut all = fetch(0, Duration::ZERO);
    all.topics[0].partitions.push(FetchPartition { partition: 1, max_bytes: 1 << 20, ..FetchPartition::default() });
    let first = client.fetch(&session(all, 0, 0)).await;
    let id = first.session_id;
    assert!(id > 0);
    assert_eq!(first.topics[0].partitions.len(), 2);
    assert_eq!(values(first), ["one"]);

    // The same offsets again: records are always news, and the empty partition has none.
    let again = client.fetch(&no_topics(id, 1)).await;
    assert_eq!((again.error, again.session_id), (None, id));
    assert_eq!(again.topics[0].partitions.len(), 1);
    assert_eq!(values(again), ["one"]);

    // Moved to the end, there is nothing to tell.
    let moved = client.fetch(&session(fetch(1, Duration::ZERO), id, 2)).await;
    assert_eq!((moved.error, moved.topics.len()), (None, 0));

    client.produce(-1, "two").await;
    assert_eq!(values(client.fetch(&no_topics(id, 3)).await), ["two"]);

    let forgotten = vec![ForgottenTopic { topic: TopicRef::Name(TOPIC.into()), partitions: vec![0] }];
    let less = client.fetch(&FetchRequest { forgotten, ..no_topics(id, 4) }).await;
    assert_eq!((less.error, less.topics.len()), (None, 0));
    world.close().await;
}

#[tokio::test]
async fn sessions_that_are_not_there_and_epochs_that_are_not_next_are_told() {
    let world = world().await;
    let mut client = world.client().await;
    let lost = client.fetch(&no_topics(7, 1)).await;
    assert_eq!((lost.error, lost.session_id), (Some(ErrorCode::FetchSessionIdNotFound), 0));
    let id = client.fetch(&session(fetch(0, Duration::ZERO), 0, 0)).await.session_id;
    let wrong = client.fetch(&no_topics(id, 2)).await;
    assert_eq!(wrong.error, Some(ErrorCode::InvalidFetchSessionEpoch));
    // A full fetch without a session ends the one that it names.
    let last = client.fetch(&session(fetch(0, Duration::ZERO), id, -1)).await;
    assert_eq!((last.error, last.session_id), (None, 0));
    let lost = client.fetch(&no_topics(id, 1)).await;
    assert_eq!(lost.error, Some(ErrorCode::FetchSessionIdNotFound));
    world.close().await;
}
