//! Static members through the broker (KIP-345).

use ottla_broker_core::api::ErrorCode;
use ottla_broker_core::api::group::{GroupState, JoinGroup, JoinedGroup};
use ottla_broker_core::broker::Broker;

use super::support::*;

fn as_node(topics: &[&str]) -> JoinGroup {
    JoinGroup { instance: Some("node".into()), ..join("g", topics) }
}

async fn stable(broker: &Broker) -> JoinedGroup {
    let member = joined(broker, as_node(&["emails"])).await;
    let shares = sync("g", &member, &[(&member, &[0, 1, 2])]);
    broker
        .sync_group(ottla_broker_core::api::group::SyncGroup { instance: Some("node".into()), ..shares })
        .await
        .unwrap();
    member
}

#[tokio::test(start_paused = true)]
async fn a_static_member_comes_back_over_a_restart_without_a_rebalance() {
    let (memory, env, broker, keeper) = fresh("g").await;
    let before = stable(&broker).await;
    broker.close(LIMIT).await.unwrap();
    assert!(keeper.await);
    let (broker, _keeper) = start(&memory.reopen(), &env).await;
    assert_eq!(described(&broker, "g").await.state, GroupState::Stable);
    let back = joined(&broker, as_node(&["emails"])).await;
    assert_eq!(back.generation, before.generation);
    assert_ne!(back.member, before.member);
    let fenced = broker.offset_commit(ottla_broker_core::api::group::OffsetCommit {
        instance: Some("node".into()),
        ..commit("g", Some(&before), partition("emails", 0), 1)
    });
    assert_eq!(code(fenced.await), ErrorCode::FencedInstanceId);
}

#[tokio::test(start_paused = true)]
async fn a_static_member_that_comes_back_with_more_topics_has_them_divided() {
    let (_, _, broker, _keeper) = fresh("g").await;
    create(&broker, "letters", 1).await;
    let before = stable(&broker).await;
    let back = joined(&broker, as_node(&["emails", "letters"])).await;
    assert_eq!(back.generation, before.generation.next());
    assert_eq!((&back.leader, back.skip_assignment), (&back.member, false), "it divides anew");
    assert_eq!(described(&broker, "g").await.state, GroupState::CompletingRebalance);
}
