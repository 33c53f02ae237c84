//! Answers and commits; failures and what is in doubt after them.

use std::time::Duration;

use super::*;
use crate::api::ErrorCode;
use crate::record::Header;

#[tokio::test(start_paused = true)]
async fn an_answer_waits_until_what_it_reveals_is_committed() {
    let log = MemoryLog::new();
    let running = lead(GroupConfig::default(), &[Arc::clone(&log)]).await;
    running.commit(commit("g", None, 0, 1)).await.unwrap();
    log.hold();
    let mut write = Box::pin(running.commit(commit("g", None, 0, 2)));
    assert!(is_done(&mut write).await.is_none(), "the commit is answered before it is committed");
    let mut read = Box::pin(running.fetch(fetch_all("g")));
    assert!(is_done(&mut read).await.is_none(), "a read shows what can still be taken back");
    let mut describe = Box::pin(running.describe("g".into()));
    assert!(is_done(&mut describe).await.is_none());
    log.release();
    assert_eq!(write.await.unwrap(), [Ok(())]);
    assert_eq!(read.await.unwrap()[0].committed.clone().unwrap().unwrap().offset.0, 2);
    assert_eq!(describe.await.unwrap().state, GroupState::Empty);

    // A share is told only when it is stored.
    let joined = running.join(join("h", None)).await.unwrap();
    log.hold();
    let mut share = Box::pin(running.sync(sync("h", &joined, &[(&joined.member, "all")])));
    assert!(is_done(&mut share).await.is_none());
    log.release();
    assert_eq!(share.await.unwrap().assignment, "all");
}

#[tokio::test(start_paused = true)]
async fn after_a_failure_the_log_decides_what_was_written() {
    for keep in [false, true] {
        let log = MemoryLog::new();
        let running = lead(GroupConfig::default(), &[Arc::clone(&log)]).await;
        running.commit(commit("g", None, 0, 1)).await.unwrap();
        let member = running.join(join("h", None)).await.unwrap();
        running.sync(sync("h", &member, &[])).await.unwrap();
        let waiting = running.join(join("h", None));
        log.hold();
        let (write, joined) = tokio::join!(running.commit(commit("g", None, 0, 2)), async {
            let waiting = tokio::join!(waiting, async {
                settle().await;
                log.fail(keep);
            });
            waiting.0
        });
        let error = write.unwrap_err();
        assert_eq!(error.code, ErrorCode::NotCoordinator);
        assert!(error.message.contains("may have been written"), "{error}");
        assert_eq!(joined.unwrap_err().error.code, ErrorCode::NotCoordinator, "who waits for others asks anew");
        settle().await;

        // The log is not open yet.
        assert_eq!(code(running.fetch(fetch_all("g")).await), ErrorCode::CoordinatorLoadInProgress);
        assert_eq!(code(running.commit(commit("g", None, 0, 3)).await), ErrorCode::CoordinatorLoadInProgress);
        assert_eq!(code(running.list(ListGroups::default()).await), ErrorCode::CoordinatorLoadInProgress);
        assert_eq!(code(running.sync(sync("h", &member, &[])).await), ErrorCode::RebalanceInProgress);
        assert_eq!(running.heartbeat(heartbeat("h", &member)).await, Ok(()));
        log.mend();
        settle().await;
        assert_eq!(committed(&running, "g").await, Some(if keep { 2 } else { 1 }));
        assert_eq!(running.heartbeat(heartbeat("h", &member)).await, Ok(()), "its members are there still");
        running.commit(commit("g", None, 0, 4)).await.unwrap();
        assert_eq!(committed(&running, "g").await, Some(4));
    }
}

#[tokio::test(start_paused = true)]
async fn an_append_that_is_refused_leaves_no_trace() {
    let log = MemoryLog::new();
    let running = lead(GroupConfig::default(), &[Arc::clone(&log)]).await;
    running.commit(commit("g", None, 0, 1)).await.unwrap();
    log.refuse(true);
    assert_eq!(code(running.commit(commit("g", None, 0, 2)).await), ErrorCode::NotCoordinator);
    log.refuse(false);
    settle().await;
    assert_eq!(committed(&running, "g").await, Some(1));
}

#[tokio::test(start_paused = true)]
async fn a_failure_that_nobody_waited_for_is_noticed() {
    let log = MemoryLog::new();
    let running = lead(GroupConfig::default(), &[Arc::clone(&log)]).await;
    let member = running.join(join("g", None)).await.unwrap();
    running.sync(sync("g", &member, &[])).await.unwrap();
    log.hold();
    // The member's session ends, and the record of that is lost.
    tokio::time::advance(SESSION * 5).await;
    settle().await;
    log.fail(false);
    log.mend();
    assert_eq!(code(running.describe("g".into()).await), ErrorCode::CoordinatorLoadInProgress);
    settle().await;
    assert_eq!(running.describe("g".into()).await.unwrap().state, GroupState::Stable);
}

#[tokio::test(start_paused = true)]
async fn a_commit_that_takes_too_long_is_answered_as_in_doubt() {
    let log = MemoryLog::new();
    let running = lead(GroupConfig::default(), &[Arc::clone(&log)]).await;
    log.hold();
    let error = running.commit(commit("g", None, 0, 2)).await.unwrap_err();
    assert_eq!(error.code, ErrorCode::CoordinatorNotAvailable);
    assert!(error.message.contains("offsets.commit.timeout.ms"), "{error}");
    log.release();
    assert_eq!(committed(&running, "g").await, Some(2));
}

#[tokio::test(start_paused = true)]
async fn whoever_waits_is_told_when_another_broker_takes_over() {
    let log = MemoryLog::new();
    let running = lead(GroupConfig::default(), &[Arc::clone(&log)]).await;
    let member = running.join(join("g", None)).await.unwrap();
    running.sync(sync("g", &member, &[])).await.unwrap();
    let (joined, ()) = tokio::join!(running.join(join("g", None)), async {
        settle().await;
        running.resign(0);
    });
    assert_eq!(joined.unwrap_err().error.code, ErrorCode::NotCoordinator);
    assert_eq!(code(running.heartbeat(heartbeat("g", &member)).await), ErrorCode::NotCoordinator);
    let next = lead(GroupConfig::default(), &[log.survivor()]).await;
    next.heartbeat(heartbeat("g", &member)).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn bytes_that_rotted_on_the_way_are_not_replayed() {
    let log = MemoryLog::new();
    let running = lead(GroupConfig::default(), &[Arc::clone(&log)]).await;
    let member = running.join(join("g", None)).await.unwrap();
    running.sync(sync("g", &member, &[(&member.member, "all")])).await.unwrap();
    running.commit(commit("g", Some(&member), 0, 5)).await.unwrap();
    drop(running);
    // The group's own record, and its offset: each byte in turn, of keys and values alike.
    for (nth, size) in log.sizes().into_iter().enumerate() {
        for from_end in 1..=size - Header::SIZE {
            log.rot_next_read(nth, from_end);
            let again = start(GroupConfig::default(), &[Arc::clone(&log)]);
            while again.list(ListGroups::default()).await.is_err() {
                settle().await;
                // A load that failed is tried again a while after.
                tokio::time::advance(Duration::from_millis(100)).await;
            }
            let what = format!("byte {from_end} from the end of batch {nth} was wrong for a moment");
            let found = again.fetch(fetch_all("g")).await.unwrap();
            assert_eq!(found.len(), 1, "{what}");
            assert_eq!((&found[0].partition, offset_of(&found[0])), (&partition(0), 5), "{what}");
            let described = again.describe("g".into()).await.unwrap();
            assert_eq!(described.state, GroupState::Stable, "{what}");
            assert_eq!(described.members[0].member, member.member, "{what}");
            again.heartbeat(heartbeat("g", &member)).await.unwrap();
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_shard_that_cannot_be_replayed_says_why() {
    let log = MemoryLog::new();
    let running = lead(GroupConfig::default(), &[Arc::clone(&log)]).await;
    running.commit(commit("g", None, 0, 1)).await.unwrap();
    drop(running);
    log.rot_next_read(0, 1);
    let again = start(GroupConfig::default(), &[Arc::clone(&log)]);
    settle().await;
    let error = again.fetch(fetch_all("g")).await.unwrap_err();
    assert_eq!(error.code, ErrorCode::CoordinatorLoadInProgress);
    for part in ["partition 0 of __consumer_offsets", "offset 0 is corrupt", "is tried again"] {
        assert!(error.message.contains(part), "{error} does not say {part}");
    }
    tokio::time::advance(Duration::from_millis(100)).await;
    settle().await;
    assert_eq!(committed(&again, "g").await, Some(1));
}

fn offset_of(fetched: &FetchedOffset) -> i64 {
    fetched.committed.clone().unwrap().unwrap().offset.0
}
