//! What messages of groups mean, and the way to and from `broker_core::api`.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use ottla_broker_core::api::group::{
    self, CommittedOffset, Generation, GroupId, GroupProtocol, GroupState, InstanceId, JoinRefused, JoinedGroup,
    LeavingMember, LeftMember, MemberId, OffsetsWanted, SyncedGroup,
};
use ottla_broker_core::error::{Error, ErrorCode};
use ottla_broker_core::{LeaderEpoch, Offset, TopicId, TopicName, TopicPartition};
use uuid::Uuid;

use super::frame;
use crate::messages::{
    DeleteGroupsRequest, DeleteGroupsResponse, DescribeGroups, DescribeGroupsRequest, DescribeGroupsResponse,
    HeartbeatRequest, HeartbeatResponse, JoinGroup, JoinGroupRequest, JoinGroupResponse, LeaveGroup, LeaveGroupRequest,
    LeaveGroupResponse, ListGroupsRequest, ListGroupsResponse, OffsetCommit, OffsetCommitRequest, OffsetCommitResponse,
    OffsetDeleteRequest, OffsetDeleteResponse, OffsetFetch, OffsetFetchRequest, OffsetFetchResponse,
    OffsetFetchedGroup, SyncGroupRequest, SyncGroupResponse,
};
use crate::{Api, EncodeError, Request, TopicRef, decode_request, decode_response, encode_request, encode_response};

fn at(topic: &str, partition: i32) -> TopicPartition {
    TopicPartition::new(TopicName::new(topic).unwrap(), partition)
}

fn code<T: std::fmt::Debug>(result: &Result<T, Error>) -> ErrorCode {
    result.as_ref().unwrap_err().code
}

/// A response, over the wire.
fn sent<A: Api>(version: i16, response: &A::Response) -> A::Response {
    decode_response::<A>(version, &frame(&encode_response::<A>(1, version, response).unwrap())).unwrap().1
}

fn join(instance: Option<&str>) -> group::JoinGroup {
    group::JoinGroup {
        group: GroupId::from("g"),
        member: None,
        instance: instance.map(InstanceId::from),
        client_id: Arc::from("c"),
        client_host: Arc::from("/h"),
        session_timeout: Duration::from_secs(10),
        rebalance_timeout: Duration::from_secs(300),
        protocol_type: Arc::from("consumer"),
        protocols: vec![GroupProtocol { name: Arc::from("range"), metadata: Bytes::from_static(b"m") }],
        requires_known_member: true,
        can_skip_assignment: true,
    }
}

fn joins(version: i16, request: &group::JoinGroup) -> group::JoinGroup {
    let sent = encode_request::<JoinGroup>(1, Some("c"), version, &JoinGroupRequest::from_api(request)).unwrap();
    let (_, Request::JoinGroup(read)) = decode_request(&frame(&sent)).unwrap() else { panic!() };
    read.to_api(version, Arc::from("c"), Arc::from("/h"))
}

#[test]
fn version_0_of_a_join_has_the_session_for_a_rebalance_time() {
    assert_eq!(joins(0, &join(None)).rebalance_timeout, Duration::from_secs(10));
    for version in 1..=9 {
        assert_eq!(joins(version, &join(None)).rebalance_timeout, Duration::from_secs(300), "version {version}");
    }
}

#[test]
fn only_clients_that_know_of_it_must_join_again_with_a_name() {
    for version in JoinGroup::SPEC.versions.iter() {
        let came = joins(version, &join(None));
        assert_eq!((came.requires_known_member, came.can_skip_assignment), (version >= 4, version >= 9));
    }
    for version in 5..=9 {
        let came = joins(version, &join(Some("i")));
        assert_eq!((came.requires_known_member, came.instance), (false, Some(InstanceId::from("i"))));
    }
    let too_old = encode_request::<JoinGroup>(1, None, 4, &JoinGroupRequest::from_api(&join(Some("i"))));
    assert!(matches!(too_old, Err(EncodeError::NotInVersion { version: 4, .. })));
}

#[test]
fn joins_are_answered_in_every_version() {
    let request = JoinGroupRequest::from_api(&join(None));
    let member = MemberId::from("m-1");
    let joined = JoinedGroup {
        generation: Generation(3),
        protocol_type: Arc::from("consumer"),
        protocol: Arc::from("range"),
        leader: MemberId::from("m-0"),
        member: member.clone(),
        skip_assignment: false,
        members: vec![group::GroupMember {
            member: member.clone(),
            instance: None,
            metadata: Bytes::from_static(b"x"),
        }],
    };
    let required = JoinRefused { error: ErrorCode::MemberIdRequired.into(), member: Some(member.clone()) };
    for version in JoinGroup::SPEC.versions.iter() {
        let came = sent::<JoinGroup>(version, &JoinGroupResponse::from_api(&request, Ok(joined.clone())));
        assert_eq!(came.into_api(&request).as_ref(), Ok(&joined), "version {version}");
        let came = sent::<JoinGroup>(version, &JoinGroupResponse::from_api(&request, Err(required.clone())));
        let refused = came.into_api(&request).unwrap_err();
        assert_eq!((refused.error.code, refused.member), (ErrorCode::MemberIdRequired, Some(member.clone())));
    }
    // Whoever is refused for another reason has no new name.
    let known = JoinGroupRequest { member: Some(member.clone()), ..request };
    let refused = JoinRefused { error: ErrorCode::UnknownMemberId.into(), member: None };
    let answer = JoinGroupResponse::from_api(&known, Err(refused));
    assert_eq!((&answer.member, answer.generation), (&Some(member), Generation::NONE));
    assert_eq!(answer.into_api(&known).unwrap_err().member, None);
}

#[test]
fn a_sync_of_version_5_names_its_protocol() {
    let request = group::SyncGroup {
        group: GroupId::from("g"),
        generation: Generation(2),
        member: MemberId::from("m"),
        instance: None,
        protocol_type: Some(Arc::from("consumer")),
        protocol: Some(Arc::from("range")),
        assignments: vec![(MemberId::from("n"), Bytes::from_static(b"a"))],
    };
    let message = SyncGroupRequest::from_api(&request);
    assert_eq!(message.to_api(5).as_ref(), Ok(&request));
    let unnamed = SyncGroupRequest { protocol: None, ..message.clone() };
    assert_eq!(code(&unnamed.to_api(5)), ErrorCode::InconsistentGroupProtocol);
    assert!(unnamed.to_api(4).is_ok());
    let synced = SyncedGroup {
        protocol_type: Arc::from("consumer"),
        protocol: Arc::from("range"),
        assignment: Bytes::from("a"),
    };
    for version in 0..=5 {
        let answer = SyncGroupResponse::from_api(Ok(synced.clone()));
        let came = sent::<crate::messages::SyncGroup>(version, &answer).into_api(&message);
        assert_eq!(came.as_ref(), Ok(&synced), "version {version}");
    }
    let refused = SyncGroupResponse::from_api(Err(ErrorCode::RebalanceInProgress.into()));
    assert_eq!(code(&refused.into_api(&message)), ErrorCode::RebalanceInProgress);
}

#[test]
fn heartbeats_go_there_and_back() {
    let beat = group::Heartbeat {
        group: GroupId::from("g"),
        generation: Generation(2),
        member: MemberId::from("m"),
        instance: Some(InstanceId::from("i")),
    };
    let request = HeartbeatRequest::from_api(&beat);
    assert_eq!(request.to_api(), beat);
    assert_eq!(HeartbeatResponse::from_api(Ok(())).into_api(&request), Ok(()));
    let fenced = HeartbeatResponse::from_api(Err(ErrorCode::FencedInstanceId.into()));
    assert_eq!(code(&fenced.into_api(&request)), ErrorCode::FencedInstanceId);
}

#[test]
fn members_leave_one_by_one_before_version_3() {
    let leaving = |member: &str, instance: Option<&str>| LeavingMember {
        member: Some(MemberId::from(member)),
        instance: instance.map(InstanceId::from),
    };
    let one = group::LeaveGroup { group: GroupId::from("g"), members: vec![leaving("m", None)] };
    let two = group::LeaveGroup { members: vec![leaving("m", None), leaving("n", Some("i"))], ..one.clone() };
    for version in LeaveGroup::SPEC.versions.iter() {
        let request = LeaveGroupRequest::from_api(version, &one);
        let wire = encode_request::<LeaveGroup>(1, None, version, &request).unwrap();
        let (_, Request::LeaveGroup(read)) = decode_request(&frame(&wire)).unwrap() else { panic!() };
        assert_eq!(read.to_api(version), one, "version {version}");
        let left = LeftMember { member: leaving("m", None), result: Err(ErrorCode::UnknownMemberId.into()) };
        let came = sent::<LeaveGroup>(version, &LeaveGroupResponse::from_api(version, Ok(vec![left])));
        assert_eq!(came.error.is_some(), version < 3);
        assert_eq!(code(&came.into_api(version, &one).unwrap()[0].result), ErrorCode::UnknownMemberId);
        let request = LeaveGroupRequest::from_api(version, &two);
        assert_eq!(encode_request::<LeaveGroup>(1, None, version, &request).is_ok(), version >= 3);
    }
    let left = |member: &LeavingMember, result| LeftMember { member: member.clone(), result };
    let answers = vec![left(&two.members[1], Err(ErrorCode::FencedInstanceId.into())), left(&two.members[0], Ok(()))];
    let came = LeaveGroupResponse::from_api(3, Ok(answers)).into_api(3, &two).unwrap();
    assert_eq!(came[0].result, Ok(()));
    assert_eq!(code(&came[1].result), ErrorCode::FencedInstanceId);
    let whole = LeaveGroupResponse::from_api(3, Err(ErrorCode::NotCoordinator.into()));
    assert_eq!(code(&whole.into_api(3, &two)), ErrorCode::NotCoordinator);
}

fn topic_ref(version: i16) -> impl Fn(&TopicName) -> TopicRef {
    move |name| if version >= 10 { id_of(name) } else { TopicRef::from(name) }
}

fn id_of(name: &TopicName) -> TopicRef {
    TopicRef::Id(TopicId(Uuid::from_u128(u128::from(name.as_str().as_bytes()[0]))))
}

fn name_of(topic: &TopicRef) -> Option<TopicName> {
    match topic {
        TopicRef::Name(name) => TopicName::new(&**name).ok(),
        TopicRef::Id(id) => TopicName::new(char::from(u8::try_from(id.0.as_u128()).ok()?).to_string()).ok(),
    }
}

#[test]
fn the_epoch_of_a_committed_offset_comes_back() {
    let part = |partition, epoch| group::OffsetCommitPartition {
        partition,
        offset: Offset(7),
        leader_epoch: Some(LeaderEpoch(epoch)),
        metadata: Arc::from("note"),
    };
    let commit = group::OffsetCommit {
        group: GroupId::from("g"),
        generation: Generation(1),
        member: Some(MemberId::from("m")),
        instance: None,
        partitions: vec![part(at("a", 0), 3), part(at("b", 0), 4), part(at("a", 1), 5)],
    };
    for version in OffsetCommit::SPEC.versions.iter() {
        let request = OffsetCommitRequest::from_api(&commit, topic_ref(version));
        let wire = encode_request::<OffsetCommit>(1, None, version, &request).unwrap();
        let (_, Request::OffsetCommit(read)) = decode_request(&frame(&wire)).unwrap() else { panic!() };
        let came = read.partitions().map(|(topic, part)| part.to_api(name_of(topic).unwrap()));
        let came = read.to_api(came.collect());
        let told = |part: &group::OffsetCommitPartition| group::OffsetCommitPartition {
            leader_epoch: part.leader_epoch.filter(|_| version >= 6),
            ..part.clone()
        };
        let partitions = commit.partitions.iter().map(told).collect();
        assert_eq!(came, group::OffsetCommit { partitions, ..commit.clone() }, "version {version}");
        let results = [Ok(()), Err(ErrorCode::IllegalGeneration.into()), Ok(())];
        let came = sent::<OffsetCommit>(version, &OffsetCommitResponse::from_api(&read, results)).into_api(&read);
        assert_eq!((came[0].is_ok(), code(&came[1]), came[2].is_ok()), (true, ErrorCode::IllegalGeneration, true));
    }
    let request = OffsetCommitRequest::from_api(&commit, topic_ref(2));
    let refused = OffsetCommitResponse::refused(&request, ErrorCode::UnknownMemberId).into_api(&request);
    assert!(refused.iter().all(|one| code(one) == ErrorCode::UnknownMemberId));
}

fn fetches(version: i16, wanted: &[group::OffsetFetch]) -> OffsetFetchRequest {
    let request = OffsetFetchRequest::from_api(version, wanted, topic_ref(version));
    let wire = encode_request::<OffsetFetch>(1, None, version, &request).unwrap();
    let (_, Request::OffsetFetch(read)) = decode_request(&frame(&wire)).unwrap() else { panic!() };
    assert_eq!(*read, request, "version {version}");
    request
}

fn of_group(group: &str, wanted: OffsetsWanted) -> group::OffsetFetch {
    group::OffsetFetch { group: GroupId::from(group), wanted, require_stable: false }
}

#[test]
fn null_asks_for_all_offsets_and_an_empty_list_for_none() {
    for version in OffsetFetch::SPEC.versions.iter() {
        let none = fetches(version, &[of_group("g", OffsetsWanted::Partitions(Vec::new()))]);
        assert_eq!(none.wanted(version)[0].partitions().map(Iterator::count), Some(0), "version {version}");
        if version >= 2 {
            let all = fetches(version, &[of_group("g", OffsetsWanted::All)]);
            assert!(all.wanted(version)[0].partitions().is_none(), "version {version}");
        }
    }
    let all = OffsetFetchRequest::from_api(1, &[of_group("g", OffsetsWanted::All)], topic_ref(1));
    assert!(encode_request::<OffsetFetch>(1, None, 1, &all).is_err());
}

#[test]
fn committed_offsets_come_back_in_every_version() {
    let wanted = [of_group("g", OffsetsWanted::Partitions(vec![at("a", 0), at("b", 2), at("a", 1)]))];
    let committed =
        CommittedOffset { offset: Offset(5), leader_epoch: Some(LeaderEpoch(2)), metadata: Arc::from("note") };
    for version in OffsetFetch::SPEC.versions.iter() {
        let request = fetches(version, &wanted);
        let answer = |(topic, partition): (&TopicRef, i32)| match partition {
            0 => (topic.clone(), 0, Ok(Some(committed.clone()))),
            1 => (topic.clone(), 1, Ok(None)),
            other => (topic.clone(), other, Err(ErrorCode::UnstableOffsetCommit.into())),
        };
        let partitions = request.wanted(version)[0].partitions().unwrap().map(answer);
        let group = OffsetFetchedGroup::from_api(GroupId::from("g"), partitions.collect::<Vec<_>>());
        let response = sent::<OffsetFetch>(version, &OffsetFetchResponse::from_api(version, &request, vec![group]));
        let came = response.into_api(version, &request, name_of).remove(0).unwrap();
        let partitions: Vec<_> = came.iter().map(|one| one.partition.clone()).collect();
        assert_eq!(partitions, [at("a", 0), at("b", 2), at("a", 1)]);
        let epoch = committed.leader_epoch.filter(|_| version >= 5);
        assert_eq!(came[0].committed, Ok(Some(CommittedOffset { leader_epoch: epoch, ..committed.clone() })));
        assert_eq!(code(&came[1].committed), ErrorCode::UnstableOffsetCommit);
        assert_eq!(came[2].committed, Ok(None));

        // Of a group's error each partition has a copy where the group has no place for it.
        let refused = OffsetFetchedGroup::refused(GroupId::from("g"), ErrorCode::NotCoordinator);
        let response = sent::<OffsetFetch>(version, &OffsetFetchResponse::from_api(version, &request, vec![refused]));
        let came = response.into_api(version, &request, name_of).remove(0);
        match version {
            1 => assert_eq!(code(&came.unwrap()[1].committed), ErrorCode::NotCoordinator),
            _ => assert_eq!(code(&came), ErrorCode::NotCoordinator),
        }
    }
}

#[test]
fn groups_of_one_fetch_are_answered_each_on_its_own() {
    let wanted = [of_group("g", OffsetsWanted::All), of_group("h", OffsetsWanted::Partitions(vec![at("a", 0)]))];
    let too_old = OffsetFetchRequest::from_api(7, &wanted, topic_ref(7));
    assert!(encode_request::<OffsetFetch>(1, None, 7, &too_old).is_err());
    for version in 8..=10 {
        let request = fetches(version, &wanted);
        let asked: Vec<_> = request.wanted(version).iter().map(|one| one.group.as_str()).collect();
        assert_eq!(asked, ["g", "h"]);
        let topic = topic_ref(version)(&at("a", 0).topic);
        let unknown = TopicRef::Id(TopicId(Uuid::from_u128(1 << 90)));
        let there = OffsetFetchedGroup::from_api(GroupId::from("g"), [(topic.clone(), 4, Ok(None))]);
        let refused = OffsetFetchedGroup::refused(GroupId::from("h"), ErrorCode::GroupAuthorizationFailed);
        let response = OffsetFetchResponse::from_api(version, &request, vec![refused, there]);
        let came = sent::<OffsetFetch>(version, &response).into_api(version, &request, name_of);
        assert_eq!(came[0].as_ref().unwrap()[0].partition, at("a", 4));
        assert_eq!(code(&came[1]), ErrorCode::GroupAuthorizationFailed);
        // An id that the metadata do not know yet.
        let there = OffsetFetchedGroup::from_api(GroupId::from("g"), [(unknown, 4, Ok(None))]);
        let response = OffsetFetchResponse::from_api(version, &request, vec![there]);
        let came = response.into_api(version, &request, name_of);
        assert_eq!((code(&came[0]), code(&came[1])), (ErrorCode::UnknownTopicId, ErrorCode::UnknownServerError));
    }
}

#[test]
fn offsets_are_deleted_partition_by_partition() {
    let delete = group::OffsetDelete { group: GroupId::from("g"), partitions: vec![at("a", 1), at("a", 0)] };
    let request = OffsetDeleteRequest::from_api(&delete);
    let asked: Vec<_> = request.partitions().map(|(name, partition)| (&**name, partition)).collect();
    assert_eq!(asked, [("a", 1), ("a", 0)]);
    let results = [Err(ErrorCode::GroupSubscribedToTopic.into()), Ok(())];
    let came = OffsetDeleteResponse::from_api(&request, Ok(results)).into_api(&request).unwrap();
    assert_eq!((code(&came[0]), came[1].is_ok()), (ErrorCode::GroupSubscribedToTopic, true));
    let whole = OffsetDeleteResponse::from_api::<[_; 0]>(&request, Err(ErrorCode::NonEmptyGroup.into()));
    assert_eq!(code(&whole.into_api(&request)), ErrorCode::NonEmptyGroup);
}

#[test]
fn a_group_that_is_not_there_is_dead() {
    let groups = [GroupId::from("g"), GroupId::from("h"), GroupId::from("i")];
    let request = DescribeGroupsRequest::from_api(&groups);
    let described = |group: &GroupId, state| group::DescribedGroup {
        group: group.clone(),
        state,
        generation: Generation::NONE,
        protocol_type: Arc::from("consumer"),
        protocol: Arc::from("range"),
        members: vec![group::DescribedMember {
            member: MemberId::from("m"),
            instance: None,
            client_id: Arc::from("c"),
            client_host: Arc::from("/h"),
            metadata: Bytes::from_static(b"m"),
            assignment: Bytes::from_static(b"a"),
        }],
    };
    let stable = described(&groups[0], GroupState::Stable);
    for version in DescribeGroups::SPEC.versions.iter() {
        let dead = described(&groups[1], GroupState::Dead);
        let results = [Ok(stable.clone()), Ok(dead), Err(ErrorCode::NotCoordinator.into())];
        let response = sent::<DescribeGroups>(version, &DescribeGroupsResponse::from_api(version, &request, results));
        assert_eq!(response.groups[1].error, (version >= 6).then_some(ErrorCode::GroupIdNotFound));
        let came = response.into_api(&request);
        assert_eq!(came[0].as_ref(), Ok(&stable));
        assert_eq!(came[1].as_ref().unwrap().state, GroupState::Dead);
        assert_eq!(code(&came[2]), ErrorCode::NotCoordinator);
    }
}

#[test]
fn a_filter_that_nothing_can_pass_is_not_no_filter() {
    let all = ListGroupsRequest::default().to_api().unwrap();
    assert_eq!(all.states, []);
    let asked = group::ListGroups { states: vec![GroupState::Empty] };
    assert_eq!(ListGroupsRequest::from_api(&asked).to_api().as_ref(), Some(&asked));
    let unknown = ListGroupsRequest { states: vec![Arc::from("Assigning")], types: Vec::new() };
    assert_eq!(unknown.to_api(), None);
    let of_type = |name: &str| ListGroupsRequest { states: Vec::new(), types: vec![Arc::from(name)] }.to_api();
    assert_eq!((of_type("Classic").is_some(), of_type("share").is_some()), (true, false));
    let old = encode_request::<crate::messages::ListGroups>(1, None, 3, &ListGroupsRequest::from_api(&asked));
    assert!(matches!(old, Err(EncodeError::NotInVersion { version: 3, .. })));
}

#[test]
fn groups_are_listed_and_deleted() {
    let listed = |name: &str| group::ListedGroup {
        group: GroupId::from(name),
        protocol_type: Arc::from("consumer"),
        state: GroupState::Empty,
    };
    for version in 0..=5 {
        let response = ListGroupsResponse::from_api(Ok(vec![listed("h"), listed("g")]));
        let came = sent::<crate::messages::ListGroups>(version, &response).into_groups().unwrap();
        assert_eq!(came[0].state(), (version >= 4).then_some(GroupState::Empty));
        let came: Vec<_> = came.into_iter().map(|one| one.into_api(GroupState::Empty)).collect();
        assert_eq!(came, [listed("g"), listed("h")]);
    }
    let refused = ListGroupsResponse::from_api(Err(ErrorCode::CoordinatorNotAvailable.into()));
    assert_eq!(code(&refused.into_groups()), ErrorCode::CoordinatorNotAvailable);

    let request = DeleteGroupsRequest::from_api(&[GroupId::from("g"), GroupId::from("h")]);
    let mut response = DeleteGroupsResponse::from_api(&request, [Ok(()), Err(ErrorCode::NonEmptyGroup.into())]);
    response.results.reverse();
    let came = response.into_api(&request);
    assert_eq!((came[0].is_ok(), code(&came[1])), (true, ErrorCode::NonEmptyGroup));
}

#[test]
fn what_is_asked_for_again_is_left_out() {
    for version in [7, 8] {
        let partitions = OffsetsWanted::Partitions(vec![at("t", 1), at("t", 0), at("t", 1), at("u", 1), at("t", 0)]);
        let some = of_group("g", partitions);
        let mut wanted = vec![some.clone()];
        if version >= 8 {
            wanted.extend([of_group("g", OffsetsWanted::All), some, of_group("g", OffsetsWanted::All)]);
        }
        let mut request = fetches(version, &wanted);
        request.leave_repetitions_out();
        let partitions: Vec<_> =
            request.wanted(version).into_iter().filter_map(|one| Some(one.partitions()?.collect::<Vec<_>>())).collect();
        let once = [(TopicRef::Name("t".into()), 1), (TopicRef::Name("t".into()), 0), (TopicRef::Name("u".into()), 1)];
        assert_eq!(partitions.concat(), once.iter().map(|(topic, part)| (topic, *part)).collect::<Vec<_>>());
        assert_eq!(request.wanted(version).len(), if version < 8 { 1 } else { 3 });
    }
}
