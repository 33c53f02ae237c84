//! Snapshots in the log, and the trim that they allow.

use super::*;

const GROUPS: i64 = 40;

fn often() -> GroupConfig {
    GroupConfig { snapshot_after_records: 100, ..GroupConfig::default() }
}

async fn commit_everywhere(running: &Running, offset: i64) {
    for group in 0..GROUPS {
        running.commit(commit(&format!("group-{group}"), None, 0, offset + group)).await.unwrap();
    }
}

async fn assert_everywhere(running: &Running, offset: i64) {
    for group in 0..GROUPS {
        assert_eq!(committed(running, &format!("group-{group}")).await, Some(offset + group), "group-{group}");
    }
}

/// Commits up to the hundredth record since the last snapshot, and with it a snapshot: its begin is committed, and
/// what follows is held back.
async fn write_until_held(running: &Running) {
    for group in 0..GROUPS {
        let id = format!("group-{group}");
        let mut write = Box::pin(running.commit(commit(&id, None, 0, 3000 + group)));
        if is_done(&mut write).await.is_none() {
            return;
        }
        settle().await;
    }
    panic!("no snapshot has begun");
}

#[tokio::test(start_paused = true)]
async fn a_snapshot_keeps_replay_short_and_loses_nothing() {
    let log = MemoryLog::new();
    let running = lead(often(), &[Arc::clone(&log)]).await;
    let member = running.join(join("members", None)).await.unwrap();
    running.sync(sync("members", &member, &[(&member.member, "all")])).await.unwrap();
    for round in 0..30 {
        commit_everywhere(&running, round * 1000).await;
        settle().await;
        assert_everywhere(&running, round * 1000).await;
        // 40 offsets and a group live; a snapshot starts after 100 records and writes those 41 and two marks.
        assert!(log.records() < 400, "{} records after round {round}", log.records());
        if round % 10 == 9 {
            let next = lead(often(), &[log.survivor()]).await;
            assert_everywhere(&next, round * 1000).await;
            next.heartbeat(heartbeat("members", &member)).await.unwrap();
            assert_eq!(next.group_count(), 41);
        }
    }
    assert!(log.start().0 > 500, "nothing was trimmed");
}

#[tokio::test(start_paused = true)]
async fn a_snapshot_that_is_not_committed_trims_nothing() {
    let log = MemoryLog::new();
    let running = lead(often(), &[Arc::clone(&log)]).await;
    commit_everywhere(&running, 1000).await;
    commit_everywhere(&running, 2000).await;
    settle().await;
    log.hold_after_begin();
    let start = log.start();
    write_until_held(&running).await;
    settle().await;
    let survivor = log.survivor();
    assert_eq!(log.start(), start, "the prefix is gone before its snapshot is committed");
    let next = lead(often(), &[survivor]).await;
    for group in 0..GROUPS {
        let offset = committed(&next, &format!("group-{group}")).await.expect("an offset is lost");
        assert!(offset == 2000 + group || offset == 3000 + group);
    }
    // Once it is committed, the trim follows.
    log.release();
    settle().await;
    assert!(log.start() > start);
}

#[tokio::test(start_paused = true)]
async fn a_snapshot_that_was_broken_off_is_made_anew() {
    let log = MemoryLog::new();
    let running = lead(often(), &[Arc::clone(&log)]).await;
    commit_everywhere(&running, 1000).await;
    commit_everywhere(&running, 2000).await;
    log.hold_after_begin();
    write_until_held(&running).await;
    // The driver goes away in the middle, as a client's runtime may, and another one takes over.
    running.driver.abort();
    settle().await;
    let coordinator = Arc::clone(&running.coordinator);
    let _next = Env::system().spawn("driver", async move { coordinator.run().await });
    log.release();
    let start = log.start();
    for round in 4..12 {
        commit_everywhere(&running, round * 1000).await;
        settle().await;
    }
    assert!(log.start() > start);
    let next = lead(often(), &[log.survivor()]).await;
    assert_everywhere(&next, 11_000).await;
}
