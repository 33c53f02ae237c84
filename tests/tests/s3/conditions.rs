//! Writes with a condition: one wins.

use futures::future::join_all;
use object_store::path::Path;
use object_store::{Error, ObjectStoreExt};
use ottla_tests::s3::Kind;

use super::client::{BUCKET, client, create, server, update};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_creates_exactly_one_wins() {
    let server = server();
    let store = client(&server);
    for round in 0..4 {
        let key = format!("race/{round}");
        let bodies: Vec<_> = (0..64).map(|writer| format!("writer {writer}")).collect();
        let tries = join_all(bodies.iter().map(|body| {
            let (store, key, body) = (store.clone(), key.clone(), body.clone());
            // Tasks of their own, so that they really run at once.
            #[expect(clippy::disallowed_methods, reason = "tasks of the test itself")]
            tokio::spawn(async move { (create(&store, &key, &body).await, body) })
        }));
        let mut winners = Vec::new();
        for outcome in tries.await {
            match outcome.unwrap() {
                (Ok(_), body) => winners.push(body),
                (Err(Error::AlreadyExists { .. }), _) => {}
                (Err(error), _) => panic!("{error}"),
            }
        }
        assert_eq!(winners.len(), 1, "{winners:?}");
        assert_eq!(server.object(BUCKET, &key).unwrap(), winners[0].as_bytes());
    }
    let puts = server.requests().of(Kind::Put);
    assert_eq!((puts.requests, puts.ok, puts.preconditions_failed), (256, 4, 252));
}

#[tokio::test]
async fn an_update_needs_the_tag_that_is_there() {
    let server = server();
    let store = client(&server);
    let first = create(&store, "k", "one").await.unwrap().e_tag.unwrap();
    let second = update(&store, "k", "two", &first).await.unwrap().e_tag.unwrap();
    assert_ne!(first, second);
    assert!(matches!(update(&store, "k", "three", &first).await, Err(Error::Precondition { .. })));
    // S3 says 404 here, which the client turns into the same.
    assert!(matches!(update(&store, "absent", "x", &first).await, Err(Error::Precondition { .. })));
    assert_eq!(server.object(BUCKET, "k").unwrap(), "two");
    assert_eq!(server.object(BUCKET, "absent"), None);
    // Tags are those of the bytes, so that a value that comes back has the tag it had: A, B, A.
    let third = update(&store, "k", "one", &second).await.unwrap().e_tag.unwrap();
    assert_eq!(third, first);
}

#[tokio::test]
async fn of_many_updates_of_one_tag_exactly_one_wins() {
    let server = server();
    let store = client(&server);
    let mut etag = create(&store, "k", "start").await.unwrap().e_tag.unwrap();
    for round in 0..4 {
        let bodies: Vec<_> = (0..16).map(|writer| format!("{round}/{writer}")).collect();
        let outcomes = join_all(bodies.iter().map(|body| update(&store, "k", body, &etag))).await;
        let won: Vec<_> = outcomes.iter().zip(&bodies).filter(|(outcome, _)| outcome.is_ok()).collect();
        assert_eq!(won.len(), 1);
        assert_eq!(server.object(BUCKET, "k").unwrap(), won[0].1.as_bytes());
        etag = won[0].0.as_ref().unwrap().e_tag.clone().unwrap();
    }
}

#[tokio::test]
async fn a_delete_opens_a_name_again() {
    let server = server();
    let store = client(&server);
    create(&store, "k", "one").await.unwrap();
    store.delete(&Path::from("k")).await.unwrap();
    // What is not there was deleted before.
    store.delete(&Path::from("k")).await.unwrap();
    create(&store, "k", "two").await.unwrap();
    assert_eq!(server.object(BUCKET, "k").unwrap(), "two");
}
