//! The runtime over a log whose commits, failures and failovers the test decides.

mod failures;
mod many;
mod memory_log;
mod snapshots;

use std::future::Future;
use std::sync::Arc;
use std::task::Poll;

use memory_log::MemoryLog;

use super::support::*;
use crate::api::group::*;
use crate::coordinator::{GroupConfig, GroupCoordinator, ShardLog};
use crate::env::{Env, Task};

/// A coordinator of one shard and what drives it, until it is dropped.
struct Running {
    coordinator: Arc<GroupCoordinator>,
    driver: Task,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

impl std::ops::Deref for Running {
    type Target = GroupCoordinator;

    fn deref(&self) -> &GroupCoordinator {
        &self.coordinator
    }
}

/// Starts to lead `logs`, and waits until all answer.
async fn lead(config: GroupConfig, logs: &[Arc<MemoryLog>]) -> Running {
    let running = start(config, logs);
    while running.list(ListGroups::default()).await.is_err() {
        settle().await;
    }
    running
}

fn start(config: GroupConfig, logs: &[Arc<MemoryLog>]) -> Running {
    let env = Env::seeded(1);
    let coordinator = Arc::new(GroupCoordinator::new(env.clone(), config, logs.len() as i32));
    for (partition, log) in (0..).zip(logs) {
        coordinator.lead(partition, Arc::clone(log) as _);
    }
    let driven = Arc::clone(&coordinator);
    let driver = env.spawn("driver", async move { driven.run().await });
    Running { coordinator, driver }
}

/// Lets every task run that can.
async fn settle() {
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
}

/// Looks whether a future is done, without waiting.
async fn is_done<F: Future + Unpin>(future: &mut F) -> Option<F::Output> {
    std::future::poll_fn(|cx| match std::pin::Pin::new(&mut *future).poll(cx) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending => Poll::Ready(None),
    })
    .await
}

async fn committed(coordinator: &GroupCoordinator, group: &str) -> Option<i64> {
    let fetched = coordinator.fetch(fetch_all(group)).await.unwrap();
    fetched.first().map(|one| one.committed.clone().unwrap().unwrap().offset.0)
}

#[tokio::test(start_paused = true)]
async fn a_group_lives_its_life() {
    let running = lead(GroupConfig::default(), &[MemoryLog::new()]).await;
    let first = running.join(join("g", None)).await.unwrap();
    let share = running.sync(sync("g", &first, &[(&first.member, "all")])).await.unwrap();
    assert_eq!(share.assignment, "all");
    running.heartbeat(heartbeat("g", &first)).await.unwrap();
    assert_eq!(running.commit(commit("g", Some(&first), 0, 5)).await.unwrap(), [Ok(())]);
    // Two join at once: one waits for the other.
    let again = running.join(join("g", Some(&first.member)));
    let (one, two) = tokio::join!(running.join(join("g", None)), again);
    let (one, two) = (one.unwrap(), two.unwrap());
    assert_eq!((one.generation, two.members.len()), (two.generation, 2));
    let shares = sync("g", &two, &[(&one.member, "one"), (&two.member, "two")]);
    let (one_share, two_share) = tokio::join!(running.sync(sync("g", &one, &[])), running.sync(shares));
    assert_eq!((&one_share.unwrap().assignment[..], &two_share.unwrap().assignment[..]), (&b"one"[..], &b"two"[..]));
    let left = running.leave(leaving("g", Some(&one.member), None)).await.unwrap();
    assert_eq!(left[0].result, Ok(()));
    assert_eq!(running.describe("g".into()).await.unwrap().state, GroupState::PreparingRebalance);
    // Nobody says anything any more.
    tokio::time::advance(SESSION + REBALANCE).await;
    settle().await;
    assert_eq!(running.describe("g".into()).await.unwrap().state, GroupState::Empty);
    assert_eq!(committed(&running, "g").await, Some(5));
    let deleted = OffsetDelete { group: "g".into(), partitions: vec![partition(0)] };
    assert_eq!(running.delete_offsets(deleted).await.unwrap(), [Ok(())]);
    running.delete("g".into()).await.unwrap();
    assert_eq!(running.group_count(), 0);
}
