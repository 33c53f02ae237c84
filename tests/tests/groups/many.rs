//! Many groups on one broker.

use ottla_broker_core::api::group::ListGroups;

use super::support::*;

#[tokio::test(start_paused = true)]
async fn ten_thousand_groups_outlive_a_restart() {
    const GROUPS: i64 = 10_000;
    let (memory, env, broker, keeper) = fresh("group-0").await;
    for group in 0..GROUPS {
        let request = commit(&format!("group-{group}"), None, partition("emails", 0), group);
        broker.offset_commit(request).await.unwrap().remove(0).unwrap();
    }
    broker.close(LIMIT).await.unwrap();
    assert!(keeper.await);

    let (broker, _keeper) = start(&memory.reopen(), &env).await;
    let listed = patiently(&env, || broker.list_groups(ListGroups::default())).await.unwrap();
    assert_eq!(listed.len(), usize::try_from(GROUPS).unwrap());
    for group in (0..GROUPS).step_by(97) {
        assert_eq!(committed(&broker, &format!("group-{group}")).await, Some(group));
    }
}
