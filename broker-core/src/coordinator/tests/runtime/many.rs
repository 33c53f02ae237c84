//! Ten thousand groups cost what they do, and nothing while they do nothing.

use super::*;

#[tokio::test(start_paused = true)]
async fn ten_thousand_groups() {
    let logs: Vec<_> = (0..8).map(|_| MemoryLog::new()).collect();
    let config = GroupConfig { snapshot_after_records: u64::MAX, ..GroupConfig::default() };
    let running = lead(config, &logs).await;
    let mut members = Vec::new();
    for number in 0..10_000 {
        let id = format!("group-{number}");
        if number % 10 == 0 {
            let joined = running.join(join(&id, None)).await.unwrap();
            running.sync(sync(&id, &joined, &[(&joined.member, "all")])).await.unwrap();
            running.commit(commit(&id, Some(&joined), 0, number)).await.unwrap();
            members.push((id, joined));
        } else {
            running.commit(commit(&id, None, 0, number)).await.unwrap();
        }
    }
    assert_eq!(running.group_count(), 10_000);
    assert!(logs.iter().all(|log| log.records() > 500), "they lie on all shards");
    let stable = ListGroups { states: vec![GroupState::Stable] };
    // Those who heartbeat stay, and those who do not are gone after their session.
    for _ in 0..3 {
        tokio::time::advance(SESSION / 2).await;
        for (id, joined) in members.iter().step_by(2) {
            running.heartbeat(heartbeat(id, joined)).await.unwrap();
        }
        settle().await;
    }
    assert_eq!(running.list(stable).await.unwrap().len(), 500);
    let records: i64 = logs.iter().map(|log| log.records()).sum();
    tokio::time::advance(SESSION * 10).await;
    settle().await;
    tokio::time::advance(SESSION * 10).await;
    settle().await;
    let after: i64 = logs.iter().map(|log| log.records()).sum();
    assert_eq!(after, records + 500, "one record for each of the last sessions, and nothing else");

    let survivors: Vec<_> = logs.iter().map(|log| log.survivor()).collect();
    let next = lead(config, &survivors).await;
    assert_eq!(next.group_count(), 10_000);
    for number in (0..10_000).step_by(97) {
        assert_eq!(committed(&next, &format!("group-{number}")).await, Some(number));
    }
}
