//! Brokers that say what no broker says.

use super::*;

/// What becomes of a request when ApiVersions is answered so.
async fn greeted_with(bytes: &[u8]) -> Error {
    let broker = Scripted::start().await;
    let link = link(&broker, &Env::system());
    let asked = metadata(&link);
    let mut conversation = broker.accept().await;
    conversation.request().await.unwrap();
    conversation.say(bytes).await;
    let error = asked.await.unwrap_err();
    assert!(conversation.request().await.is_none(), "the connection is given up");
    assert!(!error.may_have_happened());
    error
}

#[tokio::test]
async fn who_does_not_speak_the_protocol_is_named() {
    for (bytes, expected) in [
        (&b"HTTP/1.1 400 Bad Request\r\n\r\n"[..], "is beyond the limit of"),
        (b"\xff\xff\xff\xff", "a frame's length is -1: this is not the Kafka protocol"),
        (b"\0\0\0\x06\0\0\0\x09\0\0", "it does not speak the Kafka protocol: its answer to ApiVersions is none"),
        (b"\0\0\0\x06\0\0\0\0\0\0", "its answer to ApiVersions cannot be read: the bytes end within a field"),
        (b"\0\0\0\x06\0\0\0\0\0\x07", "cannot be read"),
    ] {
        let error = greeted_with(bytes).await;
        assert!(matches!(&error, Error::Unreachable { reason, .. } if reason.contains(expected)), "{error}");
    }
}

/// What becomes of a Metadata request, the second on its connection, that is answered so.
async fn answered_with(bytes: &[u8]) -> Error {
    let broker = Scripted::start().await;
    let link = link(&broker, &Env::system());
    let asked = metadata(&link);
    let mut conversation = broker.greet().await;
    let (header, _) = conversation.request().await.unwrap();
    assert_eq!(header.correlation_id, 0);
    conversation.say(bytes).await;
    let error = asked.await.unwrap_err();
    assert!(conversation.request().await.is_none(), "the connection is given up");
    assert!(error.may_have_happened());
    error
}

#[tokio::test]
async fn an_answer_out_of_step_ends_the_connection() {
    let broker = Scripted::start().await;
    let link = link(&broker, &Env::system());
    let (first, second) = (metadata(&link), metadata(&link));
    let mut conversation = broker.greet().await;
    conversation.request().await.unwrap();
    let (later, _) = conversation.request().await.unwrap();
    conversation.answer(&later, throttled(2)).await;
    for asked in [first, second] {
        let error = asked.await.unwrap_err();
        let expected = "it answered request 1, and the answer to request 0 (Metadata) is due";
        assert!(matches!(&error, Error::Lost { reason, .. } if &**reason == expected), "{error}");
    }
}

#[tokio::test]
async fn an_answer_that_is_none_ends_the_connection() {
    let error = answered_with(b"\0\0\0\x07\0\0\0\0\0\x7f\x7f").await;
    assert!(matches!(error, Error::Malformed { .. }), "{error}");
    assert!(error.to_string().contains("answered Metadata with something else"), "{error}");
    let error = answered_with(b"\0\0\0\x02\0\0").await;
    assert!(matches!(&error, Error::Lost { reason, .. } if reason.contains("does not speak")), "{error}");
    let error = answered_with(b"\x7f\xff\xff\xff").await;
    assert!(matches!(&error, Error::Lost { reason, .. } if reason.contains("beyond the limit")), "{error}");
}

#[tokio::test]
async fn what_nobody_asked_for_ends_the_connection() {
    let broker = Scripted::start().await;
    let (env, _clock) = clocked();
    let link = link(&broker, &env);
    let asked = metadata(&link);
    let mut conversation = broker.greet().await;
    let (header, _) = conversation.request().await.unwrap();
    conversation.answer(&header, throttled(1)).await;
    conversation.answer(&header, throttled(2)).await;
    assert_eq!(throttle_of(asked.await), 1);
    assert!(conversation.request().await.is_none());
}
