//! From a prefix that was taken to the logs that it holds.

use futures::{StreamExt, TryStreamExt};
use ottla_broker_core::log::Error;
use ottla_broker_core::planted::is_planted;

use super::front::Front;
use super::keys::Keys;
use super::shelf::Shelf;
use super::store::Store;
use super::takeover::{Inherited, corrupt};
use crate::engine::{Applied, Core, Key, Log};

/// Fronts that are asked for at a time. Each is small: it is the latency that many at a time save.
const FRONTS_AT_ONCE: usize = 64;
/// Directories that are longer than a front, and may be as long as a chunk.
const DIRECTORIES_AT_ONCE: usize = 8;

/// Fills `core` and `shelf` with what was inherited.
pub(super) async fn recover(
    store: &Store,
    keys: &Keys,
    core: &Core,
    shelf: &Shelf,
    inherited: &Inherited,
) -> Result<(), Error> {
    if let Some(checkpoint) = &inherited.checkpoint {
        for log in checkpoint.logs.iter().cloned() {
            core.insert(Log::restored(log));
        }
        for file in &checkpoint.files {
            shelf.add(file.number, file.bytes);
            if file.adopted {
                shelf.adopt(file.number);
            }
        }
    }
    let journal = futures::stream::iter(inherited.journal.iter().copied());
    let mut chunks = journal
        .map(|file| Front::read(store, keys, file))
        .buffered(if is_planted("bucket-recovers-one-by-one") { 1 } else { FRONTS_AT_ONCE })
        .map(|front| async {
            let front = front?;
            Ok((front.file, front.size(), front.changes(store).await?))
        })
        .buffered(DIRECTORIES_AT_ONCE);
    while let Some((file, size, changes)) = chunks.try_next().await? {
        shelf.add(file, size);
        apply(core, changes)?;
    }
    Ok(())
}

fn apply(core: &Core, changes: Vec<(Key, Applied)>) -> Result<(), Error> {
    for (key, change) in changes {
        let log = core.get_or_create(key);
        if let Applied::Batch(extent) = &change
            && extent.base < log.bounds().end
        {
            return Err(corrupt(format!("the journal has offset {} of {key} a second time", extent.base)));
        }
        let removed = matches!(change, Applied::Remove);
        log.apply(core, [change]);
        if removed {
            core.forget(&log);
        }
    }
    Ok(())
}
