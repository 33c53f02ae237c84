//! From a prefix that was taken to the logs that it holds.

use futures::{StreamExt, TryStreamExt};
use ottla_broker_core::log::Error;

use super::keys::{Keys, of_file};
use super::shelf::Shelf;
use super::store::{Purpose, Store};
use super::takeover::{Inherited, corrupt};
use crate::engine::{Applied, Core, Key, Log, decode_chunk};

/// Objects that are read at a time.
const AT_ONCE: usize = 16;

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
    let read = |file: u64| async move {
        let path = keys.file(file);
        let bytes = store.get(Purpose::Recovery, &path).await?;
        let bytes = bytes.ok_or_else(|| corrupt(format!("`{path}` is missing, and the journal goes on after it")))?;
        let (_, incarnation, number) = of_file(file);
        let (header, changes) =
            decode_chunk(&bytes, file, 0).map_err(|bad| corrupt(format!("`{path}` is damaged: {bad}")))?;
        if (header.incarnation, header.number) != (incarnation, number) {
            let what = format!("`{path}` holds chunk {} of incarnation {}", header.number, header.incarnation);
            return Err(corrupt(what));
        }
        Ok((file, bytes.len() as u64, changes))
    };
    let mut chunks = futures::stream::iter(inherited.journal.iter().copied()).map(read).buffered(AT_ONCE);
    while let Some((file, bytes, changes)) = chunks.try_next().await? {
        shelf.add(file, bytes);
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
