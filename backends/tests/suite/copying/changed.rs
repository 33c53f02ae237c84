//! The source is written to between two parts of a copy.

use futures::FutureExt;
use ottla_backends::memory::{Keep, MemoryBackend};
use ottla_broker_core::log::TrimBase;
use ottla_broker_core::metadata::Command;

use super::world::{EPOCH, batch, commit, create, elect, fill, manual, open, topic_id};
use super::*;

/// A copy of which the first pages of every log are there.
async fn begun(from: &Backend) -> MemoryBackend {
    let to = manual();
    let backend = to.backend();
    let mut copying = std::pin::pin!(copy(from, &backend, small(false)));
    for _ in 0..6 {
        assert!(copying.as_mut().now_or_never().is_none());
        for partition in backend.logs.list().await.unwrap() {
            to.logs.commit_partition(partition, 2);
        }
    }
    to.logs.crash(&Keep::All);
    to.reopen()
}

async fn finish(from: &Backend, to: &MemoryBackend) {
    let backend = to.backend();
    let mut copying = std::pin::pin!(copy(from, &backend, small(true)));
    loop {
        tokio::task::yield_now().await;
        if let Some(result) = copying.as_mut().now_or_never() {
            assert!(result.unwrap().resumed);
            break;
        }
        to.logs.commit();
    }
    assert_same(from, &backend).await;
}

#[tokio::test]
async fn what_was_written_and_trimmed_since_comes_along() {
    let from = source(21).await.backend();
    let to = begun(&from).await;
    let env = Env::seeded(21);
    let mut commands: Vec<_> =
        [("orders", 3), ("__consumer_offsets", 2)].map(|(name, n)| elect(name, 0..n, EPOCH + 4)).into();
    commands.push(Command::AllocateProducerIds { broker: 0.into(), first: 1_000, len: 1_000 });
    commands.push(Command::DeleteTopic { id: topic_id("empty") });
    commands.push(create("later", 2));
    commit(&from, commands).await;
    from.logs.remove(&[id("empty", 0)]).await.unwrap();
    let plain = open(&from, id("orders", 0), EPOCH + 4).await;
    fill(&env, plain.as_ref(), 10, EPOCH + 4).await;
    let trimmed = open(&from, id("orders", 1), EPOCH + 4).await;
    let at = trimmed.bounds().start.plus(4);
    trimmed.trim_prefix(at, TrimBase { start: at, state: bytes::Bytes::from_static(b"later") }).await.unwrap();
    let late = open(&from, id("__consumer_offsets", 0), EPOCH + 4).await;
    let end = late.bounds().end;
    late.trim_prefix(end, TrimBase { start: end, state: bytes::Bytes::from_static(b"all") }).await.unwrap();
    finish(&from, &to).await;
}

/// Of what was copied the source has lost the end, and has written something else in its place, of the same length.
#[tokio::test]
async fn a_history_that_is_not_the_sources_is_not_gone_on_with() {
    let from = memory().backend();
    commit(&from, world::cluster("original")).await;
    commit(&from, vec![create("orders", 1), elect("orders", 0..1, EPOCH)]).await;
    let log = open(&from, id("orders", 0), EPOCH).await;
    let same = Env::seeded(1);
    for base in 0..6 {
        log.append(batch(&same, base, EPOCH, 1, false)).unwrap().await.unwrap();
    }
    let to = manual();
    let destination = to.backend();
    {
        let mut copying = std::pin::pin!(copy(&from, &destination, small(false)));
        assert!(copying.as_mut().now_or_never().is_none());
    }
    to.logs.crash(&Keep::All);
    let to = to.reopen();
    let copied = to.backend().logs.open_reader(id("orders", 0)).await.unwrap().bounds().end;
    assert!(copied.0 > 1);
    commit(&from, vec![elect("orders", 0..1, EPOCH + 1)]).await;
    let log = open(&from, id("orders", 0), EPOCH + 1).await;
    log.truncate_suffix().unwrap().truncate_to(1.into()).await.unwrap();
    for base in 1..8 {
        log.append(batch(&same, base, EPOCH + 1, 1, false)).unwrap().await.unwrap();
    }
    finish(&from, &to).await;
}
