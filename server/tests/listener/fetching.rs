//! What readers depend on.

use std::time::Duration;

use ottla_broker_core::Offset;
use ottla_broker_core::api::IsolationLevel;
use ottla_broker_core::error::ErrorCode;
use ottla_wire::messages::{
    Fetch, FetchPartition, FetchRequest, FetchResponse, FetchedPartition, ForgottenTopic, ListOffsets,
    ListOffsetsPartition, ListOffsetsRequest, ListOffsetsTopic, Metadata, MetadataRequest, Produce,
};
use ottla_wire::{Api, TopicRef};
use uuid::Uuid;

use crate::support::{Client, TOPIC, WRITTEN_MS, World, fetch, produce, values, world};

/// A wait that no test outlasts.
const FOR_EVER: Duration = Duration::from_secs(3_600);

/// A world with `records` in partition 0, and a client.
async fn written(records: &[&str]) -> (World, Client) {
    let world = world().await;
    let mut client = world.client().await;
    for text in records {
        assert_eq!(client.produce(-1, text).await.topics[0].partitions[0].error, None);
    }
    (world, client)
}

/// The only partition of an answer.
fn only(response: &FetchResponse) -> &FetchedPartition {
    assert_eq!((response.error, response.topics.len(), response.topics[0].partitions.len()), (None, 1, 1));
    &response.topics[0].partitions[0]
}

fn of_both_partitions(request: FetchRequest) -> FetchRequest {
    let mut request = request;
    let other = FetchPartition { partition: 1, ..request.topics[0].partitions[0].clone() };
    request.topics[0].partitions.push(other);
    request
}

#[tokio::test]
async fn a_batch_comes_however_small_the_limits() {
    let long = "x".repeat(10_000);
    let (world, mut client) = written(&[&long, "two"]).await;
    for version in Fetch::SPEC.versions.min..=12 {
        for (of_all, of_each) in [(1, 1), (0, 0), (1 << 20, 1), (1, 1 << 20), (-1, -1)] {
            let mut request = fetch(0, Duration::ZERO);
            request.max_bytes = of_all;
            request.topics[0].partitions[0].max_bytes = of_each;
            let read = client.ask::<Fetch>(version, &request).await;
            assert_eq!(only(&read).error, None, "MESSAGE_TOO_LARGE is not for readers");
            assert_eq!(values(read), [long.as_str()], "version {version}, {of_all} and {of_each} bytes");
        }
    }
    world.close().await;
}

#[tokio::test]
async fn a_reader_that_lags_behind_does_not_wait_for_more_than_it_can_get() {
    let (world, mut client) = written(&["one", "two", "three"]).await;
    let mut request = fetch(0, FOR_EVER);
    request.min_bytes = 1 << 20;
    request.topics[0].partitions[0].max_bytes = 100;
    assert_eq!(values(client.fetch(&request).await), ["one"]);
    world.close().await;
}

#[tokio::test]
async fn limits_hold_over_all_partitions() {
    let (world, mut client) = written(&["one"]).await;
    let mut other = produce(-1, TOPIC, "other");
    other.topics[0].partitions[0].partition = 1;
    client.ask::<Produce>(9, &other).await;
    let mut request = of_both_partitions(fetch(0, Duration::ZERO));
    let count = |read: &FetchResponse| {
        let parts = read.topics[0].partitions.iter();
        parts.filter(|part| part.records.as_ref().is_some_and(|records| !records.is_empty())).count()
    };
    assert_eq!(count(&client.fetch(&request).await), 2);
    request.max_bytes = 100;
    // One of them, by turns: so neither starves.
    let mut seen = Vec::new();
    for _ in 0..4 {
        let read = client.fetch(&request).await;
        assert_eq!(count(&read), 1);
        seen.extend(values(read));
    }
    seen.sort();
    assert_eq!(seen, ["one", "one", "other", "other"]);
    world.close().await;
}

#[tokio::test]
async fn watermarks_are_told_whatever_there_is_to_read() {
    let (world, mut client) = written(&["one", "two"]).await;
    for version in Fetch::SPEC.versions.min..=12 {
        for isolation in [IsolationLevel::ReadUncommitted, IsolationLevel::ReadCommitted] {
            // In the middle, at the end, and of a partition where there is nothing.
            for (partition, offset, end) in [(0, 1, 2), (0, 2, 2), (1, 0, 0)] {
                let mut request = FetchRequest { isolation, ..fetch(offset, Duration::ZERO) };
                request.topics[0].partitions[0].partition = partition;
                let read = client.ask::<Fetch>(version, &request).await;
                let read = only(&read);
                assert_eq!((read.error, read.high_watermark, read.last_stable_offset), (None, end, end));
                assert_eq!(read.log_start_offset, if version >= 5 { 0 } else { -1 });
                assert_eq!(read.aborted.is_some(), isolation == IsolationLevel::ReadCommitted);
                assert!(read.records.is_some(), "old clients do not take null");
            }
        }
    }
    // A poll that waits in vain tells them too.
    let read = client.fetch(&fetch(2, Duration::from_millis(1))).await;
    assert_eq!((only(&read).high_watermark, only(&read).last_stable_offset), (2, 2));
    world.close().await;
}

#[tokio::test]
async fn an_empty_partition_has_an_end_and_nothing_beyond_it() {
    let world = world().await;
    let mut client = world.client().await;
    assert_eq!(only(&client.fetch(&fetch(0, Duration::ZERO)).await).error, None);
    // Told at once, however long the poll would wait.
    for offset in [1, i64::MAX, -1, -2] {
        let refused = client.fetch(&fetch(offset, FOR_EVER)).await;
        assert_eq!(only(&refused).error, Some(ErrorCode::OffsetOutOfRange), "{offset}");
    }
    let mut nowhere = fetch(0, FOR_EVER);
    nowhere.topics[0].partitions[0].partition = 9;
    assert_eq!(only(&client.fetch(&nowhere).await).error, Some(ErrorCode::UnknownTopicOrPartition));
    world.close().await;
}

#[tokio::test]
async fn topics_are_named_up_to_version_12_and_have_ids_from_13_on() {
    let (world, mut client) = written(&["one"]).await;
    let id = client.ask::<Metadata>(12, &MetadataRequest::default()).await.topics[0].id;
    let of = |topic: TopicRef| {
        let mut request = fetch(0, Duration::ZERO);
        request.topics[0].topic = topic;
        request
    };
    for version in Fetch::SPEC.versions.iter() {
        let (known, unknown, refused) = if version < 13 {
            let unknown = TopicRef::Name("other".into());
            (TopicRef::Name(TOPIC.into()), unknown, ErrorCode::UnknownTopicOrPartition)
        } else {
            (TopicRef::Id(ottla_broker_core::TopicId(id)), other_id(), ErrorCode::UnknownTopicId)
        };
        let read = client.ask::<Fetch>(version, &of(known.clone())).await;
        assert_eq!(read.topics[0].topic, known);
        assert_eq!(values(read), ["one"], "version {version}");
        let read = client.ask::<Fetch>(version, &of(unknown.clone())).await;
        assert_eq!((&read.topics[0].topic, only(&read).error), (&unknown, Some(refused)), "version {version}");
    }
    for version in Produce::SPEC.versions.iter() {
        let mut request = produce(-1, TOPIC, "more");
        if version >= 13 {
            request.topics[0].topic = TopicRef::Id(ottla_broker_core::TopicId(id));
        }
        let answer = client.ask::<Produce>(version, &request).await;
        let at = i64::from(version) - 2;
        assert_eq!((&answer.topics[0].topic, &answer.topics[0].partitions[0].error), (&request.topics[0].topic, &None));
        assert_eq!(answer.topics[0].partitions[0].base_offset, at);
    }
    world.close().await;
}

fn other_id() -> TopicRef {
    TopicRef::Id(ottla_broker_core::TopicId(Uuid::from_u128(9)))
}

#[tokio::test]
async fn a_session_of_ids_forgets_by_id() {
    let (world, mut client) = written(&["one"]).await;
    let id = client.ask::<Metadata>(12, &MetadataRequest::default()).await.topics[0].id;
    let topic = TopicRef::Id(ottla_broker_core::TopicId(id));
    let mut request = of_both_partitions(FetchRequest { session_epoch: 0, ..fetch(0, Duration::ZERO) });
    request.topics[0].topic = topic.clone();
    let first = client.ask::<Fetch>(15, &request).await;
    assert!(first.session_id > 0);
    let next = |epoch, forgotten| FetchRequest {
        session_id: first.session_id,
        session_epoch: epoch,
        topics: Vec::new(),
        forgotten,
        ..fetch(0, Duration::ZERO)
    };
    assert_eq!(values(client.ask::<Fetch>(15, &next(1, Vec::new())).await), ["one"]);
    let forgotten = vec![ForgottenTopic { topic, partitions: vec![0] }];
    let less = client.ask::<Fetch>(15, &next(2, forgotten)).await;
    assert_eq!((less.error, less.topics.len()), (None, 0));
    world.close().await;
}

#[tokio::test]
async fn an_offset_by_time_is_the_first_at_or_after_it_and_comes_with_its_own_time() {
    let (world, mut client) = written(&["one", "two"]).await;
    let ask = |timestamp| ListOffsetsRequest {
        topics: vec![ListOffsetsTopic {
            name: TOPIC.into(),
            partitions: vec![ListOffsetsPartition { partition: 0, current_leader_epoch: None, timestamp }],
        }],
        ..ListOffsetsRequest::default()
    };
    for version in ListOffsets::SPEC.versions.iter() {
        for (timestamp, expected) in [
            (WRITTEN_MS - 5, (Some(Offset(0)), WRITTEN_MS)),
            (WRITTEN_MS, (Some(Offset(0)), WRITTEN_MS)),
            (WRITTEN_MS + 1, (None, -1)),
            // What is no record's place has no time.
            (-1, (Some(Offset(2)), -1)),
            (-2, (Some(Offset(0)), -1)),
        ] {
            let told = client.ask::<ListOffsets>(version, &ask(timestamp)).await;
            let told = &told.topics[0].partitions[0];
            assert_eq!((told.error, (told.offset, told.timestamp)), (None, expected), "version {version}, {timestamp}");
            // An epoch is a real one, or none.
            assert!(told.leader_epoch.is_none_or(|epoch| version >= 4 && epoch.0 >= 0), "{:?}", told.leader_epoch);
        }
    }
    world.close().await;
}
