//! How committed offsets name their topics.

use ottla_broker_core::api::group::{
    CommittedOffset, Generation, OffsetCommit, OffsetCommitPartition, OffsetFetch, OffsetsWanted,
};

use super::*;

fn commit() -> OffsetCommit {
    let one =
        OffsetCommitPartition { partition: partition(), offset: Offset(7), leader_epoch: None, metadata: "".into() };
    OffsetCommit {
        group: "g".into(),
        generation: Generation::NONE,
        member: None,
        instance: None,
        partitions: vec![one],
    }
}

fn committed(wanted: OffsetsWanted) -> OffsetFetch {
    OffsetFetch { group: "g".into(), wanted, require_stable: true }
}

#[tokio::test]
async fn commits_name_topics_by_id_until_it_is_nobodys() {
    let one = Scripted::start().await;
    let remote = remote(&[&one]);
    let id = Uuid::from_u128(5);
    let mut first = meet(&remote, &one, cluster(&[(1, one.address())], 1, id)).await;
    for (version, refused) in [(10, Some(ErrorCode::UnknownTopicId)), (9, None)] {
        let answers = during(remote.offset_commit(BrokerId(1), commit()), async {
            let (header, request) = hear(&mut first, ApiKey::OffsetCommit).await;
            let Request::OffsetCommit(request) = request else { unreachable!() };
            assert_eq!((header.version, matches!(request.topics[0].topic, TopicRef::Id(_))), (version, version == 10));
            let result = refused.map_or(Ok(()), |code| Err(code.into()));
            first.answer(&header, wire::OffsetCommitResponse::from_api(&request, [result])).await;
        });
        let answer = answers.await.unwrap().remove(0);
        assert_eq!(answer.err().map(|error| error.code), refused);
    }
}

#[tokio::test]
async fn committed_offsets_are_asked_for_by_id_where_all_ids_are_known() {
    let one = Scripted::start().await;
    let remote = remote(&[&one]);
    let mut first = meet(&remote, &one, cluster(&[(1, one.address())], 1, Uuid::from_u128(5))).await;
    let stored = CommittedOffset { offset: Offset(7), leader_epoch: Some(LeaderEpoch(3)), metadata: "note".into() };
    // All of a group's may be of any topics.
    for (wanted, version) in [(OffsetsWanted::Partitions(vec![partition()]), 10), (OffsetsWanted::All, 9)] {
        let answers = during(remote.offset_fetch(BrokerId(1), committed(wanted)), async {
            let (header, request) = hear(&mut first, ApiKey::OffsetFetch).await;
            let Request::OffsetFetch(request) = request else { unreachable!() };
            assert_eq!(header.version, version);
            let topic = match &request.groups[0].topics {
                Some(topics) => topics[0].topic.clone(),
                None => TopicRef::Name("t".into()),
            };
            assert_eq!(matches!(topic, TopicRef::Id(_)), version == 10);
            let group = wire::OffsetFetchedGroup::from_api("g".into(), [(topic, 0, Ok(Some(stored.clone())))]);
            first.answer(&header, wire::OffsetFetchResponse::from_api(version, &request, vec![group])).await;
        });
        let told = answers.await.unwrap().remove(0);
        assert_eq!((told.partition, told.committed.unwrap().unwrap()), (partition(), stored.clone()));
    }
}
