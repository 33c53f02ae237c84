//! Sessions and rebalances end by the clock, whoever keeps house.

use std::time::Duration;

use ottla_broker_core::api::ErrorCode;
use ottla_broker_core::api::group::GroupState;
use ottla_broker_core::env::Env;

use super::support::*;

#[tokio::test(start_paused = true)]
async fn a_silent_member_is_gone_after_its_session() {
    let (_, env, broker, _keeper) = fresh("g").await;
    let (first, second) = pair(&broker, "g").await;
    // One lives, the other does not.
    for _ in 0..3 {
        env.sleep(SESSION / 4).await;
        broker.heartbeat(heartbeat("g", &first)).await.unwrap();
    }
    env.sleep(SESSION / 4 + Duration::from_millis(10)).await;
    assert_eq!(code(broker.heartbeat(heartbeat("g", &first)).await), ErrorCode::RebalanceInProgress);
    assert_eq!(code(broker.heartbeat(heartbeat("g", &second)).await), ErrorCode::UnknownMemberId);
    let group = described(&broker, "g").await;
    assert_eq!((group.state, group.members.len()), (GroupState::PreparingRebalance, 1));
}

#[tokio::test(start_paused = true)]
async fn a_member_that_does_not_rejoin_is_left_behind() {
    let (_, env, broker, _keeper) = fresh("g").await;
    let first = alone(&broker, "g").await;
    let began = env.now();
    // It heartbeats, and never joins again.
    let second = joining(&broker, join("g", &["emails"]));
    let beating = async {
        loop {
            let _ = broker.heartbeat(heartbeat("g", &first)).await;
            env.sleep(Duration::from_secs(1)).await;
        }
    };
    let joined = tokio::select! {
        biased;
        joined = second => joined.unwrap(),
        () = beating => unreachable!(),
    };
    assert_eq!((joined.members.len(), &joined.leader), (1, &joined.member));
    assert_eq!(env.now().since(began).as_secs(), 60, "the rebalance time-out");
}

#[tokio::test(start_paused = true)]
async fn the_next_keeper_takes_over_the_timers() {
    let (memory, env) = (memory(), Env::seeded(5));
    let broker = start_alone(&memory, &env).await;
    create(&broker, "emails", 3).await;
    let (one, two) = (keep(&broker), keep(&broker));
    find(&broker, "g").await.unwrap();
    let member = alone(&broker, "g").await;
    env.sleep(SESSION / 2).await;
    // The client that kept house goes away; the other one's turn comes by itself.
    one.abort();
    env.sleep(SESSION / 4).await;
    broker.heartbeat(heartbeat("g", &member)).await.unwrap();
    env.sleep(SESSION + Duration::from_millis(10)).await;
    assert_eq!(described(&broker, "g").await.state, GroupState::Empty);
    broker.close(LIMIT).await.unwrap();
    assert!(two.await);
}

#[tokio::test(start_paused = true)]
async fn a_keeper_that_comes_late_finds_what_is_due() {
    let (memory, env) = (memory(), Env::seeded(5));
    let broker = start_alone(&memory, &env).await;
    create(&broker, "emails", 3).await;
    find(&broker, "g").await.unwrap();
    // A new group needs nobody: there is nothing to replay.
    let member = alone(&broker, "g").await;
    env.sleep(SESSION * 3).await;
    broker.heartbeat(heartbeat("g", &member)).await.unwrap();
    env.sleep(SESSION * 3).await;
    let _keeper = keep(&broker);
    env.sleep(Duration::from_millis(10)).await;
    assert_eq!(described(&broker, "g").await.state, GroupState::Empty);
}
