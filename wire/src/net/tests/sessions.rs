//! Log-ins that do not last as long as their connection (KIP-368).

use super::*;
use crate::api::{ApiKey, Request};
use crate::messages::{ApiVersionsResponse, SaslAuthenticateResponse, SaslHandshakeResponse};
use crate::net::scripted::Conversation;
use crate::net::{Login, Mechanism};
use crate::request::RequestHeader;
use ottla_broker_core::error::ErrorCode;

const LIFE: Duration = Duration::from_secs(100);
const LIFE_MS: i64 = 100_000;

fn options() -> Options {
    let login = Login { mechanism: Mechanism::Plain, user: Arc::from("me"), password: Arc::from("secret") };
    Options { login: Some(login), ..Options::default() }
}

/// The handshake of a log-in, which is not answered yet.
async fn proposed(conversation: &mut Conversation) -> RequestHeader {
    let (header, request) = conversation.request().await.unwrap();
    assert!(matches!(request, Request::SaslHandshake(request) if &*request.mechanism == "PLAIN"));
    header
}

async fn authenticated(conversation: &mut Conversation, answer: SaslAuthenticateResponse) {
    let (header, request) = conversation.request().await.unwrap();
    let Request::SaslAuthenticate(request) = request else { panic!("{request:?}") };
    assert_eq!(&request.token.0[..], b"\0me\0secret");
    conversation.answer(&header, answer).await;
}

async fn let_in(conversation: &mut Conversation, session_lifetime_ms: i64) {
    let header = proposed(conversation).await;
    conversation.answer(&header, SaslHandshakeResponse::default()).await;
    let answer = SaslAuthenticateResponse { session_lifetime_ms, ..SaslAuthenticateResponse::default() };
    authenticated(conversation, answer).await;
}

async fn heard(conversation: &mut Conversation) -> RequestHeader {
    let (header, _) = conversation.request().await.unwrap();
    assert_eq!(header.key, ApiKey::Metadata);
    header
}

/// The next connection, over which somebody has logged in.
async fn enter(broker: &Scripted, session_lifetime_ms: i64) -> Conversation {
    let mut conversation = broker.accept().await;
    conversation.greet_with(ApiVersionsResponse::serving(ApiKey::ALL.iter().copied())).await;
    let_in(&mut conversation, session_lifetime_ms).await;
    conversation
}

/// The same, once the link has been used.
async fn at_work(broker: &Scripted, link: &Arc<Link>, session_lifetime_ms: i64) -> Conversation {
    let asked = metadata(link);
    let mut conversation = enter(broker, session_lifetime_ms).await;
    let header = heard(&mut conversation).await;
    conversation.answer(&header, throttled(1)).await;
    assert_eq!(throttle_of(asked.await), 1);
    conversation
}

#[tokio::test]
async fn a_log_in_is_renewed_over_the_living_connection_before_its_time() {
    let broker = Scripted::start().await;
    let (env, clock) = clocked();
    let link = link_with(&broker, options(), &env);
    let mut conversation = at_work(&broker, &link, LIFE_MS).await;
    for round in 2..5 {
        // Not sooner than it must,
        clock.advance(LIFE * 84 / 100);
        let asked = metadata(&link);
        let header = heard(&mut conversation).await;
        conversation.answer(&header, throttled(round)).await;
        assert_eq!(throttle_of(asked.await), round);
        // not later than it may, and before what is asked.
        clock.advance(LIFE * 11 / 100);
        let asked = metadata(&link);
        let_in(&mut conversation, LIFE_MS).await;
        let header = heard(&mut conversation).await;
        conversation.answer(&header, throttled(round * 10)).await;
        assert_eq!(throttle_of(asked.await), round * 10);
    }
}

#[tokio::test]
async fn a_log_in_that_lasts_is_not_renewed() {
    let broker = Scripted::start().await;
    let (env, clock) = clocked();
    let options = Options { idle_timeout: Duration::MAX, ..options() };
    let link = link_with(&broker, options, &env);
    let mut conversation = at_work(&broker, &link, 0).await;
    clock.advance(LIFE * 1_000);
    let _asked = metadata(&link);
    heard(&mut conversation).await;
}

#[tokio::test]
async fn what_is_in_flight_is_answered_and_what_waits_is_asked_afterwards() {
    let broker = Scripted::start().await;
    let (env, clock) = clocked();
    let link = link_with(&broker, options(), &env);
    let patient = Limits::within(LIFE * 10);
    let first = ask::<Metadata>(&link, patient, MetadataRequest::default());
    let mut conversation = enter(&broker, LIFE_MS).await;
    let first_header = heard(&mut conversation).await;
    clock.advance(LIFE);
    let second = ask::<Metadata>(&link, patient, MetadataRequest::default());
    let header = proposed(&mut conversation).await;
    // Longer than a log-in may take: it is the answer before it that takes so long.
    clock.advance(LIFE);
    conversation.answer(&first_header, throttled(1)).await;
    assert_eq!(throttle_of(first.await), 1);
    conversation.answer(&header, SaslHandshakeResponse::default()).await;
    let third = ask::<Metadata>(&link, patient, MetadataRequest::default());
    authenticated(&mut conversation, SaslAuthenticateResponse { session_lifetime_ms: LIFE_MS, ..Default::default() })
        .await;
    for number in [2, 3] {
        let header = heard(&mut conversation).await;
        conversation.answer(&header, throttled(number)).await;
    }
    assert_eq!((throttle_of(second.await), throttle_of(third.await)), (2, 3));
}

#[tokio::test]
async fn who_is_not_let_in_any_more_hears_it_from_the_next_connection() {
    let broker = Scripted::start().await;
    let (env, clock) = clocked();
    let link = link_with(&broker, options(), &env);
    let mut conversation = at_work(&broker, &link, LIFE_MS).await;
    clock.advance(LIFE);
    let asked = metadata(&link);
    let refuse = || SaslAuthenticateResponse {
        error: Some(ErrorCode::SaslAuthenticationFailed),
        ..SaslAuthenticateResponse::default()
    };
    let header = proposed(&mut conversation).await;
    conversation.answer(&header, SaslHandshakeResponse::default()).await;
    authenticated(&mut conversation, refuse()).await;
    assert!(conversation.request().await.is_none(), "the connection is given up");
    let mut conversation = broker.accept().await;
    conversation.greet_with(ApiVersionsResponse::serving(ApiKey::ALL.iter().copied())).await;
    let header = proposed(&mut conversation).await;
    conversation.answer(&header, SaslHandshakeResponse::default()).await;
    authenticated(&mut conversation, refuse()).await;
    let error = asked.await.unwrap_err();
    assert!(matches!(error, Error::Denied { .. }), "{error}");
    assert_eq!(error.code(ErrorCode::NetworkException), ErrorCode::SaslAuthenticationFailed);
}

#[tokio::test]
async fn a_renewal_that_is_not_answered_ends_the_connection() {
    let broker = Scripted::start().await;
    let (env, clock) = clocked();
    let link = link_with(&broker, options(), &env);
    let mut conversation = at_work(&broker, &link, LIFE_MS).await;
    clock.advance(LIFE);
    let asked = ask::<Metadata>(&link, Limits::within(LIFE), MetadataRequest::default());
    proposed(&mut conversation).await;
    clock.advance(Options::default().connect_timeout);
    assert!(conversation.request().await.is_none(), "the connection is given up");
    // What was in flight then was the log-in; what waited behind it was not sent.
    let error = asked.await.unwrap_err();
    assert!(matches!(error, Error::NotSent { .. }) && !error.may_have_happened(), "{error}");
}
