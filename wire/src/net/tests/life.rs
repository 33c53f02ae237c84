//! Connections that are lost, come back, or are given up.

use ottla_broker_core::error::ErrorCode;

use super::*;
use crate::net::Address;

/// Long enough for any task that has something to do.
async fn settle() {
    for _ in 0..200 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_lost_connection_fails_what_is_in_flight_and_comes_back() {
    let broker = Scripted::start().await;
    let link = link(&broker, &Env::system());
    let (first, second) = (metadata(&link), heartbeat(&link, LIMIT));
    let mut conversation = broker.greet().await;
    let (header, _) = conversation.request().await.unwrap();
    conversation.request().await.unwrap();
    conversation.answer(&header, throttled(1)).await;
    assert_eq!(throttle_of(first.await), 1);
    drop(conversation);
    let error = second.await.unwrap_err();
    assert!(matches!(error, Error::Lost { .. }) && error.may_have_happened(), "{error}");
    let code = error.code(ErrorCode::LeaderNotAvailable);
    assert!(code == ErrorCode::NetworkException && code.is_retriable());
    let expected =
        format!("the connection to the broker at {} was lost before it had answered Heartbeat: ", broker.address());
    assert!(error.to_string().starts_with(&expected), "{error}");
    let third = metadata(&link);
    let mut conversation = broker.greet().await;
    let (header, _) = conversation.request().await.unwrap();
    conversation.answer(&header, throttled(3)).await;
    assert_eq!(throttle_of(third.await), 3);
}

#[tokio::test]
async fn an_answer_that_does_not_come_ends_the_connection() {
    let broker = Scripted::start().await;
    let (env, clock) = clocked();
    let link = link(&broker, &env);
    let patient = heartbeat(&link, LIMIT * 10);
    let mut conversation = broker.greet().await;
    conversation.request().await.unwrap();
    let hasty = metadata(&link);
    conversation.request().await.unwrap();
    clock.advance(LIMIT);
    let error = hasty.await.unwrap_err();
    assert!(matches!(error, Error::TimedOut { limit: LIMIT, .. }) && error.may_have_happened(), "{error}");
    assert_eq!(error.code(ErrorCode::LeaderNotAvailable), ErrorCode::RequestTimedOut);
    let error = patient.await.unwrap_err();
    assert!(matches!(&error, Error::Lost { reason, .. } if reason.contains("did not come in time")), "{error}");
    assert!(conversation.request().await.is_none());
}

#[tokio::test]
async fn attempts_to_connect_are_spaced_out_and_told() {
    // Nobody listens there any more.
    let address = Scripted::start().await.address().clone();
    let (env, clock) = clocked();
    let link = Link::new(address.clone(), Arc::default(), &env);
    let error = metadata(&link).await.unwrap_err();
    assert!(matches!(error, Error::Unreachable { .. }) && !error.may_have_happened(), "{error}");
    assert_eq!(error.code(ErrorCode::LeaderNotAvailable), ErrorCode::LeaderNotAvailable);
    assert!(
        error.to_string().starts_with(&format!("cannot reach the broker at {address}: connecting failed: ")),
        "{error}"
    );
    let mut least = Duration::from_millis(25);
    for _ in 0..6 {
        let asked = env.spawn("asked", {
            let asked = metadata(&link);
            async move { drop(asked.await.unwrap_err()) }
        });
        clock.advance(least - Duration::from_millis(1));
        settle().await;
        assert!(!asked.is_finished(), "it came back within {least:?}");
        clock.advance(least + Duration::from_millis(1));
        assert!(asked.await);
        least = (least * 2).min(Duration::from_millis(500));
    }
}

#[tokio::test]
async fn ready_waits_for_a_connection_or_its_failure() {
    let broker = Scripted::start().await;
    let link = link(&broker, &Env::system());
    let (ready, _conversation) = tokio::join!(link.ready(1 << 20), broker.greet());
    ready.unwrap();
    let gone: Address = Scripted::start().await.address().clone();
    let link = Link::new(gone, Arc::default(), &Env::system());
    let error = link.ready(1).await.unwrap_err();
    assert!(matches!(error, Error::Unreachable { .. }), "{error}");
}

#[tokio::test]
async fn a_connection_without_requests_is_closed_and_made_again() {
    let broker = Scripted::start().await;
    let (env, clock) = clocked();
    let link = link(&broker, &env);
    let asked = metadata(&link);
    let mut conversation = broker.greet().await;
    let (header, _) = conversation.request().await.unwrap();
    conversation.answer(&header, throttled(1)).await;
    asked.await.unwrap();
    settle().await;
    clock.advance(Options::default().idle_timeout);
    assert!(conversation.request().await.is_none());
    // Without a pause: the clock stands.
    let asked = metadata(&link);
    let mut conversation = broker.greet().await;
    let (header, _) = conversation.request().await.unwrap();
    conversation.answer(&header, throttled(2)).await;
    assert_eq!(throttle_of(asked.await), 2);
}

#[tokio::test]
async fn a_dropped_link_ends_its_connection() {
    let broker = Scripted::start().await;
    let link = link(&broker, &Env::system());
    let asked = metadata(&link);
    let mut conversation = broker.greet().await;
    conversation.request().await.unwrap();
    drop(link);
    settle().await;
    // Somebody still waits.
    drop(asked);
    assert!(conversation.request().await.is_none());
}

#[test]
fn a_link_outlives_its_runtime_with_an_error() {
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let first = runtime();
    let link = first.block_on(async {
        let broker = Scripted::start().await;
        let link = link(&broker, &Env::system());
        drop(metadata(&link));
        drop(broker.greet().await);
        link
    });
    drop(first);
    assert!(link.is_ended());
    let error = runtime().block_on(metadata(&link)).unwrap_err();
    assert!(matches!(error, Error::NotSent { .. }), "{error}");
}
