//! What is derived from the log equals a rebuild from it, whatever happened before.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use proptest::prelude::*;

use crate::api::{Acks, ErrorCode};
use crate::ids::Offset;
use crate::log::Snapshot;
use crate::partition::Partition;
use crate::partition::testing::{TRUSTED, World, bases, from, plain, sequenced};
use crate::record::{Builder, BuilderOptions, Flags, Header};

/// All that follows from the log, short of the coarse index's boundaries.
fn derived(partition: &Partition) -> impl PartialEq + std::fmt::Debug + use<> {
    let derived = partition.derived();
    (derived.next_offset, derived.producers.clone(), derived.epochs.clone(), derived.last_batch, derived.sizes.total())
}

#[tokio::test]
async fn a_restart_remembers_producers_with_and_without_a_snapshot() {
    for close in [true, false] {
        let world = World::new();
        let (partition, _log) = world.open().await;
        for i in 0..7 {
            assert!(partition.append(sequenced(1, 0, i, 1), Acks::All, TRUSTED).is_ok());
        }
        if close {
            partition.close().await.unwrap();
        }
        assert_eq!(world.snapshots.0.lock().unwrap().len(), usize::from(close));
        let (again, log) = world.open().await;
        let size = plain(1).size_in_bytes();
        // A snapshot spares the replay, but for the look at the one batch that it is checked by.
        assert_eq!(log.bytes_read.load(Ordering::Relaxed), if close { size } else { 7 * size });
        assert_eq!(derived(&again), derived(&partition));
        let retry = again.append(sequenced(1, 0, 3, 1), Acks::All, TRUSTED).unwrap().await.unwrap();
        assert_eq!(retry.base_offset, Some(Offset(3)));
        assert!(again.append(sequenced(1, 0, 7, 1), Acks::All, TRUSTED).is_ok());
        assert_eq!(
            again.append(sequenced(1, 0, 9, 1), Acks::All, TRUSTED).unwrap_err().code,
            ErrorCode::OutOfOrderSequenceNumber
        );
    }
}

#[tokio::test]
async fn state_is_not_rebuilt_from_bytes_that_rotted() {
    // Of the header: timestamps, producer, its epoch and sequence; and a byte of the records.
    for at in (27..57).chain([Header::SIZE + 3]) {
        let world = World::new();
        let (partition, _log) = world.open().await;
        for i in 0..3 {
            assert!(partition.append(sequenced(1, 0, i, 1), Acks::All, TRUSTED).is_ok());
        }
        world.rot(1, at);
        let error = world.lead(&world.log()).await.unwrap_err();
        assert_eq!(error.code, ErrorCode::CorruptMessage, "byte {at}");
        for part in ["t-3", "offset 1 is corrupt"] {
            assert!(error.message.contains(part), "{error} does not say {part}");
        }
        // The same bit again: it was wrong for a moment only.
        world.rot(1, at);
        let (again, _log) = world.open().await;
        assert_eq!(derived(&again), derived(&partition), "byte {at}");
    }
}

#[tokio::test]
async fn a_snapshot_ahead_of_the_log_is_ignored() {
    let world = World::new();
    let (partition, _log) = world.open().await;
    for i in 0..3 {
        assert!(partition.append(sequenced(1, 0, i, 1), Acks::All, TRUSTED).is_ok());
    }
    partition.close().await.unwrap();
    world.lose_tail(1);
    let (again, _log) = world.open().await;
    // What was lost is written when it is sent again. Trusting the snapshot, it would be "answered".
    let retry = again.append(sequenced(1, 0, 2, 1), Acks::All, TRUSTED).unwrap().await.unwrap();
    assert_eq!(retry.base_offset, Some(Offset(2)));
    assert_eq!(bases(&again.read(&from(0)).await.unwrap()), [0, 1, 2]);
}

#[tokio::test]
async fn a_snapshot_of_a_tail_that_was_lost_and_grew_again_is_ignored() {
    let world = World::new();
    let (partition, _log) = world.open().await;
    assert!(partition.append(plain(1), Acks::All, TRUSTED).is_ok());
    assert!(partition.append(sequenced(1, 0, 0, 1), Acks::All, TRUSTED).is_ok());
    partition.close().await.unwrap();
    world.lose_tail(1);
    let snapshot = world.snapshots.0.lock().unwrap().clone();
    let (grown, _log) = world.open().await;
    assert!(grown.append(sequenced(2, 0, 0, 1), Acks::All, TRUSTED).is_ok());
    *world.snapshots.0.lock().unwrap() = snapshot;
    let (again, _log) = world.open().await;
    assert_eq!(derived(&again), derived(&grown));
    assert_eq!(again.producers(), 1);
}

#[tokio::test]
async fn a_damaged_snapshot_is_ignored_and_a_damaged_base_is_told() {
    let world = World::new();
    let (partition, _log) = world.open().await;
    for i in 0..3 {
        assert!(partition.append(sequenced(1, 0, i, 1), Acks::All, TRUSTED).is_ok());
    }
    partition.close().await.unwrap();
    let good = world.snapshots.0.lock().unwrap().values().next().unwrap().clone();
    for at in 0..good.state.len() {
        let mut state = good.state.to_vec();
        state[at] ^= 0x10;
        let damaged = Snapshot { state: Bytes::from(state), ..good };
        world.snapshots.0.lock().unwrap().values_mut().for_each(|snapshot| *snapshot = damaged.clone());
        let (again, _log) = world.open().await;
        assert_eq!(derived(&again), derived(&partition), "byte {at}");
    }
    let (again, _log) = world.open().await;
    again.delete_records(Offset(2)).await.unwrap();
    world.snapshots.0.lock().unwrap().clear();
    world.damage_base();
    let error = world.lead(&world.log()).await.unwrap_err();
    assert_eq!(error.code, ErrorCode::KafkaStorageError);
    assert!(error.message.contains("t-3"), "{error}");
}

#[tokio::test]
async fn a_trim_keeps_the_producers_whose_batches_are_gone() {
    let world = World::new();
    let (partition, _log) = world.open().await;
    for i in 0..4 {
        assert!(partition.append(sequenced(1, 0, i * 2, 2), Acks::All, TRUSTED).is_ok());
    }
    partition.delete_records(Offset::MAX).await.unwrap();
    assert!(world.batches().is_empty());
    let (again, _log) = world.open().await;
    assert_eq!(again.derived().producers, partition.derived().producers);
    assert_eq!(again.derived().epochs, partition.derived().epochs);
    let retry = again.append(sequenced(1, 0, 4, 2), Acks::All, TRUSTED).unwrap().await.unwrap();
    assert_eq!(retry.base_offset, Some(Offset(4)));
    let error = again.append(sequenced(1, 0, 20, 2), Acks::All, TRUSTED).unwrap_err();
    assert_eq!(error.code, ErrorCode::OutOfOrderSequenceNumber);
    let next = again.append(sequenced(1, 0, 8, 2), Acks::All, TRUSTED).unwrap().await.unwrap();
    assert_eq!(next.base_offset, Some(Offset(8)));
}

#[tokio::test]
async fn a_trim_saves_nothing_that_the_log_may_yet_lose() {
    let world = World::new();
    let (partition, log) = world.open().await;
    assert!(partition.append(sequenced(1, 0, 0, 1), Acks::All, TRUSTED).is_ok());
    log.defer();
    let pending = partition.append(sequenced(1, 0, 1, 1), Acks::All, TRUSTED).unwrap();
    partition.delete_records(Offset::MAX).await.unwrap();
    log.fail(crate::log::ErrorKind::Poisoned, 0);
    assert!(pending.await.is_err());
    let (again, _log) = world.open().await;
    let retry = again.append(sequenced(1, 0, 1, 1), Acks::All, TRUSTED).unwrap().await.unwrap();
    assert_eq!(retry.base_offset, Some(Offset(1)));
    assert_eq!(bases(&again.read(&from(1)).await.unwrap()), [1]);
}

#[tokio::test]
async fn a_checkpoint_waits_for_the_data() {
    let world = World::new();
    let (partition, log) = world.open().await;
    log.defer();
    let _pending = partition.append(sequenced(1, 0, 0, 1), Acks::All, TRUSTED).unwrap();
    let mut save = Box::pin(partition.save_checkpoint());
    assert!(futures::FutureExt::now_or_never(&mut save).is_none());
    assert!(world.snapshots.0.lock().unwrap().is_empty());
    log.release(1);
    save.await;
    assert_eq!(world.snapshots.0.lock().unwrap().values().next().unwrap().end, Offset(1));
}

#[tokio::test]
async fn sparse_logs_are_led_from_their_end() {
    let world = World::new();
    for base in [10, 100, 1_000] {
        let mut builder = Builder::new(BuilderOptions::default());
        builder.append_at(3, 5, None, None, &[]).unwrap();
        builder.append_at(7, 6, None, None, &[]).unwrap();
        builder.extend_to(9).unwrap();
        world.plant(builder.finish(None, Flags::default()).unwrap().stamped(Offset(base), crate::LeaderEpoch(0)));
    }
    let (partition, _log) = world.open().await;
    assert_eq!(partition.bounds().end, Offset(1_010));
    let appended = partition.append(plain(1), Acks::All, TRUSTED).unwrap().await.unwrap();
    assert_eq!(appended.base_offset, Some(Offset(1_010)));
    assert_eq!(bases(&partition.read(&from(20)).await.unwrap()), [100, 1_000, 1_010]);
}

#[derive(Clone, Debug)]
enum Step {
    Append { producer: i64, bump: bool, n: usize },
    Retry { producer: i64 },
    Delete(u8),
    Checkpoint,
    Reopen { close: bool },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (0..4_i64, prop::bool::weighted(0.1), 1..4_usize)
            .prop_map(|(producer, bump, n)| Step::Append { producer, bump, n }),
        2 => (0..4_i64).prop_map(|producer| Step::Retry { producer }),
        1 => any::<u8>().prop_map(Step::Delete),
        1 => Just(Step::Checkpoint),
        2 => any::<bool>().prop_map(|close| Step::Reopen { close }),
    ]
}

/// What a producer knows of itself.
#[derive(Clone, Copy, Default)]
struct Model {
    epoch: i16,
    next: i32,
    last: Option<(i32, usize, Offset)>,
}

async fn run(steps: Vec<Step>) {
    let world = World::new();
    let (mut partition, _log) = world.open().await;
    let mut models = [Model::default(); 4];
    for step in steps {
        match step {
            Step::Append { producer, bump, n } => {
                let model = &mut models[usize::try_from(producer).unwrap()];
                if bump {
                    *model = Model { epoch: model.epoch + 1, ..Model::default() };
                }
                let batch = sequenced(producer, model.epoch, model.next, n);
                let end = partition.bounds().end;
                let answer = partition.append(batch, Acks::All, TRUSTED).unwrap().await.unwrap();
                assert_eq!(answer.base_offset, Some(end));
                model.last = Some((model.next, n, end));
                model.next += i32::try_from(n).unwrap();
            }
            Step::Retry { producer } => {
                let model = models[usize::try_from(producer).unwrap()];
                if let Some((sequence, n, offset)) = model.last {
                    let batch = sequenced(producer, model.epoch, sequence, n);
                    let answer = partition.append(batch, Acks::All, TRUSTED).unwrap().await.unwrap();
                    assert_eq!(answer.base_offset, Some(offset));
                }
            }
            Step::Delete(part) => {
                let bounds = partition.bounds();
                let before = bounds.start.0 + (bounds.end.0 - bounds.start.0) * i64::from(part) / 255;
                partition.delete_records(Offset(before)).await.unwrap();
            }
            Step::Checkpoint => partition.save_checkpoint().await,
            Step::Reopen { close } => {
                if close {
                    partition.close().await.unwrap();
                }
                let again: Arc<Partition> = world.open().await.0;
                let (old, new) = (partition.derived(), again.derived());
                assert_eq!(new.next_offset, old.next_offset);
                assert_eq!(new.producers, old.producers);
                assert_eq!(new.epochs, old.epochs);
                drop((old, new));
                partition = again;
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    /// Whatever was appended, retried, deleted and saved: after a restart, state is what it was.
    #[test]
    fn a_rebuild_equals_the_incremental_state(steps in prop::collection::vec(step(), 1..60)) {
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(run(steps));
    }
}
