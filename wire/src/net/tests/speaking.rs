//! Which versions are spoken, and in which order.

use ottla_broker_core::api::{self, Acks};
use ottla_broker_core::error::ErrorCode;

use super::*;
use crate::api::{ApiKey, Request};
use crate::messages::{ApiVersion, ApiVersionsResponse, Produce, ProduceRequest};
use crate::net::Peer;

#[tokio::test]
async fn each_api_is_spoken_in_the_newest_common_version() {
    let broker = Scripted::start().await;
    let link = link(&broker, &Env::system());
    let answer = metadata(&link);
    let mut conversation = broker.accept().await;
    let (header, _) = conversation.request().await.unwrap();
    assert_eq!((header.key, header.version, header.client_id.as_deref()), (ApiKey::ApiVersions, 4, Some("ottla")));
    let apis = vec![ApiVersion { key: 3, min: 0, max: 5 }, ApiVersion { key: 999, min: 0, max: 1 }];
    conversation.answer(&header, ApiVersionsResponse { apis, ..ApiVersionsResponse::default() }).await;
    let (header, _) = conversation.request().await.unwrap();
    assert_eq!((header.key, header.version), (ApiKey::Metadata, 5));
    conversation.answer(&header, throttled(7)).await;
    assert_eq!(throttle_of(answer.await), 7);
    let refused = heartbeat(&link, LIMIT).await.unwrap_err();
    assert!(matches!(refused, Error::NoCommonVersion { .. }) && !refused.may_have_happened(), "{refused}");
    assert_eq!(refused.code(ErrorCode::NetworkException), ErrorCode::UnsupportedVersion);
}

/// Of the 2.1 era: error 35 in the form of version 0, and not a word on what it has. Later ones name their range.
#[tokio::test]
async fn brokers_that_do_not_know_our_version_are_asked_in_theirs() {
    for (told, expected) in [(vec![], 0), (vec![ApiVersion { key: 18, min: 0, max: 2 }], 2)] {
        let broker = Scripted::start().await;
        let link = link(&broker, &Env::system());
        let answer = metadata(&link);
        let mut conversation = broker.accept().await;
        let (header, _) = conversation.request().await.unwrap();
        let error = Some(ErrorCode::UnsupportedVersion);
        let refusal = ApiVersionsResponse { error, apis: told, ..ApiVersionsResponse::default() };
        conversation.answer_as(header.correlation_id, 0, refusal).await;
        let (header, _) = conversation.request().await.unwrap();
        assert_eq!((header.key, header.version), (ApiKey::ApiVersions, expected));
        conversation.answer(&header, ApiVersionsResponse::serving([ApiKey::Metadata])).await;
        let (header, _) = conversation.request().await.unwrap();
        conversation.answer(&header, throttled(1)).await;
        assert_eq!(throttle_of(answer.await), 1);
    }
}

/// As librdkafka's mock cluster does: error 35, a short count and one range, which is no form of any version.
#[tokio::test]
async fn a_refusal_that_cannot_be_read_is_a_refusal() {
    let broker = Scripted::start().await;
    let link = link(&broker, &Env::system());
    let answer = metadata(&link);
    let mut conversation = broker.accept().await;
    let (header, _) = conversation.request().await.unwrap();
    let mut refusal = vec![0, 0, 0, 17];
    refusal.extend(header.correlation_id.to_be_bytes());
    refusal.extend([0, 35, 1, 0, 18, 0, 0, 0, 2, 0, 0, 0, 0]);
    conversation.say(&refusal).await;
    let (header, _) = conversation.request().await.unwrap();
    assert_eq!((header.key, header.version), (ApiKey::ApiVersions, 0));
    conversation.answer(&header, ApiVersionsResponse::serving([ApiKey::Metadata])).await;
    let (header, _) = conversation.request().await.unwrap();
    conversation.answer(&header, throttled(1)).await;
    assert_eq!(throttle_of(answer.await), 1);
}

/// At once, without a pause: nothing has failed yet.
#[tokio::test]
async fn a_broker_that_hangs_up_on_our_version_is_asked_in_the_oldest() {
    let broker = Scripted::start().await;
    let (env, _clock) = clocked();
    let link = link(&broker, &env);
    let answer = metadata(&link);
    let mut conversation = broker.accept().await;
    conversation.request().await.unwrap();
    drop(conversation);
    let mut conversation = broker.accept().await;
    let (header, _) = conversation.request().await.unwrap();
    assert_eq!((header.key, header.version), (ApiKey::ApiVersions, 0));
    conversation.answer(&header, ApiVersionsResponse::serving([ApiKey::Metadata])).await;
    let (header, _) = conversation.request().await.unwrap();
    conversation.answer(&header, throttled(1)).await;
    assert_eq!(throttle_of(answer.await), 1);
}

#[tokio::test]
async fn many_are_in_flight_and_answers_find_who_asked() {
    let broker = Scripted::start().await;
    let link = link(&broker, &Env::system());
    let asked: Vec<_> = (0..100).map(|_| metadata(&link)).collect();
    let mut conversation = broker.greet().await;
    let mut headers = Vec::new();
    for _ in 0..100 {
        headers.push(conversation.request().await.unwrap().0);
    }
    for (at, header) in headers.iter().enumerate() {
        conversation.answer(header, throttled(at as i32)).await;
    }
    for (at, answer) in asked.into_iter().enumerate() {
        assert_eq!(throttle_of(answer.await), at as i32);
    }
}

#[tokio::test]
async fn the_answer_to_who_gave_up_is_read_and_discarded() {
    let broker = Scripted::start().await;
    let link = link(&broker, &Env::system());
    let first = metadata(&link);
    let mut conversation = broker.greet().await;
    let (one, _) = conversation.request().await.unwrap();
    drop(first);
    let second = metadata(&link);
    let (two, _) = conversation.request().await.unwrap();
    conversation.answer(&one, throttled(1)).await;
    conversation.answer(&two, throttled(2)).await;
    assert_eq!(throttle_of(second.await), 2);
}

/// What nobody waits for is not sent, unless it is to be sent all the same.
#[tokio::test]
async fn who_gives_up_before_it_was_sent_has_not_asked() {
    let broker = Scripted::start().await;
    let link = link(&broker, &Env::system());
    drop(metadata(&link));
    drop(ask::<Heartbeat>(&link, Limits { kept: true, ..Limits::within(LIMIT) }, HeartbeatRequest::default()));
    let last = metadata(&link);
    let mut conversation = broker.greet().await;
    let (kept, _) = conversation.request().await.unwrap();
    assert_eq!(kept.key, ApiKey::Heartbeat);
    conversation.answer(&kept, beat(0)).await;
    let (asked, _) = conversation.request().await.unwrap();
    conversation.answer(&asked, throttled(3)).await;
    assert_eq!(throttle_of(last.await), 3);
}

#[tokio::test]
async fn what_is_not_answered_is_done_when_it_is_on_its_way() {
    let broker = Scripted::start().await;
    let link = link(&broker, &Env::system());
    let request = api::ProduceRequest { acks: Acks::None, timeout: LIMIT, partitions: Vec::new() };
    let request = ProduceRequest::from_api(request, |name| name.into());
    let sent = link.ask::<Produce>(Limits::within(LIMIT), |versions| {
        Ok(Ask { version: versions.newest::<Produce>()?, request, answered: false })
    });
    let asked = metadata(&link);
    let mut conversation = broker.greet().await;
    assert!(matches!(conversation.request().await.unwrap().1, Request::Produce(_)));
    assert!(sent.await.unwrap().response.is_none());
    let (header, _) = conversation.request().await.unwrap();
    conversation.answer(&header, throttled(4)).await;
    assert_eq!(throttle_of(asked.await), 4);
}

#[tokio::test]
async fn long_polls_have_connections_of_their_own() {
    let broker = Scripted::start().await;
    let peer = Peer::new(broker.address().clone(), &Arc::default(), &Env::system());
    let poll = || {
        peer.poll::<Metadata>(Limits::within(LIMIT), |versions| {
            Ok(Ask { version: versions.newest::<Metadata>()?, request: MetadataRequest::default(), answered: true })
        })
    };
    let first = poll();
    let mut one = broker.greet().await;
    let (header_one, _) = one.request().await.unwrap();
    let second = poll();
    let mut two = broker.greet().await;
    let (header_two, _) = two.request().await.unwrap();
    two.answer(&header_two, throttled(2)).await;
    assert_eq!(throttle_of(second.await), 2);
    // Given up: its connection is kept, but nothing is asked over it while the answer may come.
    drop(first);
    let third = poll();
    let (header_two, _) = two.request().await.unwrap();
    let fourth = poll();
    let mut three = broker.greet().await;
    let (header_three, _) = three.request().await.unwrap();
    three.answer(&header_three, throttled(4)).await;
    two.answer(&header_two, throttled(3)).await;
    assert_eq!((throttle_of(third.await), throttle_of(fourth.await)), (3, 4));
    one.answer(&header_one, throttled(1)).await;
    assert!(!peer.is_connected());
}
