//! A cluster of brokers that do what a test says.

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use ottla_broker_core::api::group::GroupId;
use ottla_broker_core::api::{
    Acks, CreateTopic, ErrorCode, FetchPartition, FetchRequest, InitProducerId, IsolationLevel, MetadataRequest,
    OffsetSpec, ProduceRequest, ProducerIdentity, TopicsWanted,
};
use ottla_broker_core::env::Env;
use ottla_broker_core::{BrokerId, LeaderEpoch, Offset, ProducerEpoch, ProducerId, TopicName, TopicPartition};
use ottla_wire::messages as wire;
use ottla_wire::net::scripted::{Conversation, HandClock, Scripted};
use ottla_wire::net::{self, Address};
use ottla_wire::{ApiKey, Request, RequestHeader, TopicRef};
use uuid::Uuid;

mod commits;

use super::brokers::Brokers;
use super::remote::Remote;
use crate::cluster::{Cluster, ClusterAdmin, ClusterGroups};

const LIMIT: Duration = Duration::from_secs(5);
/// What is on its way when an answer has come needs no more turns of a task.
const TURNS: usize = 10_000;

/// With a clock that stands: hardly anything here depends on time.
fn remote(bootstrap: &[&Scripted]) -> Arc<Remote> {
    remote_by(HandClock::default(), bootstrap)
}

fn remote_by(clock: HandClock, bootstrap: &[&Scripted]) -> Arc<Remote> {
    let addresses = bootstrap.iter().map(|broker| broker.address().clone()).collect();
    let env = Env::seeded(1).with_clock(Arc::new(clock));
    Arc::new(Remote::new(Arc::new(Brokers::new(addresses, net::Options::default(), LIMIT, env))))
}

fn topic() -> TopicName {
    TopicName::new("t").unwrap()
}

fn partition() -> TopicPartition {
    TopicPartition::new(topic(), 0)
}

/// What a broker tells: who there is, and who leads `t`.
fn cluster(brokers: &[(i32, &Address)], leader: i32, id: Uuid) -> wire::MetadataResponse {
    wire::MetadataResponse {
        brokers: brokers
            .iter()
            .map(|(id, address)| wire::MetadataBroker {
                id: BrokerId(*id),
                host: Arc::clone(&address.host),
                port: i32::from(address.port),
                rack: None,
            })
            .collect(),
        controller: Some(BrokerId(leader)),
        topics: vec![wire::MetadataTopic {
            name: Some(Arc::from("t")),
            id,
            partitions: vec![wire::MetadataPartition {
                leader: Some(BrokerId(leader)),
                leader_epoch: LeaderEpoch(leader),
                ..wire::MetadataPartition::default()
            }],
            ..wire::MetadataTopic::default()
        }],
        ..wire::MetadataResponse::default()
    }
}

fn names() -> MetadataRequest {
    MetadataRequest { topics: TopicsWanted::Names(vec![topic()]), allow_auto_create: false }
}

/// Runs `ask` while a broker hears it. Whoever is answered without it has not asked there: that is a failure, not a wait.
async fn during<T>(ask: impl Future<Output = T>, broker: impl Future<Output = ()>) -> T {
    let (mut ask, mut broker) = (std::pin::pin!(ask), std::pin::pin!(broker));
    let answer = tokio::select! {
        biased;
        () = &mut broker => return ask.await,
        answer = &mut ask => answer,
    };
    for _ in 0..TURNS {
        tokio::select! {
            biased;
            () = &mut broker => return answer,
            () = tokio::task::yield_now() => {}
        }
    }
    panic!("there is an answer, and the broker was not heard out");
}

async fn hear(conversation: &mut Conversation, key: ApiKey) -> (RequestHeader, Request) {
    let (header, request) = conversation.request().await.unwrap();
    assert_eq!(header.key, key);
    (header, request)
}

/// Meets the cluster through `broker`, which tells `metadata`.
async fn meet(remote: &Remote, broker: &Scripted, metadata: wire::MetadataResponse) -> Conversation {
    let mut heard = None;
    let told = during(remote.metadata(names()), async {
        let mut conversation = broker.greet().await;
        let (header, _) = hear(&mut conversation, ApiKey::Metadata).await;
        conversation.answer(&header, metadata).await;
        heard = Some(conversation);
    });
    assert!(told.await.unwrap().topics[0].is_ok());
    heard.unwrap()
}

fn fetch() -> FetchRequest {
    FetchRequest {
        replica: None,
        max_wait: Duration::ZERO,
        min_bytes: 1,
        max_bytes: 1_000,
        isolation: IsolationLevel::ReadUncommitted,
        partitions: vec![FetchPartition {
            partition: partition(),
            offset: Offset(3),
            max_bytes: 1_000,
            current_leader_epoch: None,
        }],
    }
}

fn fetched(topic: TopicRef) -> wire::FetchResponse {
    let partition = wire::FetchedPartition { high_watermark: 9, ..wire::FetchedPartition::default() };
    wire::FetchResponse::of([(topic, partition)])
}

#[tokio::test]
async fn requests_follow_the_leader_to_its_advertised_address() {
    let (one, two) = (Scripted::start().await, Scripted::start().await);
    let brokers = [(1, one.address()), (2, two.address())];
    let remote = remote(&[&one]);
    let mut first = meet(&remote, &one, cluster(&brokers, 1, Uuid::nil())).await;
    let answers = during(remote.fetch(BrokerId(1), fetch()), async {
        let mut polled = one.greet().await;
        let (header, _) = hear(&mut polled, ApiKey::Fetch).await;
        polled.answer(&header, fetched(TopicRef::from(&topic()))).await;
    });
    assert_eq!(answers.await.unwrap()[0].as_ref().unwrap().high_watermark, Offset(9));
    // The leader moves, and so does broker 2's address.
    let moved = Scripted::start().await;
    let told = during(remote.metadata(names()), async {
        let (header, _) = hear(&mut first, ApiKey::Metadata).await;
        first.answer(&header, cluster(&[(1, one.address()), (2, moved.address())], 2, Uuid::nil())).await;
    });
    let metadata = told.await.unwrap();
    assert_eq!(metadata.topics[0].as_ref().unwrap().partitions[0].leader, Some(BrokerId(2)));
    let answers = during(remote.fetch(BrokerId(2), fetch()), async {
        let mut polled = moved.greet().await;
        let (header, _) = hear(&mut polled, ApiKey::Fetch).await;
        polled.answer(&header, fetched(TopicRef::from(&topic()))).await;
    });
    answers.await.unwrap();
    let error = remote.fetch(BrokerId(3), fetch()).await.unwrap_err();
    assert_eq!(error.code, ErrorCode::LeaderNotAvailable, "{error}");
    assert!(error.is_retriable() && error.message.contains("broker 3 is none of those"), "{error}");
}

/// A connection that is dead without a word is given up when its producer gives up what it has sent, and not later:
/// what that sends again goes over another.
#[tokio::test]
async fn a_produce_request_has_its_own_time_out() {
    let one = Scripted::start().await;
    let clock = HandClock::default();
    let remote = remote_by(clock.clone(), &[&one]);
    drop(meet(&remote, &one, cluster(&[(1, one.address())], 1, Uuid::nil())).await);
    let timeout = Duration::from_secs(7);
    let request = ProduceRequest { acks: Acks::All, timeout, partitions: Vec::new() };
    let mut asked = remote.produce(BrokerId(1), request.clone());
    let mut silent = one.greet().await;
    hear(&mut silent, ApiKey::Produce).await;
    clock.advance(timeout);
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert!((&mut asked).now_or_never().is_none(), "its answer may be on its way");
    clock.advance(Duration::from_millis(999));
    let mut given_up = None;
    for _ in 0..TURNS {
        given_up = (&mut asked).now_or_never();
        if given_up.is_some() {
            break;
        }
        tokio::task::yield_now().await;
    }
    let error = given_up.expect("it is given up before its producer does so").unwrap_err();
    assert_eq!(error.code, ErrorCode::RequestTimedOut, "{error}");
    let again = remote.produce(BrokerId(1), request);
    // The pause after a connection that was of no use.
    clock.advance(Duration::from_secs(1));
    let answered = during(again, async {
        let mut next = one.greet().await;
        let (header, _) = hear(&mut next, ApiKey::Produce).await;
        next.answer(&header, wire::ProduceResponse::default()).await;
    });
    assert_eq!(answered.await.unwrap(), []);
}

#[tokio::test]
async fn the_cluster_is_found_again_through_the_addresses_that_were_given() {
    let (one, gone) = (Scripted::start().await, Scripted::start().await);
    let remote = remote(&[&one]);
    // It tells only of a broker that is soon gone.
    drop(meet(&remote, &one, cluster(&[(1, gone.address())], 1, Uuid::nil())).await);
    let lost = gone.address().clone();
    drop(gone);
    drop(meet(&remote, &one, cluster(&[(1, one.address())], 1, Uuid::nil())).await);
    let address = one.address().clone();
    drop(one);
    let error = remote.metadata(names()).await.unwrap_err();
    assert_eq!(error.code, ErrorCode::NetworkException, "{error}");
    assert!(
        error.message.starts_with("no broker answers: ") && error.message.contains(&address.to_string()),
        "{error}"
    );
    assert!(!error.message.contains(&lost.to_string()), "it is no broker any more: {error}");
}

#[tokio::test]
async fn a_coordinator_is_asked_where_it_was_found() {
    let (one, two) = (Scripted::start().await, Scripted::start().await);
    let remote = remote(&[&one]);
    let mut first = meet(&remote, &one, cluster(&[(1, one.address())], 1, Uuid::nil())).await;
    let group = GroupId::from("g");
    let found = during(remote.find_coordinator(&group), async {
        let (header, _) = hear(&mut first, ApiKey::FindCoordinator).await;
        let found = ottla_broker_core::api::group::FoundCoordinator {
            broker: BrokerId(7),
            host: two.address().host.as_ref().to_owned(),
            port: two.address().port,
        };
        first.answer(&header, wire::FindCoordinatorResponse::from_api([(Arc::from("g"), Ok(found))])).await;
    });
    assert_eq!(found.await.unwrap(), BrokerId(7));
    let deleted = during(remote.delete_groups(BrokerId(7), vec![group]), async {
        let mut second = two.greet().await;
        let (header, request) = hear(&mut second, ApiKey::DeleteGroups).await;
        let Request::DeleteGroups(request) = request else { unreachable!() };
        let refused = Err(ErrorCode::NonEmptyGroup.into());
        second.answer(&header, wire::DeleteGroupsResponse::from_api(&request, [refused])).await;
    });
    assert_eq!(deleted.await.unwrap()[0].as_ref().unwrap_err().code, ErrorCode::NonEmptyGroup);
}

#[tokio::test]
async fn topics_are_named_by_id_only_where_it_is_known() {
    for (id, newest) in [(Uuid::nil(), 12), (Uuid::from_u128(5), 18)] {
        let one = Scripted::start().await;
        let remote = remote(&[&one]);
        drop(meet(&remote, &one, cluster(&[(1, one.address())], 1, id)).await);
        let answers = during(remote.fetch(BrokerId(1), fetch()), async {
            let mut polled = one.greet().await;
            let (header, request) = hear(&mut polled, ApiKey::Fetch).await;
            let Request::Fetch(request) = request else { unreachable!() };
            assert_eq!(header.version, newest);
            let asked = request.topics[0].topic.clone();
            assert_eq!(matches!(asked, TopicRef::Id(_)), !id.is_nil());
            polled.answer(&header, fetched(asked)).await;
        });
        assert!(answers.await.unwrap()[0].is_ok());
    }
}

#[tokio::test]
async fn a_partition_stands_once_in_a_request() {
    let one = Scripted::start().await;
    let remote = remote(&[&one]);
    let mut first = meet(&remote, &one, cluster(&[(1, one.address())], 1, Uuid::nil())).await;
    let wanted = vec![(partition(), OffsetSpec::Earliest), (partition(), OffsetSpec::Latest)];
    let answers = during(remote.list_offsets(BrokerId(1), IsolationLevel::ReadUncommitted, wanted), async {
        for offset in [4, 8] {
            let (header, request) = hear(&mut first, ApiKey::ListOffsets).await;
            let Request::ListOffsets(request) = request else { unreachable!() };
            assert_eq!(request.partitions().count(), 1);
            let listed = ottla_broker_core::api::ListedOffset {
                offset: Some(Offset(offset)),
                timestamp_ms: None,
                leader_epoch: None,
            };
            first.answer(&header, wire::ListOffsetsResponse::from_api(&request, [Ok(listed)])).await;
        }
    });
    let offsets: Vec<_> = answers.await.unwrap().into_iter().map(|answer| answer.unwrap().offset.unwrap().0).collect();
    assert_eq!(offsets, [4, 8]);
}

#[tokio::test]
async fn the_controller_is_looked_for_when_it_has_moved() {
    let (one, two) = (Scripted::start().await, Scripted::start().await);
    let brokers = [(1, one.address()), (2, two.address())];
    let env = Env::seeded(1);
    let options = net::Options::default();
    let remote = Remote::new(Arc::new(Brokers::new(vec![one.address().clone()], options, LIMIT, env)));
    let mut first = meet(&remote, &one, cluster(&brokers, 1, Uuid::nil())).await;
    let create = CreateTopic {
        name: topic(),
        partitions: Some(1),
        replication_factor: Some(1),
        configs: std::collections::BTreeMap::new(),
    };
    let created = during(remote.create_topics(vec![create], false), async {
        let (header, _) = hear(&mut first, ApiKey::CreateTopics).await;
        let moved = Err(ErrorCode::NotController.into());
        first.answer(&header, wire::CreateTopicsResponse::from_api([(Arc::from("t"), moved)])).await;
        let (header, _) = hear(&mut first, ApiKey::Metadata).await;
        first.answer(&header, cluster(&brokers, 2, Uuid::nil())).await;
        let mut second = two.greet().await;
        let (header, _) = hear(&mut second, ApiKey::CreateTopics).await;
        let refused = Err(ErrorCode::TopicAlreadyExists.into());
        second.answer(&header, wire::CreateTopicsResponse::from_api([(Arc::from("t"), refused)])).await;
    });
    assert_eq!(created.await.unwrap()[0].as_ref().unwrap_err().code, ErrorCode::TopicAlreadyExists);
}

/// As librdkafka's mock cluster refuses it, for producers without transactions.
#[tokio::test]
async fn where_an_identity_is_refused_a_new_one_is_asked_for() {
    let one = Scripted::start().await;
    let remote = remote(&[&one]);
    let mut first = meet(&remote, &one, cluster(&[(1, one.address())], 1, Uuid::nil())).await;
    let current = ProducerIdentity { id: ProducerId(7), epoch: ProducerEpoch(3) };
    let new = ProducerIdentity { id: ProducerId(8), epoch: ProducerEpoch(0) };
    let asked = InitProducerId { current: Some(current), ..InitProducerId::default() };
    let given = during(remote.init_producer_id(asked.clone()), async {
        for (expected, answer) in [(Some(current), Err(ErrorCode::InvalidProducerIdMapping.into())), (None, Ok(new))] {
            let (header, request) = hear(&mut first, ApiKey::InitProducerId).await;
            let Request::InitProducerId(request) = request else { unreachable!() };
            assert_eq!(request.to_api().unwrap().current, expected);
            first.answer(&header, wire::InitProducerIdResponse::from_api(answer)).await;
        }
    });
    assert_eq!(given.await.unwrap(), new);
    // What may pass is for the caller to wait for.
    let refused = during(remote.init_producer_id(asked), async {
        let (header, _) = hear(&mut first, ApiKey::InitProducerId).await;
        let refusal = Err(ErrorCode::CoordinatorLoadInProgress.into());
        first.answer(&header, wire::InitProducerIdResponse::from_api(refusal)).await;
    });
    assert_eq!(refused.await.unwrap_err().code, ErrorCode::CoordinatorLoadInProgress);
}

#[tokio::test]
async fn a_closed_client_asks_nothing_and_leaves_no_connection() {
    let one = Scripted::start().await;
    let remote = remote(&[&one]);
    let mut first = meet(&remote, &one, cluster(&[(1, one.address())], 1, Uuid::nil())).await;
    remote.close(LIMIT).await.unwrap();
    assert!(first.request().await.is_none());
    let request = ProduceRequest { acks: Acks::All, timeout: LIMIT, partitions: Vec::new() };
    for error in [
        remote.metadata(names()).await.map(drop).unwrap_err(),
        remote.fetch(BrokerId(1), fetch()).await.map(drop).unwrap_err(),
        remote.produce(BrokerId(1), request).await.map(drop).unwrap_err(),
    ] {
        assert_eq!(error.code, ErrorCode::BrokerNotAvailable, "{error}");
        assert!(error.message.contains("the client is closed"), "{error}");
    }
}
