//! What is no place to copy from or to.

use futures::FutureExt;
use ottla_broker_core::copy::Error;

use super::world::{cluster, commit, manual, open};
use super::*;

#[tokio::test]
async fn a_destination_in_use_is_refused_and_not_changed() {
    let from = source(1).await.backend();
    let other = memory().backend();
    commit(&other, cluster("another")).await;
    let error = copy(&from, &other, small(false)).await.unwrap_err();
    assert!(matches!(&error, Error::Occupied { what } if what.contains("another")), "{error}");
    assert_eq!(other.metadata.end().await.unwrap(), 1);
    assert!(other.logs.list().await.unwrap().is_empty());

    let logs = memory().backend();
    open(&logs, id("orders", 0), 1).await;
    let error = copy(&from, &logs, small(false)).await.unwrap_err();
    assert!(matches!(error, Error::Occupied { .. }), "{error}");
    assert_eq!(logs.metadata.end().await.unwrap(), 0);
}

#[tokio::test]
async fn source_and_copy_are_not_copied_onto_themselves() {
    let from = source(1).await.backend();
    let error = copy(&from, &from, small(false)).await.unwrap_err();
    assert!(matches!(error, Error::AlreadyThere { .. }), "{error}");
    let to = memory().backend();
    copy(&from, &to, small(false)).await.unwrap();
    let end = to.metadata.end().await.unwrap();
    let error = copy(&from, &to, small(false)).await.unwrap_err();
    assert!(matches!(error, Error::AlreadyThere { .. }), "{error}");
    assert_eq!(to.metadata.end().await.unwrap(), end);
    let error = copy(&memory().backend(), &memory().backend(), small(false)).await.unwrap_err();
    assert!(matches!(error, Error::Nothing), "{error}");
}

#[tokio::test]
async fn an_unfinished_copy_of_another_is_refused() {
    let to = manual();
    assert!(copy(&source(1).await.backend(), &to.backend(), small(false)).now_or_never().is_none());
    let other = memory().backend();
    commit(&other, cluster("another")).await;
    let error = copy(&other, &to.backend(), small(false)).await.unwrap_err();
    assert!(error.to_string().contains("unfinished copy of another cluster, original"), "{error}");
}

/// Two at once: the later one has the partitions, and the earlier one does not say that all is there.
#[tokio::test]
async fn the_earlier_of_two_copies_does_not_end_it() {
    let from = memory().backend();
    commit(&from, cluster("original")).await;
    commit(&from, vec![world::create("orders", 1)]).await;
    let log = open(&from, id("orders", 0), 0).await;
    world::fill(&Env::seeded(1), log.as_ref(), 5, 0).await;
    let to = manual();
    let (first, second) = (to.backend(), to.reopen().backend());
    let mut earlier = std::pin::pin!(copy(&from, &first, small(false)));
    assert!(earlier.as_mut().now_or_never().is_none());
    // The earlier one's appends are there, and only it does not know yet.
    to.logs.commit();
    let mut later = std::pin::pin!(copy(&from, &second, small(false)));
    let ended = later.as_mut().now_or_never();
    let error = earlier.await.unwrap_err();
    assert!(matches!(error, Error::Overtaken | Error::Partition { .. }), "{error}");
    if ended.is_none() {
        to.logs.commit();
        later.await.unwrap();
    }
    assert_same(&from, &to.backend()).await;
}
