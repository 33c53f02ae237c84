//! A group's life through the broker.

use ottla_broker_core::api::ErrorCode;
use ottla_broker_core::api::group::*;

use super::support::*;

#[tokio::test(start_paused = true)]
async fn two_members_divide_commit_and_go() {
    let (_, _, broker, _keeper) = fresh("analytics").await;
    let (first, second) = pair(&broker, "analytics").await;
    broker.heartbeat(heartbeat("analytics", &first)).await.unwrap();
    let stored = broker.offset_commit(commit("analytics", Some(&first), partition("emails", 0), 5)).await;
    assert_eq!(stored.unwrap(), [Ok(())]);
    assert_eq!(committed(&broker, "analytics").await, Some(5));

    let group = described(&broker, "analytics").await;
    assert_eq!((group.state, group.generation, &*group.protocol), (GroupState::Stable, first.generation, "range"));
    let names: Vec<_> = group.members.iter().map(|member| &member.member).collect();
    assert_eq!(names.len(), 2);
    assert!(names.contains(&&first.member) && names.contains(&&second.member));
    let listed = broker.list_groups(ListGroups { states: vec![GroupState::Stable] }).await.unwrap();
    assert_eq!(listed.iter().map(|group| group.group.as_str()).collect::<Vec<_>>(), ["analytics"]);
    assert_eq!(
        broker
            .delete_groups(vec!["analytics".into(), "nobody".into()])
            .await
            .unwrap()
            .into_iter()
            .map(code)
            .collect::<Vec<_>>(),
        [ErrorCode::NonEmptyGroup, ErrorCode::GroupIdNotFound]
    );

    // The one that stays has to join again, and is told so.
    broker.leave_group(leave("analytics", &second)).await.unwrap().remove(0).result.unwrap();
    assert_eq!(code(broker.heartbeat(heartbeat("analytics", &first)).await), ErrorCode::RebalanceInProgress);
    let again = JoinGroup { member: Some(first.member.clone()), ..join("analytics", &["emails"]) };
    let again = joined(&broker, again).await;
    assert_eq!((again.generation, again.members.len()), (first.generation.next(), 1));
    broker.sync_group(sync("analytics", &again, &[(&again, &[0, 1, 2])])).await.unwrap();
    let late = broker.offset_commit(commit("analytics", Some(&second), partition("emails", 2), 9)).await;
    assert_eq!(code(late), ErrorCode::UnknownMemberId);
    let late = broker.offset_commit(commit("analytics", Some(&first), partition("emails", 0), 4)).await;
    assert_eq!(code(late), ErrorCode::IllegalGeneration);
    assert_eq!(committed(&broker, "analytics").await, Some(5));

    broker.leave_group(leave("analytics", &again)).await.unwrap().remove(0).result.unwrap();
    assert_eq!(described(&broker, "analytics").await.state, GroupState::Empty);
    broker.delete_groups(vec!["analytics".into()]).await.unwrap().remove(0).unwrap();
    assert_eq!(described(&broker, "analytics").await.state, GroupState::Dead);
    assert_eq!(committed(&broker, "analytics").await, None);
}

#[tokio::test(start_paused = true)]
async fn names_that_no_group_has_are_refused() {
    let (_, _, broker, _keeper) = fresh("g").await;
    assert_eq!(code(find(&broker, "").await), ErrorCode::InvalidGroupId);
    let refused = broker.find_coordinator(FindCoordinator::Transaction("t".into())).await;
    assert_eq!(code(refused), ErrorCode::UnsupportedVersion);
    let refused = broker.join_group(join("", &["emails"])).await.unwrap_err();
    assert_eq!(refused.error.code, ErrorCode::InvalidGroupId);
    let mut impatient = join("g", &["emails"]);
    impatient.session_timeout = std::time::Duration::from_secs(1);
    let refused = broker.join_group(impatient).await.unwrap_err();
    assert_eq!(refused.error.code, ErrorCode::InvalidSessionTimeout);
}

#[tokio::test(start_paused = true)]
async fn each_partition_of_a_commit_is_judged_alone() {
    let (_, _, broker, _keeper) = fresh("g").await;
    let mut request = commit("g", None, partition("emails", 3), 1);
    request.partitions.extend(commit("g", None, partition("emails", 0), 2).partitions);
    request.partitions.extend(commit("g", None, partition("letters", 0), 3).partitions);
    let mut long = commit("g", None, partition("emails", 1), 3).partitions;
    long[0].metadata = "x".repeat(10_000).into();
    request.partitions.extend(long);
    let answers = broker.offset_commit(request).await.unwrap();
    let codes: Vec<_> = answers.into_iter().map(|answer| answer.err().map(|error| error.code)).collect();
    let unknown = Some(ErrorCode::UnknownTopicOrPartition);
    assert_eq!(codes, [unknown, None, unknown, Some(ErrorCode::OffsetMetadataTooLarge)]);
    assert_eq!(committed(&broker, "g").await, Some(2));
    let all = broker.offset_fetch(OffsetFetch { group: "g".into(), wanted: OffsetsWanted::All, require_stable: true });
    assert_eq!(all.await.unwrap().len(), 1);
}
