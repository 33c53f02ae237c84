//! Restarts, crashes, and brokers that take over.

use std::sync::Arc;

use futures::FutureExt;
use ottla_backends::memory::{Commit, Keep, MemoryBackend, MemoryOptions};
use ottla_broker_core::api::ErrorCode;
use ottla_broker_core::api::group::{GroupState, JoinGroup};
use ottla_broker_core::env::Env;

use super::support::*;

#[tokio::test(start_paused = true)]
async fn groups_and_offsets_outlive_a_restart() {
    let (memory, env, broker, keeper) = fresh("g").await;
    let (first, second) = pair(&broker, "g").await;
    broker.offset_commit(commit("g", Some(&first), partition("emails", 0), 7)).await.unwrap().remove(0).unwrap();
    broker.close(LIMIT).await.unwrap();
    assert!(keeper.await);
    assert_eq!(code(broker.heartbeat(heartbeat("g", &first)).await), ErrorCode::BrokerNotAvailable);

    let (broker, _keeper) = start(&memory.reopen(), &env).await;
    assert_eq!(find(&broker, "g").await.unwrap().broker, broker.id());
    assert_eq!(committed(&broker, "g").await, Some(7));
    let group = described(&broker, "g").await;
    assert_eq!((group.state, group.generation, group.members.len()), (GroupState::Stable, first.generation, 2));
    // Members go on as if nothing had been: no rebalance.
    broker.heartbeat(heartbeat("g", &second)).await.unwrap();
    let synced = broker.sync_group(sync("g", &first, &[])).await.unwrap();
    assert_eq!(share(&synced), [0, 1]);
    broker.offset_commit(commit("g", Some(&first), partition("emails", 0), 8)).await.unwrap().remove(0).unwrap();
    assert_eq!(committed(&broker, "g").await, Some(8));
}

#[tokio::test(start_paused = true)]
async fn a_crash_before_the_answer_leaves_one_of_both() {
    for (keep, expected) in [(Keep::Nothing, 1), (Keep::All, 2)] {
        let env = Env::seeded(3);
        let options = MemoryOptions { commit: Commit::Manual, ..MemoryOptions::default() };
        let memory = MemoryBackend::new(options);
        let (broker, keeper) = start(&memory, &env).await;
        create(&broker, "emails", 1).await;
        find(&broker, "g").await.unwrap();
        let stored = broker.offset_commit(commit("g", None, partition("emails", 0), 1));
        let (stored, ()) = tokio::join!(stored, async {
            memory.logs.commit();
        });
        stored.unwrap().remove(0).unwrap();

        let mut stored = Box::pin(broker.offset_commit(commit("g", None, partition("emails", 0), 2)));
        assert!(stored.as_mut().now_or_never().is_none(), "answered before it was durable");
        let mut shown = Box::pin(committed(&broker, "g"));
        assert!(shown.as_mut().now_or_never().is_none(), "shown before it was durable");
        memory.logs.crash(&keep);
        let refused = stored.await.unwrap_err();
        assert!(refused.is_retriable(), "{refused}");
        drop(shown);
        keeper.abort();
        drop(broker);

        let (broker, _keeper) = start(&memory.reopen(), &env).await;
        assert_eq!(committed(&broker, "g").await, Some(expected));
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_zombie_commits_is_never_seen() {
    let (memory, env, older, _keeper) = fresh("g").await;
    let zombie = alone(&older, "g").await;
    older.offset_commit(commit("g", Some(&zombie), partition("emails", 0), 1)).await.unwrap().remove(0).unwrap();

    let (newer, _keeper) = start(&memory, &env).await;
    assert_eq!(committed(&newer, "g").await, Some(1));
    // The member has moved on, with the new coordinator.
    let moved = JoinGroup { member: Some(zombie.member.clone()), ..join("g", &["emails"]) };
    let moved = joined(&newer, moved).await;
    assert!(moved.generation > zombie.generation);
    newer.sync_group(sync("g", &moved, &[(&moved, &[0])])).await.unwrap();
    newer.offset_commit(commit("g", Some(&moved), partition("emails", 0), 9)).await.unwrap().remove(0).unwrap();
    let late = newer.offset_commit(commit("g", Some(&zombie), partition("emails", 0), 2)).await;
    assert_eq!(code(late), ErrorCode::IllegalGeneration);
    // The old coordinator finds out at its first write, and for good.
    for offset in 3..20 {
        let late = older.offset_commit(commit("g", Some(&zombie), partition("emails", 0), offset)).await;
        let code = code(late);
        let elsewhere = [ErrorCode::NotCoordinator, ErrorCode::CoordinatorLoadInProgress];
        assert!(elsewhere.contains(&code), "{code:?}");
        env.sleep(std::time::Duration::from_millis(20)).await;
    }
    assert!(older.is_superseded());
    assert_eq!(committed(&newer, "g").await, Some(9));
}

#[tokio::test(start_paused = true)]
async fn a_partition_that_lost_its_log_coordinates_again() {
    use ottla_broker_core::log::{LogStorage, OpenPartition};
    let (memory, env, broker, _keeper) = fresh("g").await;
    broker.offset_commit(commit("g", None, partition("emails", 0), 1)).await.unwrap().remove(0).unwrap();
    let ids = memory.logs.list().await.unwrap();
    let stolen: Vec<_> =
        ids.into_iter().map(|id| OpenPartition { id, epoch: ottla_broker_core::LeaderEpoch(5) }).collect();
    drop(memory.logs.open_many(&stolen).await);
    let refused = broker.offset_commit(commit("g", None, partition("emails", 0), 2)).await.unwrap_err();
    assert!(refused.is_retriable(), "{refused}");
    let request = commit("g", None, partition("emails", 0), 3);
    patiently(&env, || broker.offset_commit(request.clone())).await.unwrap().remove(0).unwrap();
    assert_eq!(committed(&broker, "g").await, Some(3));
}

#[tokio::test(start_paused = true)]
async fn closing_answers_who_waits_and_leaves_no_task() {
    let (_, _, broker, keeper) = fresh("g").await;
    let first = alone(&broker, "g").await;
    let waiting = {
        let (broker, request) = (Arc::clone(&broker), join("g", &["emails"]));
        tokio::spawn(async move {
            let named = broker.join_group(request.clone()).await.unwrap_err().member;
            broker.join_group(JoinGroup { member: named, ..request }).await
        })
    };
    while broker.heartbeat(heartbeat("g", &first)).await.is_ok() {
        tokio::task::yield_now().await;
    }
    broker.close(LIMIT).await.unwrap();
    let refused = waiting.await.unwrap().unwrap_err();
    assert!(matches!(refused.error.code, ErrorCode::NotCoordinator | ErrorCode::BrokerNotAvailable), "{refused}");
    assert!(keeper.await);
    assert_eq!(Arc::strong_count(&broker), 1, "something still holds the broker");
}
