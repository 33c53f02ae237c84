//! Each fault, as the client sees it, and what is in the bucket afterwards.

use std::error::Error as _;
use std::time::Duration;

use bytes::Bytes;
use futures::future::join_all;
use object_store::client::{HttpError, HttpErrorKind};
use object_store::path::Path;
use object_store::{Error, ObjectStoreExt, PutPayload};
use ottla_tests::s3::{Fault, Hold, Kind, Latency, Requests};

use super::client::{BUCKET, HASTE, builder, client, client_of, create, hasty, options, retries, server, update};

/// The error of the transport, if it is one.
fn transport(error: &Error) -> Option<HttpErrorKind> {
    let mut source = error.source();
    while let Some(error) = source {
        if let Some(error) = error.downcast_ref::<HttpError>() {
            return Some(error.kind());
        }
        source = error.source();
    }
    None
}

#[tokio::test]
async fn errors_without_effect() {
    let server = server();
    let store = client(&server);
    for (fault, code) in [(Fault::InternalError, "InternalError"), (Fault::SlowDown, "SlowDown")] {
        server.faults().once(Kind::Put, fault);
        let error = create(&store, "k", "x").await.unwrap_err();
        assert!(matches!(error, Error::Generic { .. }) && error.to_string().contains(code), "{error}");
        assert_eq!(server.object(BUCKET, "k"), None);
        assert_eq!(server.requests().faults(fault), 1);
    }
    // A client that repeats does not notice.
    server.faults().once(Kind::Put, Fault::SlowDown);
    server.faults().once(Kind::Put, Fault::InternalError);
    let patient = builder(&server).with_retry(retries(3)).build().unwrap();
    create(&patient, "k", "x").await.unwrap();
    assert_eq!(server.requests().of(Kind::Put).failed, 4);
}

#[tokio::test]
async fn a_500_after_the_effect_makes_a_repeat_lose_to_itself() {
    let server = server();
    server.faults().once(Kind::Put, Fault::InternalErrorAfter);
    let patient = builder(&server).with_retry(retries(3)).build().unwrap();
    assert!(matches!(create(&patient, "k", "mine").await, Err(Error::AlreadyExists { .. })));
    assert_eq!(server.object(BUCKET, "k").unwrap(), "mine");
}

#[tokio::test]
async fn a_conflict_is_told_as_exists_and_nothing_is_there() {
    let server = server();
    let store = client(&server);
    server.faults().once(Kind::Put, Fault::Conflict);
    // It is for writes with a condition: this one passes by.
    store.put(&Path::from("other"), PutPayload::from("x")).await.unwrap();
    assert_eq!(server.faults().waiting(), 1);
    assert!(matches!(create(&store, "k", "x").await, Err(Error::AlreadyExists { .. })));
    assert_eq!(server.object(BUCKET, "k"), None);

    let etag = create(&store, "k", "x").await.unwrap().e_tag.unwrap();
    server.faults().once(Kind::Put, Fault::Conflict);
    let patient = builder(&server).with_retry(retries(3)).build().unwrap();
    // Updates are repeated after a conflict, creates are not.
    update(&patient, "k", "y", &etag).await.unwrap();
    server.faults().once(Kind::Put, Fault::Conflict);
    assert!(matches!(create(&patient, "l", "x").await, Err(Error::AlreadyExists { .. })));
    assert_eq!(server.object(BUCKET, "l"), None);
}

#[tokio::test]
async fn a_reset_before_or_after_the_effect_looks_the_same() {
    let server = server();
    let store = client(&server);
    let mut seen = Vec::new();
    for (fault, key) in [(Fault::ResetBefore, "before"), (Fault::ResetAfter, "after")] {
        server.faults().once(Kind::Put, fault);
        let error = create(&store, key, "x").await.unwrap_err();
        seen.push(transport(&error).unwrap());
        assert_eq!(server.requests().faults(fault), 1);
    }
    assert_eq!(seen[0], seen[1]);
    assert_eq!(server.object(BUCKET, "before"), None);
    assert_eq!(server.object(BUCKET, "after").unwrap(), "x");
    assert_eq!(server.requests().of(Kind::Put).unanswered, 2);
}

#[tokio::test]
async fn a_client_that_repeats_gives_up_on_a_create_and_not_on_an_overwrite() {
    let server = server();
    let patient = builder(&server).with_retry(retries(3)).build().unwrap();
    for fault in [Fault::ResetBefore, Fault::ResetAfter] {
        server.faults().once(Kind::Put, fault);
        patient.put(&Path::from("overwritten"), PutPayload::from("x")).await.unwrap();
        server.faults().once(Kind::Put, fault);
        // Whether a create that was reset is repeated decides what a caller may conclude from "exists".
        let error = create(&patient, &format!("{fault:?}"), "x").await.unwrap_err();
        assert_eq!(transport(&error), Some(HttpErrorKind::Interrupted), "{error}");
    }
    assert_eq!(server.requests().of(Kind::Put).requests, 6);
}

#[tokio::test]
async fn a_connection_that_ends_in_good_order_makes_a_create_lose_to_itself() {
    let server = server();
    server.faults().once(Kind::Put, Fault::ClosedAfter);
    let error = create(&client(&server), "k", "mine").await.unwrap_err();
    assert_eq!(transport(&error), Some(HttpErrorKind::Request), "{error}");
    assert_eq!(server.object(BUCKET, "k").unwrap(), "mine");
    server.faults().once(Kind::Put, Fault::ClosedAfter);
    // The client takes it for a request that never left: even a create is repeated.
    let patient = builder(&server).with_retry(retries(3)).build().unwrap();
    assert!(matches!(create(&patient, "l", "mine").await, Err(Error::AlreadyExists { .. })));
    assert_eq!(server.object(BUCKET, "l").unwrap(), "mine");
    assert_eq!(server.requests().of(Kind::Put).requests, 3);
}

#[tokio::test]
async fn an_effect_may_come_after_the_connection_has_ended() {
    let server = server();
    server.faults().late(Duration::from_millis(20)..=Duration::from_millis(40));
    let store = client(&server);
    server.faults().once(Kind::Put, Fault::Late);
    assert!(transport(&create(&store, "late", "x").await.unwrap_err()).is_some());
    server.until(|requests| requests.landed_late == 1).await;
    assert_eq!(server.object(BUCKET, "late").unwrap(), "x");

    server.faults().once(Kind::Put, Fault::Unanswered);
    let error = create(&hasty(&server), "silent", "x").await.unwrap_err();
    assert_eq!(transport(&error), Some(HttpErrorKind::Timeout), "{error}");
    server.until(|requests| requests.landed_late == 2).await;
    assert_eq!(server.object(BUCKET, "silent").unwrap(), "x");
}

#[tokio::test]
async fn a_late_create_and_one_that_comes_meanwhile_do_not_both_win() {
    let server = server();
    server.faults().late(Duration::from_millis(300)..=Duration::from_millis(300));
    let store = client(&server);
    server.faults().once(Kind::Put, Fault::Late);
    create(&store, "k", "first").await.unwrap_err();
    let second = create(&store, "k", "second").await;
    server.until(|requests| requests.landed_late == 1).await;
    // The second nearly always is the first to land; on a machine that stood still it may not be.
    let wanted = match second {
        Ok(_) => "second",
        Err(Error::AlreadyExists { .. }) => "first",
        Err(error) => panic!("{error}"),
    };
    assert_eq!(server.object(BUCKET, "k").unwrap(), wanted);
}

#[tokio::test]
async fn a_body_that_is_cut_is_never_taken_for_whole() {
    let server = server();
    let body: Bytes = (0..300_000_u32).flat_map(u32::to_be_bytes).collect();
    server.plant(BUCKET, "k", body.clone());
    let (store, key) = (client(&server), Path::from("k"));
    for _ in 0..16 {
        server.faults().once(Kind::Get, Fault::Truncated);
        let got = match store.get(&key).await {
            Ok(got) => got.bytes().await,
            Err(error) => Err(error),
        };
        assert!(got.is_err(), "a part was taken for the whole");
        server.faults().once(Kind::Get, Fault::Truncated);
        assert!(store.get_range(&key, 5..50_000).await.is_err());
    }
    assert_eq!(server.requests().faults(Fault::Truncated), 32);
    assert_eq!(store.get(&key).await.unwrap().bytes().await.unwrap(), body);
}

#[tokio::test]
async fn a_client_that_repeats_puts_the_pieces_of_cut_bodies_together() {
    let server = server();
    let body: Bytes = (0..300_000_u32).flat_map(u32::to_be_bytes).collect();
    server.plant(BUCKET, "k", body.clone());
    let patient = builder(&server).with_retry(retries(1_000)).build().unwrap();
    server.faults().rate(Kind::Get, Fault::Truncated, 0.7);
    for _ in 0..8 {
        assert_eq!(patient.get(&Path::from("k")).await.unwrap().bytes().await.unwrap(), body);
    }
    let gets = server.requests().of(Kind::Get).requests;
    assert!(server.requests().faults(Fault::Truncated) > 0 && gets > 8, "{gets}");
}

#[tokio::test]
async fn a_client_is_held_and_let_go_while_others_run() {
    let server = server();
    let (zombie, other) = (client_of(&server, "zombie"), client_of(&server, "other"));
    server.faults().pause("zombie", Hold::Before);
    let held = async {
        server.faults().until_held("zombie", 2).await;
        create(&other, "k", "other's").await.unwrap();
        assert_eq!(server.faults().held("zombie"), 2);
        assert_eq!(server.object(BUCKET, "l"), None);
        server.faults().release("zombie");
    };
    let (taken, free, ()) = tokio::join!(create(&zombie, "k", "zombie's"), create(&zombie, "l", "zombie's"), held);
    assert!(matches!(taken, Err(Error::AlreadyExists { .. })));
    free.unwrap();
    assert_eq!(server.object(BUCKET, "k").unwrap(), "other's");
    assert_eq!(server.object(BUCKET, "l").unwrap(), "zombie's");
    assert_eq!(server.faults().held("zombie"), 0);
}

#[tokio::test]
async fn what_was_held_after_its_effect_is_there_before_its_answer() {
    let server = server();
    let zombie = client_of(&server, "zombie");
    server.faults().pause("zombie", Hold::After);
    let held = async {
        server.faults().until_held("zombie", 1).await;
        assert_eq!(server.object(BUCKET, "k").unwrap(), "x");
        server.faults().release_all();
    };
    let (put, ()) = tokio::join!(create(&zombie, "k", "x"), held);
    put.unwrap();
}

#[tokio::test]
async fn a_held_write_lands_when_its_client_has_long_given_up() {
    let server = server();
    let options = options().with_timeout(HASTE);
    let zombie = builder(&server).with_access_key_id("zombie").with_client_options(options).build().unwrap();
    server.faults().pause("zombie", Hold::Before);
    let error = create(&zombie, "k", "x").await.unwrap_err();
    assert_eq!(transport(&error), Some(HttpErrorKind::Timeout), "{error}");
    assert_eq!((server.faults().held("zombie"), server.object(BUCKET, "k")), (1, None));
    server.faults().release("zombie");
    server.until(|requests| requests.of(Kind::Put).ok == 1).await;
    assert_eq!(server.object(BUCKET, "k").unwrap(), "x");
}

#[tokio::test]
async fn latencies_are_kept_and_one_in_some_is_slower() {
    let server = server();
    let store = client(&server);
    // A time-out that only the slow ones meet tells the two apart without a clock.
    let slow = Latency::fixed(Duration::from_millis(2)).with_slow(8, 30_000);
    server.faults().latency(Kind::Put, slow);
    let impatient = hasty(&server);
    let tries: Vec<_> = (0..64).map(|n| format!("{n}")).collect();
    let outcomes = join_all(tries.iter().map(|key| create(&impatient, key, "x"))).await;
    let lost = outcomes.iter().filter(|outcome| outcome.is_err()).count() as u64;
    let requests = server.requests();
    assert!(requests.slow > 0 && requests.slow < 32, "{}", requests.slow);
    assert!(lost >= requests.slow, "{lost} of {}", requests.slow);
    // Other kinds are not concerned.
    assert!(matches!(store.get(&Path::from("absent")).await, Err(Error::NotFound { .. })));
    assert_eq!(server.requests().slow, requests.slow);
}

#[tokio::test]
async fn large_bodies_take_their_time() {
    let server = server();
    let a_day = Latency::default().with_bandwidth(10);
    server.faults().latency_of_all(a_day);
    let store = hasty(&server);
    let error = store.put(&Path::from("k"), PutPayload::from(vec![0; 1_000_000])).await.unwrap_err();
    assert_eq!(transport(&error), Some(HttpErrorKind::Timeout), "{error}");
    server.faults().clear();
    server.plant(BUCKET, "k", Bytes::from(vec![0; 1_000_000]));
    let got = client(&server).get(&Path::from("k")).await.unwrap();
    assert_eq!(got.bytes().await.unwrap().len(), 1_000_000);
    server.faults().latency(Kind::Get, a_day);
    assert!(store.get(&Path::from("k")).await.is_err());
}

/// What 200 creates, one after the other, meet.
async fn run(seed: u64) -> (Vec<bool>, Requests) {
    let server = server();
    server.faults().seed(seed);
    server.faults().late(Duration::ZERO..=Duration::from_millis(1));
    for fault in Fault::ALL {
        // None that only a time-out ends.
        if fault != Fault::Unanswered {
            server.faults().rate_of_all(fault, 0.05);
        }
    }
    let store = client(&server);
    let mut outcomes = Vec::new();
    for n in 0..200 {
        outcomes.push(create(&store, &format!("{n}"), "x").await.is_ok());
    }
    let late = |requests: &Requests| requests.landed_late == requests.faults(Fault::Late);
    let requests = server.until(late).await;
    (outcomes, requests)
}

#[tokio::test]
async fn the_same_seed_does_the_same() {
    let (first, requests) = run(1).await;
    for fault in Fault::ALL {
        let drawn = requests.faults(fault);
        let wanted = !matches!(fault, Fault::Unanswered | Fault::Truncated);
        assert_eq!(drawn > 0, wanted, "{fault:?}: {drawn}");
        assert!(drawn < 30, "{fault:?}: {drawn} of 200 at one in twenty");
    }
    let again = run(1).await;
    assert_eq!((&first, &requests), (&again.0, &again.1));
    assert_ne!(first, run(2).await.0);
}

#[tokio::test]
async fn counts_tell_what_was_asked() {
    let server = server();
    let store = client(&server);
    store.put(&Path::from("k"), PutPayload::from(vec![1; 1_000])).await.unwrap();
    let before = server.requests();
    store.put(&Path::from("l"), PutPayload::from(vec![1; 500])).await.unwrap();
    store.get_range(&Path::from("k"), 0..10).await.unwrap();
    store.head(&Path::from("k")).await.unwrap();
    store.get(&Path::from("absent")).await.unwrap_err();
    let now = server.requests().since(&before);
    let (puts, gets, heads) = (now.of(Kind::Put), now.of(Kind::Get), now.of(Kind::Head));
    assert_eq!((puts.requests, puts.ok, puts.bytes_in, puts.bytes_out), (1, 1, 500, 0));
    assert_eq!((gets.requests, gets.ok, gets.refused), (2, 1, 1));
    assert!(gets.bytes_out > 10, "the range, and a document that says no");
    assert_eq!((heads.requests, heads.ok, heads.bytes_out), (1, 1, 0));
    assert_eq!(now.total().requests, 4);
    assert_eq!(server.requests().of(Kind::Put).bytes_in, 1_500);
}
