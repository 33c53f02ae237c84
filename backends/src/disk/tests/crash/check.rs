//! What must hold of a directory that a crash left.

use std::sync::Arc;

use ottla_broker_core::log::{Error, LogStorage, PartitionReader};
use ottla_broker_core::{LeaderEpoch, Offset, PartitionId};

use super::model::{Change, History, Model};
use super::workload::{batch, keys, open, open_log, run};
use crate::disk::Level;
use crate::disk::files::crash::{Choice, CrashFiles};
use crate::disk::storage::DiskStorage;
use crate::engine::{Key, Space};

/// What is to be seen of each log.
pub(in crate::disk::tests) fn observe(storage: &DiskStorage) -> Vec<(Key, Model)> {
    try_observe(storage).unwrap()
}

/// The same where a read may fail.
pub(in crate::disk::tests) fn try_observe(storage: &DiskStorage) -> Result<Vec<(Key, Model)>, Error> {
    let listed = run(storage, storage.list())?;
    keys().into_iter().map(|key| Ok((key, observe_one(storage, key, &listed)?))).collect()
}

fn observe_one(storage: &DiskStorage, key: Key, listed: &[PartitionId]) -> Result<Model, Error> {
    let reader: Arc<dyn PartitionReader> = if key.space == Space::Records {
        if !listed.contains(&key.id) {
            return Ok(Model::default());
        }
        run(storage, storage.open_reader(key.id))?
    } else {
        match storage.core.own_log(key, false)? {
            Some(log) => log as _,
            None => return Ok(Model::default()),
        }
    };
    let bounds = reader.bounds_cell().get();
    assert_eq!(bounds.durable_end, bounds.end, "{key}: what was recovered is durable");
    let mut batches = Vec::new();
    let mut from = bounds.start;
    while from < bounds.end {
        let read = run(storage, reader.read(from, bounds.end, 3_000))?;
        let Some(last) = read.last() else { break }; // a log may end with offsets that no batch has
        from = last.next_offset();
        batches.extend(read);
    }
    let base = run(storage, reader.trim_base())?;
    Ok(Model { epoch: storage.epoch_of(key), start: bounds.start, end: bounds.end, base, batches })
}

/// Compares without printing megabytes.
fn describe(model: &Model) -> String {
    let offsets: Vec<_> = model.batches.iter().map(|batch| batch.base_offset().0).collect();
    let Model { epoch, start, end, base, .. } = model;
    format!("epoch {epoch}, {start}..{end}, base {} {:?}, batches at {offsets:?}", base.start, base.state)
}

/// Recovers `files`; each log must be what `history` allows where `acknowledged` are in force.
pub(in crate::disk::tests) fn recovered(
    files: &CrashFiles,
    level: Level,
    history: &History,
    acknowledged: &[u64],
) -> (Arc<DiskStorage>, Vec<(Key, Model)>) {
    let storage = open(files, level).unwrap_or_else(|error| panic!("it cannot be opened: {error:?}"));
    let seen = observe(&storage);
    for (key, model) in &seen {
        let allowed = history.allowed(*key, acknowledged);
        let allows = || allowed.iter().map(describe).collect::<Vec<_>>().join("\n  ");
        assert!(allowed.contains(model), "{key} is\n  {}\nand may be\n  {}", describe(model), allows());
    }
    (storage, seen)
}

/// What was recovered stays when the machine crashes again, without anything having been written.
pub(in crate::disk::tests) fn stays(files: &CrashFiles, level: Level, seen: &[(Key, Model)]) {
    let again = open(&files.crash(Choice::NOTHING), level).unwrap();
    for ((key, before), (_, after)) in seen.iter().zip(observe(&again)) {
        assert!(*before == after, "{key} was\n  {}\nand is\n  {}", describe(before), describe(&after));
    }
}

/// Appends go on where the logs end, and are there after another crash.
pub(in crate::disk::tests) fn goes_on(
    files: &CrashFiles,
    level: Level,
    storage: &DiskStorage,
    seen: Vec<(Key, Model)>,
) {
    let mut expected = Vec::new();
    for (key, mut model) in seen {
        let epoch = LeaderEpoch(model.epoch.0.max(0) + 1);
        if key.space == Space::Records {
            if model.epoch > LeaderEpoch::NONE {
                let fenced = run(storage, open_log(storage, key, model.epoch));
                assert!(fenced.is_err(), "{key}: epoch {} opens it twice", model.epoch);
            }
            model.apply(&Change::Open(epoch));
        }
        let log = run(storage, open_log(storage, key, epoch)).unwrap();
        for n in 0..2 {
            let next = batch(model.end, 2, 300, log.epoch(), n);
            run(storage, log.append(next.clone()).unwrap()).unwrap();
            model.apply(&Change::Append(next));
        }
        if model.start < model.end && key.space == Space::Records {
            let at = Offset(model.start.0 + 1);
            run(storage, log.trim_prefix(at, Default::default())).unwrap();
            model.apply(&Change::Trim(at, Default::default()));
        }
        expected.push((key, model));
    }
    let left = files.crash(if level == Level::Fsync { Choice::NOTHING } else { Choice::ALL });
    let again = open(&left, level).unwrap();
    for ((key, before), (_, after)) in expected.iter().zip(observe(&again)) {
        assert!(*before == after, "{key} was\n  {}\nand is\n  {}", describe(before), describe(&after));
    }
}
