//! Checkpoints as files: written beside, synced, then renamed into place.

use std::io::{self, IoSlice};

use ottla_broker_core::planted::is_planted;

use super::files::Files;
use super::format::{Name, checkpoint_name, temporary_name};

/// Writes a checkpoint; it is durable, name and all, before this returns.
pub(super) fn save(files: &dyn Files, name: &str, bytes: &[u8]) -> io::Result<()> {
    let temporary = temporary_name(name);
    remove(files, &temporary)?;
    if let Err(error) = write(files, &temporary, bytes) {
        // The next one has another name: on a full disk what is left of this one would be in its way. If this fails
        // too, the first error is the one to tell.
        let _ = remove(files, &temporary);
        return Err(error);
    }
    files.rename(&temporary, name)?;
    // What this one replaces is removed next.
    if is_planted("disk-checkpoint-before-names-synced") { Ok(()) } else { files.sync_names() }
}

fn write(files: &dyn Files, name: &str, bytes: &[u8]) -> io::Result<()> {
    let file = files.create(name, bytes.len() as u64)?;
    file.write_at(0, &mut [IoSlice::new(bytes)])?;
    file.sync()
}

/// Removes the checkpoints before `number`.
pub(super) fn remove_older(files: &dyn Files, number: u64) -> io::Result<()> {
    for name in files.list()? {
        if let Name::Checkpoint(older) = Name::parse(&name)
            && older < number
        {
            remove(files, &checkpoint_name(older))?;
        }
    }
    Ok(())
}

/// The newest checkpoint and its number; `None` if there is none.
pub(super) fn newest(files: &dyn Files) -> io::Result<Option<(u64, Vec<u8>)>> {
    let numbers = files.list()?.into_iter().filter_map(|name| match Name::parse(&name) {
        Name::Checkpoint(number) => Some(number),
        _ => None,
    });
    let Some(number) = numbers.max() else { return Ok(None) };
    let file = files.open(&checkpoint_name(number), false)?;
    let size = usize::try_from(file.size()?).map_err(io::Error::other)?;
    let mut bytes = vec![0; size];
    let read = file.read_at(0, &mut bytes)?;
    bytes.truncate(read);
    Ok(Some((number, bytes)))
}

/// Removes a file that may not be there.
pub(super) fn remove(files: &dyn Files, name: &str) -> io::Result<()> {
    match files.remove(name) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
