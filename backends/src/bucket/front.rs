//! A journal object, of which only the front is read: header and directory say all that the index has to know.
//!
//! That is enough because an object is created as a whole or not at all: what has the right front and the right length
//! was written by the owner of that name, and was acknowledged, or may have been. A bit that changed in the data
//! afterwards is told by whoever reads it, here as in every object that a checkpoint covers.

use bytes::{Bytes, BytesMut};
use object_store::path::Path;
use ottla_broker_core::log::Error;
use ottla_broker_core::planted::is_planted;

use super::keys::{Keys, of_file};
use super::store::{Purpose, Store};
use super::takeover::corrupt;
use crate::engine::{Applied, Header, Key, decode_front};

/// What is read at once: the directory of a chunk of some 1,200 logs, and all of most chunks that are not full.
const FRONT_BYTES: u64 = 64 << 10;

/// The front of a chunk, or as much of it as came with one request.
#[derive(Debug)]
pub(super) struct Front {
    pub(super) file: u64,
    path: Path,
    header: Header,
    bytes: Bytes,
}

impl Front {
    /// Asks for the front of an object of the journal, one request.
    ///
    /// # Errors
    /// `Unavailable`; `Corrupt` if it is not there, or another thing than its name says.
    pub(super) async fn read(store: &Store, keys: &Keys, file: u64) -> Result<Self, Error> {
        let path = keys.file(file);
        let front = if is_planted("bucket-recovery-reads-all") { 1 << 40 } else { FRONT_BYTES };
        let read = store.get_front(Purpose::Recovery, &path, front).await?;
        let (bytes, size) =
            read.ok_or_else(|| corrupt(format!("`{path}` is missing, and the journal goes on after it")))?;
        let header = Header::parse(&bytes).map_err(|bad| corrupt(format!("`{path}` is damaged: {bad}")))?;
        let (_, incarnation, number) = of_file(file);
        if (header.incarnation, header.number) != (incarnation, number) {
            let what = format!("`{path}` holds chunk {} of incarnation {}", header.number, header.incarnation);
            return Err(corrupt(what));
        }
        if header.total_bytes() != size && !is_planted("bucket-length-not-checked") {
            let what = format!("`{path}` is damaged: it has {size} bytes, and should have {}", header.total_bytes());
            return Err(corrupt(what));
        }
        Ok(Self { file, path, header, bytes })
    }

    /// The size of the object.
    pub(super) fn size(&self) -> u64 {
        self.header.total_bytes()
    }

    /// What the chunk changes. Asks for what is missing of a directory that is longer than most.
    ///
    /// # Errors
    /// `Unavailable`, `Corrupt`.
    pub(super) async fn changes(mut self, store: &Store) -> Result<Vec<(Key, Applied)>, Error> {
        let have = self.bytes.len() as u64;
        if have < self.header.front_bytes() {
            let rest = store.get_range(Purpose::Recovery, &self.path, have..self.header.front_bytes()).await?;
            let mut whole = BytesMut::from(self.bytes);
            whole.extend_from_slice(&rest.unwrap_or_default());
            self.bytes = whole.freeze();
        }
        decode_front(&self.header, &self.bytes, self.file)
            .map_err(|bad| corrupt(format!("`{}` is damaged: {bad}", self.path)))
    }
}
